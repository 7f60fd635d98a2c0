//! What a definition says of its exports, from the client to the destination.

use millstream_protocol::definition::{Destination, Export, ExportDefinition, StrategyOnFull};
use millstream_protocol::{Bounded, Call, MessageStreamDefinition};
use millstream_tests::{Host, RawClient, Sink, eventually, kinesis_config};
use serde_json::Value;

const CREDENTIALS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-host"),
];

/// An export in batches of two to a Kinesis stream of its own name.
fn export(identifier: &str) -> Export {
    let destination = Destination::Kinesis {
        stream_name: identifier.to_owned(),
    };
    let mut export = Export::new(identifier.parse().unwrap(), destination);
    export.batch_size = Bounded::clamped(2);
    export
}

fn definition(exports: Vec<Export>) -> Box<MessageStreamDefinition> {
    let name = "s".parse().unwrap();
    let mut definition = MessageStreamDefinition::new(name, StrategyOnFull::OverwriteOldestData);
    definition.exports = ExportDefinition::new(exports).unwrap();
    Box::new(definition)
}

fn done(client: &mut RawClient, call: Call) {
    let response = client.call("c", call);
    assert!(response.outcome.is_ok(), "{response:?}");
}

fn append(client: &mut RawClient, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let payload = number.to_string().into();
        let name = "s".parse().unwrap();
        done(client, Call::Append { name, payload });
    }
}

/// Waits until a Kinesis stream has got exactly these messages, in order.
fn wait_for(sink: &Sink, stream: &str, numbers: std::ops::Range<u64>) {
    let expected: Vec<_> = numbers.map(|number| number.to_string()).collect();
    eventually(&format!("{stream} has {expected:?}"), || {
        let calls = sink.calls();
        let calls = calls.iter().filter(|call| call.stream == stream);
        let records: Vec<_> = calls.flat_map(|call| call.records.clone()).collect();
        (records == expected).then_some(())
    });
}

#[test]
fn exports_of_one_kind_each_have_their_own_start_pause_and_place() {
    let sink = Sink::start();
    let mut host = Host::start_with(&kinesis_config(&sink.endpoint()), &CREDENTIALS);
    let mut client = RawClient::connect(host.port());
    let mut late = export("late");
    late.start_sequence_number = Some(Bounded::clamped(4));
    let mut paused = export("paused");
    paused.disabled = true;
    let exports = vec![export("all"), late.clone(), paused.clone()];
    done(&mut client, Call::Create(definition(exports)));
    append(&mut client, 0..6);
    wait_for(&sink, "all", 0..6);
    wait_for(&sink, "late", 4..6);
    let calls = sink.calls();
    assert!(
        calls
            .iter()
            .all(|call| call.stream != "paused" && call.records.len() <= 2)
    );

    // Enabled, it begins where it stands; a new one begins at the oldest message; one that is left out
    // is gone, with its place.
    paused.disabled = false;
    let exports = vec![late, paused, export("new")];
    done(&mut client, Call::Update(definition(exports)));
    wait_for(&sink, "paused", 0..6);
    wait_for(&sink, "new", 0..6);
    append(&mut client, 6..8);
    wait_for(&sink, "late", 4..8);
    wait_for(&sink, "all", 0..6);

    // What was counted outlives a restart, and nothing is sent again.
    let count = |host: &Host| {
        let info = host.describe("s").unwrap();
        let exports = info["exports"].as_array().unwrap().clone();
        let count = |export: &Value| {
            let number = |key: &str| export[key].as_u64().unwrap();
            (
                number("exportedMessagesCount"),
                number("exportedBytesFromStream"),
                number("lastExportedSequenceNumber"),
                number("lastExportTime"),
            )
        };
        exports.iter().map(count).collect::<Vec<_>>()
    };
    let before = eventually("every export has counted its last message", || {
        let counts = count(&host);
        counts
            .iter()
            .all(|(_, _, last, _)| *last == 7)
            .then_some(counts)
    });
    let messages: Vec<_> = before
        .iter()
        .map(|(messages, bytes, ..)| (*messages, *bytes))
        .collect();
    assert_eq!(messages, [(4, 4), (8, 8), (8, 8)]);
    host.kill();
    host.start_again();
    assert_eq!(count(&host), before);
    let mut client = RawClient::connect(host.port());
    append(&mut client, 8..10);
    wait_for(&sink, "late", 4..10);
    wait_for(&sink, "paused", 0..10);
}

#[test]
fn a_ceiling_on_the_bandwidth_holds_back_what_exports_send() {
    let sink = Sink::start();
    // A thousand bytes a second: the message below takes a quarter of an hour.
    let config = kinesis_config(&sink.endpoint())
        .replace("[exports]", "[exports]\nmax-bandwidth = \"8 kbit/s\"");
    let host = Host::start_with(&config, &CREDENTIALS);
    let mut client = RawClient::connect(host.port());
    let mut first = export("slow");
    first.batch_size = Bounded::clamped(1);
    done(&mut client, Call::Create(definition(vec![first])));
    let payload = vec![b'x'; 1_000_000].into();
    let name = "s".parse().unwrap();
    done(&mut client, Call::Append { name, payload });
    let sent = || {
        let output = host.command(&["status", "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        status["telemetry"]["HttpSent"].as_u64().unwrap()
    };
    eventually("something is sent", || (sent() > 0).then_some(()));
    // Clients are not held back by it.
    append(&mut client, 0..200);
    assert!(sent() < 500_000, "{}", sent());
    assert!(sink.calls().is_empty());
}
