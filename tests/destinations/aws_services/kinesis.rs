//! To Amazon Kinesis Data Streams. Its way through the emulator is in `scenarios/kinesis.rs`.

use millstream_tests::Reserved;
use serde_json::{Value, json};

use super::stand_in::{Reply, StandIn};
use super::suite::{only_what_failed_goes_again, suite};
use super::{Subject, bytes_that_are_no_text, data_of_records};
use crate::setup::{append, wait_for_delivery, wait_for_error};

const KINESIS: Subject = Subject {
    plugin: "kinesis",
    signing_name: "kinesis",
    config: ", kinesisStreamName = \"plant-7\"",
    message: bytes_that_are_no_text,
    carried: data_of_records,
    answer,
    too_many_bytes: (1 << 20) + 1,
};

/// Without a code nothing is said of those that fail.
fn answer(call: &Value, failing: &[usize], code: &str) -> Value {
    let result = |place: usize| match (failing.contains(&place), code) {
        (true, "") => json!({}),
        (true, code) => json!({ "ErrorCode": code, "ErrorMessage": "as told" }),
        (false, _) => json!({ "SequenceNumber": place.to_string(), "ShardId": "shardId-0" }),
    };
    let results: Vec<Value> = (0..data_of_records(call).len()).map(result).collect();
    json!({ "FailedRecordCount": failing.len(), "Records": results })
}

suite! { KINESIS =>
    what_is_appended_arrives_in_order_signed_by_the_host_alone,
    a_service_that_asks_for_less_is_retried_and_shown_and_loses_nothing,
    a_call_that_is_never_answered_is_given_up_and_made_again,
    a_message_too_large_is_rejected_and_its_neighbours_arrive,
    wrong_credentials_are_shown_and_waited_for,
    after_a_kill_everything_arrives_and_only_the_last_two_calls_come_twice
}

#[test]
fn of_a_call_that_failed_in_part_only_the_failed_records_go_again() {
    only_what_failed_goes_again(KINESIS, "InternalFailure");
}

#[test]
fn a_service_that_cannot_be_reached_gets_everything_when_it_is_back() {
    let away = Reserved::on_loopback();
    let host = KINESIS.start(&away.endpoint());
    append(&host, KINESIS.messages(0..33));
    wait_for_error(&host, "cannot be reached");
    let service = StandIn::listen(KINESIS, away, |_, _| Reply::Accept);
    wait_for_delivery(&host, 33);
    assert!(service.taken() == KINESIS.messages(0..33));
}

#[test]
fn an_answer_that_makes_no_sense_delivers_nothing() {
    for (nonsense, error) in [
        (Reply::Nonsense, "is not what the service answers"),
        (
            Reply::Fail((0..10).collect(), ""),
            "the answer has no sequence number",
        ),
    ] {
        let (service, gate) = StandIn::gated(KINESIS, nonsense);
        let host = KINESIS.start(&service.endpoint());
        append(&host, KINESIS.messages(0..10));
        wait_for_error(&host, error);
        gate.open();
        wait_for_delivery(&host, 10);
        assert!(service.taken() == KINESIS.messages(0..10));
    }
}

#[test]
fn a_missing_grant_is_shown_with_what_to_grant() {
    let service = StandIn::scripted(KINESIS, |_, _| Reply::Accept);
    let mut exporting = KINESIS.exporting(&service.endpoint());
    exporting.grants = format!("hosts = [\"{}\"]", service.endpoint());
    let host = exporting.start();
    append(&host, KINESIS.messages(0..2));
    wait_for_error(&host, "`kinesis` into `aws-services`");
    assert!(service.requests().is_empty());
}
