//! To Amazon CloudWatch Logs.

use millstream_tests::{Emulator, run_script};
use serde_json::{Value, json};

use super::Subject;
use super::stand_in::{Reply, StandIn};
use super::suite::suite;
use crate::setup::{
    append, append_numbered, numbered, wait_for_delivery, wait_for_error, wait_for_rejections,
};

const LOGS: Subject = Subject {
    plugin: "cloudwatch-logs",
    signing_name: "logs",
    config: ", logGroupName = \"/plant/7\"",
    message,
    carried,
    answer,
    too_many_bytes: (1 << 20) - 25,
};

fn message(number: u64) -> Vec<u8> {
    format!("°C\t{}\n", numbered(number)).into_bytes()
}

fn carried(call: &Value) -> Vec<Vec<u8>> {
    let events = call["logEvents"].as_array().cloned().unwrap_or_default();
    let text = |event: &Value| event["message"].as_str().unwrap().as_bytes().to_vec();
    events.iter().map(text).collect()
}

/// The events up to the last failing place are too old.
fn answer(_: &Value, failing: &[usize], _: &str) -> Value {
    match failing.last() {
        Some(last) => json!({ "rejectedLogEventsInfo": { "tooOldLogEventEndIndex": last + 1 } }),
        None => json!({}),
    }
}

suite!(LOGS);

#[test]
fn events_that_are_too_old_are_rejected_with_the_reason_and_the_rest_is_taken() {
    let service = StandIn::scripted(LOGS, |number, _| match number {
        0 => Reply::Fail(vec![0, 1, 2], ""),
        _ => Reply::Accept,
    });
    let host = LOGS.exporting(&service.endpoint()).start_patient();
    append(&host, LOGS.messages(0..20));
    wait_for_delivery(&host, 17);
    wait_for_rejections(&host, 3);
    assert!(service.taken() == LOGS.messages(3..20));
    assert!(host.log().contains("no event older than 14 days"));
}

#[test]
fn a_call_has_a_mebibyte_at_most_and_the_time_of_each_message() {
    let service = StandIn::scripted(LOGS, |_, _| Reply::Accept);
    let mut exporting = LOGS.exporting(&service.endpoint());
    exporting.batch_size = None;
    let host = exporting.start();
    append(&host, (0..50).map(|_| vec![b'x'; 100 << 10]));
    append(&host, LOGS.messages(0..10_500));
    wait_for_delivery(&host, 10_550);
    assert_eq!(service.taken().len(), 10_550);
    let mut last = 0;
    for request in service.requests() {
        let call = super::body(&request);
        assert_eq!(call["logStreamName"], "s");
        let events = call["logEvents"].as_array().unwrap();
        let bytes = |event: &Value| event["message"].as_str().unwrap().len() + 26;
        assert!(events.len() <= 10_000);
        assert!(events.iter().map(bytes).sum::<usize>() <= 1 << 20);
        for event in events {
            let timestamp = event["timestamp"].as_u64().unwrap();
            assert!(timestamp >= last);
            last = timestamp;
        }
    }
    assert!(last > 0);
}

#[test]
fn what_is_no_text_arrives_in_base64_or_is_rejected() {
    let service = StandIn::scripted(LOGS, |_, _| Reply::Accept);
    let host = LOGS.start(&service.endpoint());
    append(&host, [b"\0\xff".to_vec(), b"text".to_vec()]);
    wait_for_delivery(&host, 2);
    assert_eq!(service.taken(), [b"AP8=".to_vec(), b"text".to_vec()]);

    let service = StandIn::scripted(LOGS, |_, _| Reply::Accept);
    let mut exporting = LOGS.exporting(&service.endpoint());
    exporting.config = exporting.config.replace(" }", ", binary = \"reject\" }");
    let host = exporting.start();
    append(&host, [b"\0\xff".to_vec(), b"text".to_vec()]);
    wait_for_delivery(&host, 1);
    wait_for_rejections(&host, 1);
    assert_eq!(service.taken(), [b"text".to_vec()]);
}

#[test]
fn the_emulator_gets_the_log_stream_created_but_not_the_group() {
    let emulator = Emulator::start();
    let endpoint = emulator.endpoint();
    let host = LOGS.start(endpoint);
    append_numbered(&host, 0..30);
    let error = wait_for_error(&host, "does not exist");
    assert!(error.contains("`/plant/7`"), "{error}");
    run_script("aws_emulated.py", &[endpoint, "logs-create", "/plant/7"]);
    wait_for_delivery(&host, 30);
    let read = run_script("aws_emulated.py", &[endpoint, "logs-read", "/plant/7", "s"]);
    let events: Vec<(u64, String)> = serde_json::from_str(&read).unwrap();
    let texts: Vec<String> = events.iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(texts, (0..30).map(numbered).collect::<Vec<_>>());
    assert!(events.is_sorted_by_key(|(timestamp, _)| *timestamp));
}

#[test]
fn the_emulator_gets_the_log_group_created_where_the_configuration_says_so() {
    let emulator = Emulator::start();
    let endpoint = emulator.endpoint();
    let mut exporting = LOGS.exporting(endpoint);
    let more = ", createLogGroup = true, logStreamName = \"device/{stream}/{export}\" }";
    exporting.config = exporting.config.replace(" }", more);
    let host = exporting.start();
    append_numbered(&host, 0..3);
    wait_for_delivery(&host, 3);
    let stream = "device/s/e";
    let read = run_script(
        "aws_emulated.py",
        &[endpoint, "logs-read", "/plant/7", stream],
    );
    assert!(read.contains("message 2"), "{read}");
}
