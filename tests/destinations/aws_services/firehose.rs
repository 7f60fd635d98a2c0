//! To Amazon Data Firehose.

use millstream_tests::{Emulator, run_script};
use serde_json::{Value, json};

use super::stand_in::{Reply, StandIn};
use super::suite::{only_what_failed_goes_again, suite};
use super::{CREDENTIALS, Subject, bytes_that_are_no_text, data_of_records};
use crate::setup::{append, numbered, wait_for_delivery, wait_for_error};

const FIREHOSE: Subject = Subject {
    plugin: "firehose",
    signing_name: "firehose",
    config: ", deliveryStreamName = \"plant-7\"",
    message: bytes_that_are_no_text,
    carried: data_of_records,
    answer,
    too_many_bytes: (1000 << 10) + 1,
};

fn answer(call: &Value, failing: &[usize], code: &str) -> Value {
    let response = |place: usize| match failing.contains(&place) {
        true => json!({ "ErrorCode": code, "ErrorMessage": "as told" }),
        false => json!({ "RecordId": format!("record-{place}") }),
    };
    let responses: Vec<Value> = (0..data_of_records(call).len()).map(response).collect();
    json!({ "FailedPutCount": failing.len(), "RequestResponses": responses })
}

suite!(FIREHOSE);

#[test]
fn of_a_call_that_failed_in_part_only_the_failed_records_go_again() {
    only_what_failed_goes_again(FIREHOSE, "ServiceUnavailableException");
}

#[test]
fn a_call_has_five_hundred_records_and_four_mebibytes_at_most() {
    let service = StandIn::scripted(FIREHOSE, |_, _| Reply::Accept);
    let mut exporting = FIREHOSE.exporting(&service.endpoint());
    exporting.batch_size = None;
    let host = exporting.start();
    append(&host, FIREHOSE.messages(0..1200));
    append(&host, (0..9).map(|number| vec![number; 1000 << 10]));
    wait_for_delivery(&host, 1209);
    assert_eq!(service.taken().len(), 1209);
    let calls = service.calls();
    assert!(calls.iter().all(|call| call.len() <= 500));
    let bytes = calls
        .iter()
        .map(|call| call.iter().map(Vec::len).sum::<usize>());
    assert!(bytes.max().unwrap() <= 4 << 20);
}

#[test]
fn what_is_appended_comes_through_the_emulator_to_a_bucket() {
    let emulator = Emulator::start();
    let endpoint = emulator.endpoint();
    let mut exporting = FIREHOSE.exporting(endpoint);
    exporting.config = exporting.config.replace(" }", ", appendNewline = true }");
    let host = exporting.start();
    append(&host, (0..30).map(|number| numbered(number).into_bytes()));
    // The emulator does not know the stream yet, and the plugin says which one.
    let error = wait_for_error(&host, "does not exist");
    assert!(
        error.contains("`plant-7`") && error.contains("eu-central-1"),
        "{error}"
    );
    let tool = |command| run_script("aws_emulated.py", &[endpoint, command, "plant-7"]);
    tool("firehose-create");
    wait_for_delivery(&host, 30);
    let read = tool("firehose-read");
    // Each call becomes an object, and the names of objects of one second have no order.
    let mut lines: Vec<&str> = read.lines().collect();
    lines.sort_unstable();
    let mut expected: Vec<String> = (0..30).map(numbered).collect();
    expected.sort_unstable();
    assert_eq!(lines, expected);
    assert!(read.ends_with('\n'));
    assert!(!host.log().contains(CREDENTIALS[1].1));
}

#[test]
fn a_stream_that_takes_records_from_elsewhere_costs_no_message() {
    let refusal = Reply::Refuse(400, "InvalidArgumentException");
    let (service, gate) = StandIn::gated(FIREHOSE, refusal);
    let host = FIREHOSE.start(&service.endpoint());
    append(&host, FIREHOSE.messages(0..12));
    wait_for_error(&host, "InvalidArgumentException");
    gate.open();
    wait_for_delivery(&host, 12);
    // What was refused alone just before the gate opened comes behind its neighbours.
    let (mut taken, mut expected) = (service.taken(), FIREHOSE.messages(0..12));
    taken.sort();
    expected.sort();
    assert!(taken == expected);
}
