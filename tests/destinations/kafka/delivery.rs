//! What arrives, and where.

use std::time::{SystemTime, UNIX_EPOCH};

use millstream_tests::{Kafka, eventually};

use super::{TOPIC, assert_order, assert_whole, exporting, number, single};
use crate::setup::{EXPORT, STREAM, append, append_numbered, status, wait_for_delivery};

#[test]
fn any_bytes_arrive_in_order_with_headers_that_name_them() {
    for compression in ["none", "gzip", "snappy"] {
        let kafka = single(1);
        let host = exporting(&kafka, &format!(", compression = \"{compression}\"")).start();
        let payloads: Vec<Vec<u8>> = (0..=255_u8)
            .map(|byte| vec![byte; 1 + usize::from(byte) * 7])
            .collect();
        append(&host, payloads.clone());
        wait_for_delivery(&host, 256);
        let records = kafka.records(TOPIC);
        let values: Vec<Vec<u8>> = records.iter().map(|record| record.value.clone()).collect();
        assert_eq!(values, payloads);
        let numbers: Vec<u64> = records.iter().map(number).collect();
        assert_eq!(numbers, (0..256).collect::<Vec<_>>());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        for record in &records {
            assert_eq!(record.key, None);
            let age = now.as_millis() as i64 - record.timestamp.unwrap();
            assert!(
                (0..600_000).contains(&age),
                "the time of the append: {record:?}"
            );
        }
    }
}

#[test]
fn a_key_goes_where_other_producers_put_it() {
    let kafka = Kafka::start(3);
    kafka.create_topic(TOPIC, 7);
    kafka.create_topic("other", 7);
    let keys: Vec<String> = (0..40).map(|device| format!("device-{device}")).collect();
    kafka.produce(
        "other",
        &keys.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let host = exporting(&kafka, ", key = \"json:/device\"").start();
    append(
        &host,
        (0..200).map(|number| {
            format!(r#"{{"device":"device-{}","n":{number}}}"#, number % 40).into_bytes()
        }),
    );
    wait_for_delivery(&host, 200);
    let theirs = kafka.records("other");
    let ours = kafka.records(TOPIC);
    assert_eq!(ours.len(), 200);
    assert_order(&ours);
    for record in &ours {
        let same = theirs.iter().find(|other| other.key == record.key).unwrap();
        assert_eq!(record.partition, same.partition, "{:?}", record.key);
    }
}

#[test]
fn records_without_a_key_use_all_partitions() {
    let kafka = Kafka::start(3);
    kafka.create_topic(TOPIC, 6);
    let mut exporting = exporting(&kafka, "");
    exporting.batch_size = Some(10);
    let host = exporting.start();
    append_numbered(&host, 0..300);
    wait_for_delivery(&host, 300);
    let records = kafka.records(TOPIC);
    assert_whole(&records, 300, true);
    assert_order(&records);
    for partition in 0..6 {
        assert!(records.iter().any(|record| record.partition == partition));
    }
}

#[test]
fn brokers_that_know_older_requests_only_are_served_too() {
    let kafka = single(2);
    kafka.produce_versions(0, 3);
    let host = exporting(&kafka, "").start();
    append_numbered(&host, 0..50);
    wait_for_delivery(&host, 50);
    assert_whole(&kafka.records(TOPIC), 50, true);
}

#[test]
fn a_kill_in_the_middle_loses_nothing_and_repeats_can_be_told() {
    let kafka = single(1);
    // So that a kill meets a batch on its way.
    kafka.delay(5);
    let mut exporting = exporting(&kafka, "");
    exporting.batch_size = Some(10);
    let mut host = exporting.start();
    append_numbered(&host, 0..2000);
    for round in 1..4 {
        eventually("the export is under way", || {
            (status(&host)["nextSequenceNumber"].as_u64()? > 300 * round).then_some(())
        });
        host.kill();
        host.start_again();
    }
    host.wait_for_export(STREAM, "is complete", |export| {
        assert_eq!(export["identifier"], EXPORT);
        export["lastExportedSequenceNumber"] == 1999
    });
    let records = kafka.records(TOPIC);
    assert_whole(&records, 2000, false);
    assert_order(&records);
}
