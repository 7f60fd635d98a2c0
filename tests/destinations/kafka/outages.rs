//! Brokers that are away, move, are busy, or answer what makes no sense.

use millstream_tests::{Host, Kafka, Quality};

use super::{
    TOPIC, assert_order, assert_whole, by_number, exporting, exporting_to, line_to, single,
};
use crate::setup::{STREAM, append, append_numbered, wait_for_delivery, wait_for_error};

// Error codes of the protocol guide.
const NOT_LEADER_OR_FOLLOWER: i16 = 6;
const REQUEST_TIMED_OUT: i16 = 7;
const NOT_ENOUGH_REPLICAS: i16 = 19;
const THROTTLING_QUOTA_EXCEEDED: i16 = 89;

#[test]
fn a_partition_that_fails_does_not_send_the_others_twice() {
    let kafka = single(4);
    for partition in [1, 3] {
        kafka.fail_partition(TOPIC, partition, &[NOT_ENOUGH_REPLICAS, REQUEST_TIMED_OUT]);
    }
    let host = exporting(&kafka, ", key = \"json:/k\"").start();
    let messages = (0..100).map(|number| format!(r#"{{"k":{},"n":{number}}}"#, number % 20));
    append(&host, messages.map(String::into_bytes));
    wait_for_delivery(&host, 100);
    host.wait_for_log("NOT_ENOUGH_REPLICAS");
    let records = kafka.records(TOPIC);
    assert_eq!(records.len(), 100, "each is there once");
    assert_eq!(by_number(&records).len(), 100);
    assert_order(&records);
}

#[test]
fn a_leader_that_changes_is_followed() {
    let kafka = Kafka::start(3);
    kafka.create_topic(TOPIC, 1);
    let host = exporting(&kafka, "").start();
    for (round, broker) in (0_u64..).zip([1, 2, 3, 1]) {
        kafka.set_leader(TOPIC, 0, Some(broker));
        append_numbered(&host, round * 20..(round + 1) * 20);
        wait_for_delivery(&host, (round + 1) * 20);
    }
    kafka.fail_requests(&[NOT_LEADER_OR_FOLLOWER; 3]);
    append_numbered(&host, 80..100);
    wait_for_delivery(&host, 100);
    host.wait_for_log("NOT_LEADER_OR_FOLLOWER");
    let records = kafka.records(TOPIC);
    assert_whole(&records, 100, true);
    assert_order(&records);
}

#[test]
fn a_partition_without_a_leader_is_waited_for() {
    let kafka = single(1);
    kafka.set_leader(TOPIC, 0, None);
    let host = exporting(&kafka, "").start();
    append_numbered(&host, 0..20);
    wait_for_error(&host, "no leader");
    kafka.set_leader(TOPIC, 0, Some(1));
    wait_for_delivery(&host, 20);
    assert_whole(&kafka.records(TOPIC), 20, true);
}

#[test]
fn a_broker_that_is_down_for_a_while_gets_everything_once_it_is_back() {
    let kafka = single(2);
    let host = exporting(&kafka, "").start();
    append_numbered(&host, 0..20);
    wait_for_delivery(&host, 20);
    kafka.broker_down(1);
    append_numbered(&host, 20..60);
    wait_for_error(&host, "cannot be reached");
    kafka.broker_up(1);
    wait_for_delivery(&host, 60);
    assert_whole(&kafka.records(TOPIC), 60, true);
}

#[test]
fn partitions_of_other_brokers_go_on_while_one_is_down() {
    let kafka = Kafka::start(3);
    kafka.create_topic(TOPIC, 3);
    for partition in 0..3 {
        kafka.set_leader(TOPIC, partition, Some(partition + 1));
    }
    let host = exporting_to(kafka.brokers(), kafka.brokers(), ", key = \"json:/k\"").start();
    kafka.broker_down(2);
    let messages = (0..60).map(|number| format!(r#"{{"k":{},"n":{number}}}"#, number % 12));
    append(&host, messages.map(String::into_bytes));
    // The cluster knows that the partition has lost its leader.
    host.wait_for_export(STREAM, "goes on in part", |export| {
        let error = export["errorMessage"].as_str().unwrap();
        let delivered = export["exportedMessagesCount"].as_u64().unwrap();
        error.contains("Partition 1 of the topic") && (1..60).contains(&delivered)
    });
    kafka.broker_up(2);
    wait_for_delivery(&host, 60);
    let records = kafka.records(TOPIC);
    assert_eq!(records.len(), 60, "each is there once");
    assert_order(&records);
}

#[test]
fn brokers_that_throttle_get_everything_in_the_end() {
    let kafka = single(1);
    kafka.fail_requests(&[THROTTLING_QUOTA_EXCEEDED; 3]);
    let host = exporting(&kafka, "").start();
    append_numbered(&host, 0..20);
    wait_for_delivery(&host, 20);
    host.wait_for_log("THROTTLING_QUOTA_EXCEEDED");
    assert_whole(&kafka.records(TOPIC), 20, true);
}

#[test]
fn answers_that_are_none_deliver_nothing_and_do_no_harm() {
    // The first would be an answer of 1.2 GB; the second ends in the middle; the third announces two
    // thousand million entries.
    for (answer, error) in [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), "too long"),
        (b"\0\0\0\x40\0\0\0\x01\0\0", "closed the connection"),
        (
            b"\0\0\0\x0a\0\0\0\x01\0\0\x7f\xff\xff\xff",
            "ends too early",
        ),
    ] {
        let kafka = single(1);
        let line = line_to(&kafka);
        line.becomes(Quality::Garbled(answer));
        let address = [line.address()];
        let host = exporting_to(&address, &address, "").start();
        append_numbered(&host, 0..20);
        wait_for_error(&host, error);
        line.becomes(Quality::Good);
        wait_for_delivery(&host, 20);
        assert_whole(&kafka.records(TOPIC), 20, true);
    }
}

#[test]
fn a_broker_that_says_nothing_is_not_waited_for_longer_than_configured() {
    let kafka = single(1);
    let line = line_to(&kafka);
    let address = [line.address()];
    let host = exporting_to(&address, &address, ", answerTimeMs = 5000").start();
    append_numbered(&host, 0..20);
    wait_for_delivery(&host, 20);
    line.becomes(Quality::Silent);
    append_numbered(&host, 20..40);
    wait_for_error(&host, "does not answer in time");
    line.becomes(Quality::Good);
    wait_for_delivery(&host, 40);
    assert_whole(&kafka.records(TOPIC), 40, true);
}

#[test]
fn a_call_that_hangs_is_ended_by_the_host() {
    let kafka = single(1);
    let line = line_to(&kafka);
    line.becomes(Quality::Silent);
    let address = [line.address()];
    let config = exporting_to(&address, &address, "").text();
    let host = Host::start(&format!("plugins.call-deadline = \"10s\"\n{config}"));
    append_numbered(&host, 0..20);
    wait_for_error(&host, "did not answer within");
    line.becomes(Quality::Good);
    wait_for_delivery(&host, 20);
    assert_whole(&kafka.records(TOPIC), 20, true);
}

#[test]
fn an_answer_that_is_lost_repeats_a_batch_and_its_numbers_tell() {
    let kafka = single(1);
    let line = line_to(&kafka);
    // Room for the answers to the first questions and to some batches, in each connection.
    line.becomes(Quality::CutsAnswersAfter(500));
    let address = [line.address()];
    let mut exporting = exporting_to(&address, &address, "");
    exporting.batch_size = Some(10);
    let host = exporting.start();
    append_numbered(&host, 0..300);
    wait_for_delivery(&host, 300);
    line.becomes(Quality::Good);
    let records = kafka.records(TOPIC);
    assert!(records.len() > 300, "an answer was lost");
    assert_whole(&records, 300, false);
    assert_order(&records);
}
