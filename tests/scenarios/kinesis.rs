//! From the SDK through the plugin to Kinesis, in good days and bad.

use std::time::Duration;

use millstream_protocol::Call;
use millstream_tests::{
    Answer, Emulator, Host, RawClient, Reserved, Sink, eventually, kinesis_config, repository,
    run_script,
};

const CREDENTIALS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-host"),
    ("AWS_SESSION_TOKEN", "a-session-token"),
];

/// A host whose stream `s` is exported to the Kinesis stream `k` behind an endpoint.
fn exporting_to(endpoint: &str) -> Host {
    exporting_as(&kinesis_config(endpoint))
}

fn exporting_as(config: &str) -> Host {
    let host = Host::start_with(config, &CREDENTIALS);
    run_script("create_kinesis.py", &[&host.port().to_string(), "s", "k"]);
    host
}

/// Appends numbered messages.
fn append(host: &Host, numbers: std::ops::Range<u64>) {
    let mut client = RawClient::connect(host.port());
    for number in numbers.clone() {
        let payload = format!("message {number}").into();
        client.send(&RawClient::frame(
            "a",
            Call::Append {
                name: "s".parse().unwrap(),
                payload,
            },
        ));
    }
    for _ in numbers {
        let response = client.response();
        assert!(response.outcome.is_ok(), "{response:?}");
    }
}

fn messages(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| format!("message {number}")).collect()
}

fn wait_for_delivery(host: &Host, count: u64) {
    host.wait_for_export("s", &format!("has delivered {count}"), |export| {
        export["exportedMessagesCount"] == count
    });
}

