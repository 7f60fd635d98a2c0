//! To AWS IoT Analytics, which has ended.

use std::path::Path;

use millstream_protocol::Call;
use millstream_protocol::definition::{
    Destination, Export, ExportDefinition, MessageStreamDefinition, StrategyOnFull,
};
use millstream_tests::{Host, RawClient};
use tempfile::TempDir;

use crate::setup::{STREAM, append_numbered, numbered, status, wait_for_error};

/// A stream whose export makes a call for each message.
const BUSY: &str = "busy";

fn busy(folder: &Path) -> String {
    format!(
        "[plugin.file.grants]\nfolders = [{{ path = {folder:?}, as = \"/out\", write = true }}]\n\
         [[stream]]\nname = \"{BUSY}\"\n[[stream.export]]\nidentifier = \"e\"\nplugin = \"file\"\n\
         batch-size = 1\n"
    )
}

/// Gives the busy export so much work, and waits until it has done it.
fn keep_busy(host: &Host, calls: u64) {
    let mut client = RawClient::connect(host.port());
    for number in 0..calls {
        let name = BUSY.parse().unwrap();
        let payload = numbered(number).into_bytes().into();
        let response = client.call("a", Call::Append { name, payload });
        assert!(response.outcome.is_ok(), "{response:?}");
    }
    host.wait_for_export(BUSY, "has made its calls", |export| {
        export["exportedMessagesCount"] == calls
    });
}

#[test]
fn an_export_of_an_sdk_is_taken_says_that_the_service_has_ended_and_does_not_spin() {
    let out = TempDir::new().unwrap();
    let config = "[exports]\nlinger = \"50ms\"\nretry-first = \"50ms\"\nretry-longest = \"5m\"\n";
    let host = Host::start(&format!("{config}{}", busy(out.path())));
    let overwrite = StrategyOnFull::OverwriteOldestData;
    let mut definition = MessageStreamDefinition::new(STREAM.parse().unwrap(), overwrite);
    let destination = Destination::IotAnalytics {
        channel: "plant".to_owned(),
        message_id_prefix: Some("p".to_owned()),
    };
    let export = Export::new("to-analytics".parse().unwrap(), destination);
    definition.exports = ExportDefinition::new(vec![export]).unwrap();
    let response = RawClient::connect(host.port()).call("a", Call::Create(Box::new(definition)));
    assert!(response.outcome.is_ok(), "{response:?}");

    append_numbered(&host, 0..150);
    let error = wait_for_error(&host, "ended on 15 December 2025");
    assert!(
        error.contains("`plant`") && error.contains("Firehose"),
        "{error}"
    );
    // More messages come, and another export works for a while.
    append_numbered(&host, 150..300);
    keep_busy(&host, 300);
    let export = status(&host);
    let calls = export["calls"].as_u64().unwrap();
    // Pauses double, from 50 ms: so many calls take hours.
    assert!((1..=20).contains(&calls), "{calls} calls");
    assert_eq!(export["failedCalls"], calls);
    assert_eq!(export["state"], "failing");
    assert_eq!(export["rejectedMessages"], 0);
    let described = host.describe(STREAM).unwrap();
    assert_eq!(described["exports"][0]["exportedMessagesCount"], 0);
    assert_eq!(described["newestSequenceNumber"], 299);
}
