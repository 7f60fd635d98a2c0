//! What a cluster does not take, and what an operator has to set right.

use super::{TOPIC, assert_whole, by_number, exporting, exporting_to, single};
use crate::setup::{
    append, append_numbered, numbered, wait_for_delivery, wait_for_error, wait_for_rejections,
};
use millstream_tests::Kafka;

// Error codes of the protocol guide.
const MESSAGE_TOO_LARGE: i16 = 10;
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
const INVALID_RECORD: i16 = 87;

#[test]
fn a_message_too_large_is_rejected_and_its_neighbours_are_delivered() {
    let kafka = single(1);
    let host = exporting(&kafka, ", maxBatchBytes = 2048").start();
    let payloads = (0..20).map(|number| match number {
        7 => vec![b'x'; 2048],
        _ => numbered(number).into_bytes(),
    });
    append(&host, payloads);
    wait_for_delivery(&host, 19);
    wait_for_rejections(&host, 1);
    host.wait_for_log("`maxBatchBytes`");
    let numbers: Vec<u64> = by_number(&kafka.records(TOPIC)).into_keys().collect();
    assert_eq!(
        numbers,
        (0..20).filter(|number| *number != 7).collect::<Vec<_>>()
    );
}

#[test]
fn what_a_broker_calls_too_large_goes_in_smaller_batches_until_it_is_one_message() {
    let kafka = single(1);
    kafka.fail_partition(TOPIC, 0, &[MESSAGE_TOO_LARGE; 2]);
    let mut exporting = exporting(&kafka, "");
    exporting.batch_size = Some(20);
    let host = exporting.start_patient();
    append_numbered(&host, 0..20);
    wait_for_delivery(&host, 20);
    assert_whole(&kafka.records(TOPIC), 20, true);

    kafka.fail_partition(TOPIC, 0, &[MESSAGE_TOO_LARGE]);
    append_numbered(&host, 20..21);
    wait_for_rejections(&host, 1);
    host.wait_for_log("MESSAGE_TOO_LARGE");
    append_numbered(&host, 21..30);
    wait_for_delivery(&host, 29);
}

#[test]
fn an_invalid_message_is_rejected_alone() {
    let kafka = single(1);
    let mut exporting = exporting(&kafka, "");
    exporting.batch_size = Some(4);
    let host = exporting.start_patient();
    append_numbered(&host, 0..4);
    wait_for_delivery(&host, 4);
    // The four together, the first two, and the first: then the fault is found.
    kafka.fail_partition(TOPIC, 0, &[INVALID_RECORD; 3]);
    append_numbered(&host, 4..8);
    wait_for_delivery(&host, 7);
    wait_for_rejections(&host, 1);
    host.wait_for_log("INVALID_RECORD");
    let numbers: Vec<u64> = by_number(&kafka.records(TOPIC)).into_keys().collect();
    assert_eq!(numbers, [0, 1, 2, 3, 5, 6, 7]);
}

#[test]
fn a_device_that_may_not_write_is_told_and_loses_nothing() {
    let kafka = single(1);
    kafka.fail_requests(&[TOPIC_AUTHORIZATION_FAILED; 3]);
    let host = exporting(&kafka, "").start();
    append_numbered(&host, 0..20);
    host.wait_for_log("TOPIC_AUTHORIZATION_FAILED");
    wait_for_delivery(&host, 20);
    assert_whole(&kafka.records(TOPIC), 20, true);
}

#[test]
fn a_topic_is_never_made_and_waited_for() {
    let kafka = Kafka::start(1);
    let host = exporting(&kafka, "").start();
    append_numbered(&host, 0..20);
    let error = wait_for_error(&host, "does not exist");
    assert!(error.contains("`t`"), "{error}");
    kafka.create_topic(TOPIC, 1);
    wait_for_delivery(&host, 20);
    assert_whole(&kafka.records(TOPIC), 20, true);
}

#[test]
fn each_broker_that_the_cluster_names_has_to_be_granted() {
    let kafka = Kafka::start(2);
    kafka.create_topic(TOPIC, 1);
    kafka.set_leader(TOPIC, 0, Some(2));
    let first = &kafka.brokers()[..1];
    let host = exporting_to(first, first, "").start();
    append_numbered(&host, 0..20);
    let error = wait_for_error(&host, "`addresses`");
    assert!(error.contains(&kafka.brokers()[1].to_string()), "{error}");
    assert!(kafka.records(TOPIC).is_empty());
}
