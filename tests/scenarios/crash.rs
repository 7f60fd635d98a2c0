//! `kill -9` at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};

use millstream_protocol::Bounded;
use millstream_protocol::Call;
use millstream_protocol::request::ReadMessagesOptions;
use millstream_protocol::response::Success;
use millstream_tests::{
    Emulator, Host, RawClient, eventually, kinesis_config, python, repository, run_script,
};

const STREAM: &str = "crashing";

fn appender(port: u16, name: &str) -> Child {
    python()
        .arg(repository().join("tests/python/appender.py"))
        .args([&port.to_string(), STREAM, name])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn acknowledged(appender: Child) -> Vec<(u64, String)> {
    let output = appender.wait_with_output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(number, payload)| (number.parse().unwrap(), payload.to_owned()))
        .collect()
}

fn read_all(port: u16) -> Vec<(u64, String)> {
    let mut client = RawClient::connect(port);
    let mut all: Vec<(u64, String)> = Vec::new();
    loop {
        let options = ReadMessagesOptions {
            desired_start_sequence_number: Bounded::clamped(all.len() as u64),
            max_message_count: Bounded::clamped(5000),
            ..ReadMessagesOptions::default()
        };
        let name = STREAM.parse().unwrap();
        match client.call("r", Call::Read { name, options }).outcome {
            Ok(Success::Messages(messages)) => all.extend(messages.into_iter().map(|message| {
                let payload = String::from_utf8(message.payload.to_vec()).unwrap();
                (message.sequence_number, payload)
            })),
            _ => return all,
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_once_with_its_number_and_reaches_kinesis() {
    let emulator = Emulator::start();
    emulator.create_stream("k");
    let credentials = [
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let mut host = Host::start_with(&kinesis_config(emulator.endpoint()), &credentials);
    run_script(
        "create_kinesis.py",
        &[&host.port().to_string(), STREAM, "k"],
    );

    let mut acknowledgements: BTreeMap<u64, String> = BTreeMap::new();
    for round in 0..4 {
        let names = (0..3).map(|client| format!("{round}.{client}"));
        let appenders: Vec<_> = names.map(|name| appender(host.port(), &name)).collect();
        let before = exported(&host);
        // Killed while clients append and the exporter is at work.
        eventually("the exporter is at work", || {
            (exported(&host) > before + 20 + 35 * round).then_some(())
        });
        host.kill();
        for appender in appenders {
            for (number, payload) in acknowledged(appender) {
                let earlier = acknowledgements.insert(number, payload);
                assert_eq!(earlier, None, "number {number} was given twice");
            }
        }
        host.start_again();
    }

    let all = read_all(host.port());
    let numbers: Vec<_> = all.iter().map(|(number, _)| *number).collect();
    assert_eq!(
        numbers,
        (0..all.len() as u64).collect::<Vec<_>>(),
        "no holes, in order"
    );
    let distinct: BTreeSet<_> = all.iter().map(|(_, payload)| payload).collect();
    assert_eq!(distinct.len(), all.len(), "each message is there once");
    for (number, payload) in &acknowledgements {
        let place = usize::try_from(*number).unwrap();
        assert_eq!(all.get(place), Some(&(*number, payload.clone())));
    }
    assert!(
        acknowledgements.len() > 100,
        "{} acknowledgements",
        acknowledgements.len()
    );

    let last = all.len() as u64 - 1;
    host.wait_for_export(STREAM, "is complete", |export| {
        export["lastExportedSequenceNumber"] == last
    });
    let records: BTreeSet<_> = emulator.records("k").into_iter().collect();
    for (number, payload) in &all {
        assert!(
            records.contains(payload),
            "message {number} ({payload}) did not reach Kinesis"
        );
    }
}

fn exported(host: &Host) -> u64 {
    host.describe(STREAM)
        .and_then(|described| described["exports"][0]["exportedMessagesCount"].as_u64())
        .unwrap_or(0)
}
