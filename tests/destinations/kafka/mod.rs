//! Kafka: a cluster that speaks its protocol, and a real consumer as the judge.

mod delivery;
mod login;
mod outages;
mod refusals;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use millstream_tests::{Kafka, KafkaRecord, Line};

use crate::setup::{Exporting, STREAM};

/// The topic of the tests.
const TOPIC: &str = "t";

/// An export to these brokers and to what they say of others, with further keys of its configuration.
fn exporting_to(brokers: &[SocketAddr], granted: &[SocketAddr], more: &str) -> Exporting<'static> {
    Exporting {
        plugin: "kafka",
        grants: format!("addresses = {:?}", texts(granted)),
        config: format!(
            "{{ brokers = {:?}, topic = \"{TOPIC}\"{more} }}",
            texts(brokers)
        ),
        ..Exporting::default()
    }
}

/// An export to a whole cluster.
fn exporting(kafka: &Kafka, more: &str) -> Exporting<'static> {
    exporting_to(&kafka.brokers()[..1], kafka.brokers(), more)
}

fn texts(addresses: &[SocketAddr]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

/// A cluster of one broker with a topic of so many partitions.
fn single(partitions: u32) -> Kafka {
    let kafka = Kafka::start(1);
    kafka.create_topic(TOPIC, partitions);
    kafka
}

/// A line to the only broker of a cluster, which the cluster names as the broker's own address.
fn line_to(kafka: &Kafka) -> Line {
    let line = Line::to(kafka.brokers()[0]);
    kafka.advertise(1, line.address());
    line
}

/// The number that a record carries in its header.
fn number(record: &KafkaRecord) -> u64 {
    assert_eq!(record.headers["millstream-stream"], STREAM);
    record.headers["millstream-sequence-number"]
        .parse()
        .unwrap()
}

/// The values of a topic by their numbers, and how many there are for each number.
fn by_number(records: &[KafkaRecord]) -> BTreeMap<u64, (String, usize)> {
    let mut all = BTreeMap::new();
    for record in records {
        let value = String::from_utf8(record.value.clone()).unwrap();
        let (known, count) = all.entry(number(record)).or_insert((value.clone(), 0));
        assert_eq!(*known, value, "a repeat is the same record");
        *count += 1;
    }
    all
}

/// Holds a topic to the messages `0..count` of `append_numbered`: each is there, and once if so wanted.
fn assert_whole(records: &[KafkaRecord], count: u64, once: bool) {
    let all = by_number(records);
    let numbers: Vec<u64> = all.keys().copied().collect();
    assert_eq!(numbers, (0..count).collect::<Vec<_>>(), "nothing is lost");
    for (number, (value, times)) in all {
        assert_eq!(value, crate::setup::numbered(number));
        assert!(!once || times == 1, "{value} is there {times} times");
    }
}

/// Holds each partition to the order of the stream; of a repeat the first arrival counts.
fn assert_order(records: &[KafkaRecord]) {
    let mut last: BTreeMap<i64, u64> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for record in records.iter().filter(|record| seen.insert(number(record))) {
        let before = last.insert(record.partition, number(record));
        assert!(
            before < Some(number(record)),
            "{before:?} before {record:?}"
        );
    }
}