#[test]
fn what_the_official_sdk_appends_arrives_in_kinesis_in_order_and_complete() {
    let emulator = Emulator::start();
    emulator.create_stream("timestamps");
    let host = Host::start_with(&kinesis_config(emulator.endpoint()), &CREDENTIALS);
    let example = repository().join("components/sdk-python/kinesis_timestamps.py");
    let output = millstream_tests::python()
        .arg(example)
        .args([
            "--port",
            &host.port().to_string(),
            "--rate",
            "500",
            "--count",
            "105",
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let appended: Vec<_> = printed
        .lines()
        .map(|line| line.split_once(": ").unwrap().1.to_owned())
        .collect();
    assert_eq!(appended.len(), 105);

    let export = host.wait_for_export("timestamps", "has delivered 105", |export| {
        export["exportedMessagesCount"] == 105
    });
    assert_eq!(export["lastExportedSequenceNumber"], 104);
    assert_eq!(export["errorMessage"], "");
    let bytes: usize = appended.iter().map(String::len).sum();
    assert_eq!(export["exportedBytesFromStream"], bytes);
    assert_eq!(emulator.records("timestamps"), appended);
}

#[test]
fn batches_are_as_large_as_the_export_asks_and_signed_by_the_host_alone() {
    let sink = Sink::start();
    let host = exporting_to(&sink.endpoint());
    append(&host, 0..30);
    wait_for_delivery(&host, 30);
    assert_eq!(sink.taken(), messages(0..30));
    let calls = sink.calls();
    for call in &calls {
        assert!(call.records.len() <= 10, "{call:?}");
        assert_eq!(call.stream, "k");
        assert!(
            call.authorization
                .starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
                && call
                    .authorization
                    .contains("/eu-central-1/kinesis/aws4_request"),
            "{call:?}"
        );
        assert!(call.headers.contains(&"x-amz-security-token".to_owned()));
        assert!(
            !call
                .headers
                .iter()
                .any(|header| header.starts_with("x-millstream"))
        );
    }
    let mut keys: Vec<_> = calls.iter().flat_map(|call| &call.partition_keys).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 30, "each record has a partition key of its own");
    assert!(!host.log().contains("a-secret-of-the-host"));
    assert!(!host.log().contains("a-session-token"));
}

#[test]
fn an_export_of_many_calls_goes_on_without_a_crash_or_a_repeat() {
    let sink = Sink::start();
    let host = exporting_to(&sink.endpoint());
    append(&host, 0..9000);
    wait_for_delivery(&host, 9000);
    assert_eq!(sink.taken(), messages(0..9000));
    assert!(sink.calls().len() >= 900);
    assert!(!host.log().contains("export failed"), "{}", host.log());
}

#[test]
fn of_a_batch_that_failed_in_part_only_the_failed_records_go_again() {
    let sink = Sink::scripted(|number, _| match number {
        0 => Answer::FailRecords(vec![1, 3, 8]),
        1 => Answer::FailRecords(vec![0]),
        _ => Answer::Accept,
    });
    // A batch waits for all that is appended at once.
    let host = exporting_as(&kinesis_config(&sink.endpoint()).replace("50ms", "3s"));
    append(&host, 0..10);
    wait_for_delivery(&host, 10);
    let calls = sink.calls();
    assert_eq!(calls[0].records, messages(0..10));
    assert_eq!(calls[1].records, ["message 1", "message 3", "message 8"]);
    assert_eq!(calls[2].records, ["message 1"]);
    let mut taken = sink.taken();
    taken.sort();
    assert_eq!(taken, messages(0..10), "each is taken once");
}

#[test]
fn a_kinesis_that_throttles_is_retried_and_shown_and_loses_nothing() {
    let sink = Sink::scripted(|number, _| match number {
        0..4 => Answer::Fail(400, "ProvisionedThroughputExceededException"),
        4 => Answer::Fail(500, "InternalFailure"),
        _ => Answer::Accept,
    });
    let host = exporting_to(&sink.endpoint());
    append(&host, 0..25);
    host.wait_for_log("export failed");
    wait_for_delivery(&host, 25);
    assert_eq!(sink.taken(), messages(0..25));
    let export = host.describe("s").unwrap()["exports"][0].clone();
    assert_eq!(
        export["errorMessage"], "",
        "the error is gone when the export works again"
    );
}

#[test]
fn a_kinesis_stream_that_does_not_exist_is_waited_for() {
    let emulator = Emulator::start();
    let host = exporting_to(emulator.endpoint());
    append(&host, 0..12);
    let export = host.wait_for_export("s", "shows an error", |export| export["errorMessage"] != "");
    let error = export["errorMessage"].as_str().unwrap();
    assert!(
        error.contains('k') && error.contains("eu-central-1"),
        "{error}"
    );
    assert_eq!(export["exportedMessagesCount"], 0);
    emulator.create_stream("k");
    wait_for_delivery(&host, 12);
    assert_eq!(emulator.records("k"), messages(0..12));
}

#[test]
fn a_kinesis_that_cannot_be_reached_gets_everything_when_it_is_back() {
    let away = Reserved::on_loopback();
    let host = exporting_to(&away.endpoint());
    append(&host, 0..33);
    host.wait_for_export("s", "shows an error", |export| export["errorMessage"] != "");
    let sink = Sink::listen(away, |_, _| Answer::Accept);
    wait_for_delivery(&host, 33);
    assert_eq!(sink.taken(), messages(0..33));
}

#[test]
fn a_call_that_is_never_answered_is_given_up_and_other_exports_go_on() {
    let hanging = Sink::scripted(|number, _| {
        if number == 0 {
            Answer::Hang
        } else {
            Answer::Accept
        }
    });
    let config = format!(
        "{}\n[plugin.file.grants]\nfolders = []\n",
        kinesis_config(&hanging.endpoint())
    );
    let config = config.replace("[exports]", "[exports]\nparallel = 2");
    let host = Host::start_with(&config, &CREDENTIALS);
    let port = host.port().to_string();
    run_script("create_kinesis.py", &[&port, "s", "k"]);
    append(&host, 0..10);
    eventually("the first call hangs", || {
        (!hanging.calls().is_empty()).then_some(())
    });
    run_script("create_kinesis.py", &[&port, "other", "k"]);
    let mut client = RawClient::connect(host.port());
    let name = "other".parse().unwrap();
    client.call(
        "a",
        Call::Append {
            name,
            payload: "beside".into(),
        },
    );
    host.wait_for_export("other", "goes on", |export| {
        export["exportedMessagesCount"] == 1
    });
    // The plugin gives a call 30 seconds.
    millstream_tests::eventually_within(Duration::from_secs(90), "the batch goes again", || {
        (hanging.taken().len() == 11).then_some(())
    });
}

#[test]
fn a_message_that_kinesis_can_never_take_is_rejected_and_the_rest_arrives() {
    let sink = Sink::start();
    let host = exporting_to(&sink.endpoint());
    append(&host, 0..1);
    let mut client = RawClient::connect(host.port());
    let name: millstream_protocol::Name = "s".parse().unwrap();
    let huge = vec![b'x'; 2 << 20].into();
    client.call(
        "a",
        Call::Append {
            name: name.clone(),
            payload: huge,
        },
    );
    client.call(
        "a",
        Call::Append {
            name,
            payload: "message 1".into(),
        },
    );
    wait_for_delivery(&host, 2);
    assert_eq!(sink.taken(), messages(0..2));
    host.wait_for_log("message rejected");
}
