//! Deliveries to a cluster that answers as it is told.

use std::collections::VecDeque;

use kafka_protocol::records::RecordBatchDecoder;
use serde_json::{Value, json};

use super::*;
use crate::cluster::Partition;
use crate::config::Config;
use crate::protocol::ProducedPartition;

/// What a partition answers to a batch of so many records.
type Script = Box<dyn FnMut(i32, usize) -> ProducedPartition>;

/// A cluster with one broker for each partition.
struct Scripted {
    partitions: Vec<Partition>,
    script: Script,
    /// Errors instead of answers, by the leader.
    broken: BTreeMap<BrokerId, ExportError>,
    throttle_time: i32,
    /// Records by the requests and partitions that they came with.
    seen: Vec<(i32, Vec<String>)>,
    requests: usize,
    forgotten: usize,
    layouts: VecDeque<ExportError>,
}

impl Cluster for Scripted {
    fn layout(&mut self, _: Instant) -> Result<Layout, ExportError> {
        match self.layouts.pop_front() {
            Some(error) => Err(error),
            None => Ok(Layout {
                partitions: self.partitions.clone(),
            }),
        }
    }

    fn forget_layout(&mut self) {
        self.forgotten += 1;
    }

    fn produce(
        &mut self,
        deliveries: Vec<Request>,
        _: Instant,
    ) -> Vec<Result<Produced, ExportError>> {
        let mut answers = Vec::new();
        for request in deliveries {
            self.requests += 1;
            let mut partitions = Vec::new();
            for (partition, mut batch) in request.batches {
                let records = RecordBatchDecoder::decode(&mut batch).unwrap().records;
                let values = records.iter().map(|record| {
                    let value = record.value.as_ref().unwrap();
                    String::from_utf8_lossy(value).into_owned()
                });
                self.seen.push((partition, values.collect()));
                partitions.push((self.script)(partition, records.len()));
            }
            answers.push(match self.broken.get(&request.leader) {
                Some(error) => Err(error.clone()),
                None => Ok(Produced {
                    topics: vec![("t".to_owned(), partitions)],
                    throttle_time: self.throttle_time,
                }),
            });
        }
        answers
    }
}

fn taken(index: i32) -> ProducedPartition {
    failed(index, 0)
}

fn failed(index: i32, error: i16) -> ProducedPartition {
    ProducedPartition {
        index,
        error,
        at_fault: Vec::new(),
        message: None,
    }
}

fn deliveries(
    partitions: i32,
    config: Value,
    script: impl FnMut(i32, usize) -> ProducedPartition + 'static,
) -> Deliveries<Scripted> {
    let mut whole = json!({ "brokers": ["a:1"], "topic": "t" });
    for (key, value) in config.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let config: Config = serde_json::from_value(whole).unwrap();
    let cluster = Scripted {
        partitions: (0..partitions)
            .map(|index| Partition {
                index,
                leader: Some(index + 1),
            })
            .collect(),
        script: Box::new(script),
        broken: BTreeMap::new(),
        throttle_time: 0,
        seen: Vec::new(),
        requests: 0,
        forgotten: 0,
        layouts: VecDeque::new(),
    };
    Deliveries::new(cluster, "s", &Settings::try_from(config).unwrap())
}

fn messages(payloads: &[&str]) -> Vec<Message> {
    let messages = (0..)
        .zip(payloads)
        .map(|(sequence_number, payload)| Message {
            sequence_number,
            ingest_time: 1,
            payload: payload.as_bytes().to_vec(),
        });
    messages.collect()
}

fn keyed(key: &str, number: usize) -> String {
    format!(r#"{{"k":"{key}","n":{number}}}"#)
}

/// A batch whose keys go to partitions 0 and 1 of two, in turn, and which partition is whose.
fn two_keys(count: usize) -> (Vec<Message>, [i32; 2]) {
    let of = |key: &str| partitioner::of_key(key.as_bytes(), 2).unwrap();
    let first = "a";
    let second = ["b", "c", "d", "e"]
        .into_iter()
        .find(|key| of(key) != of(first))
        .unwrap();
    let payloads: Vec<String> = (0..count)
        .map(|number| keyed([first, second][number % 2], number))
        .collect();
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    let partition = |key| i32::try_from(of(key)).unwrap();
    (messages(&payloads), [partition(first), partition(second)])
}

fn dispositions(undelivered: &[Undelivered]) -> Vec<(u32, bool)> {
    use millstream_plugin::Disposition;
    let one = |one: &Undelivered| (one.index, one.disposition == Disposition::Reject);
    undelivered.iter().map(one).collect()
}

#[test]
fn records_without_a_key_share_a_partition_and_go_round() {
    let mut deliveries = deliveries(3, json!({}), |partition, _| taken(partition));
    for _ in 0..3 {
        let batch = messages(&["a", "b"]);
        assert!(deliveries.deliver(batch).unwrap().is_empty());
    }
    let seen = &deliveries.cluster.seen;
    let mut partitions: Vec<i32> = seen.iter().map(|(partition, _)| *partition).collect();
    partitions.sort_unstable();
    assert_eq!(partitions, [0, 1, 2]);
    assert!(seen.iter().all(|(_, values)| values == &["a", "b"]));
}

#[test]
fn records_without_a_key_keep_away_from_partitions_without_a_leader() {
    let mut deliveries = deliveries(3, json!({}), |partition, _| taken(partition));
    deliveries.cluster.partitions[0].leader = None;
    deliveries.cluster.partitions[2].leader = None;
    for _ in 0..4 {
        assert!(deliveries.deliver(messages(&["a"])).unwrap().is_empty());
    }
    let seen = &deliveries.cluster.seen;
    assert!(
        seen.iter().all(|(partition, _)| *partition == 1),
        "{seen:?}"
    );
}

#[test]
fn a_key_has_its_partition_and_its_order() {
    let config = json!({ "key": "json:/k" });
    let mut deliveries = deliveries(2, config, |partition, _| taken(partition));
    let (batch, [first, _]) = two_keys(10);
    assert!(deliveries.deliver(batch).unwrap().is_empty());
    assert_eq!(deliveries.cluster.requests, 2, "one for each broker");
    for (partition, values) in &deliveries.cluster.seen {
        let start = usize::from(*partition != first);
        let key = |value: &String| serde_json::from_str::<Value>(value).unwrap()["n"].clone();
        let numbers: Vec<Value> = values.iter().map(key).collect();
        let expected: Vec<Value> = (start..10).step_by(2).map(Value::from).collect();
        assert_eq!(numbers, expected);
    }
}

#[test]
fn what_one_partition_took_is_not_sent_again_when_another_fails() {
    let config = json!({ "key": "json:/k" });
    let (batch, [first, second]) = two_keys(4);
    let mut deliveries = deliveries(2, config, move |partition, _| {
        failed(partition, if partition == second { 19 } else { 0 })
    });
    let undelivered = deliveries.deliver(batch).unwrap();
    assert_eq!(dispositions(&undelivered), [(1, false), (3, false)]);
    assert!(undelivered[0].reason.contains("NOT_ENOUGH_REPLICAS"));
    assert_eq!(deliveries.cluster.forgotten, 0);
    assert_ne!(first, second);
}

#[test]
fn a_failed_partition_gets_nothing_more_in_the_same_call() {
    // A batch takes two records of these.
    let config = json!({ "key": "fixed:k", "maxBatchBytes": 1024 });
    let mut batches = 0;
    let mut deliveries = deliveries(1, config, move |partition, _| {
        batches += 1;
        failed(partition, if batches == 2 { 7 } else { 0 })
    });
    let long = "x".repeat(300);
    let undelivered = deliveries.deliver(messages(&[long.as_str(); 8])).unwrap();
    assert_eq!(
        dispositions(&undelivered),
        (2..8).map(|place| (place, false)).collect::<Vec<_>>()
    );
    assert_eq!(deliveries.cluster.seen.len(), 2);
}

#[test]
fn a_new_leader_is_asked_for() {
    let mut deliveries = deliveries(1, json!({}), |partition, _| failed(partition, 6));
    let error = deliveries.deliver(messages(&["a"])).unwrap_err();
    assert!(matches!(error, ExportError::Unavailable(_)), "{error:?}");
    assert!(
        error.reason().contains("NOT_LEADER_OR_FOLLOWER"),
        "{error:?}"
    );
    assert_eq!(deliveries.cluster.forgotten, 1);
}

#[test]
fn a_key_whose_partition_has_no_leader_waits_for_it() {
    let config = json!({ "key": "json:/k" });
    let (batch, [first, second]) = two_keys(4);
    let mut deliveries = deliveries(2, config, |partition, _| taken(partition));
    deliveries.cluster.partitions[usize::try_from(first).unwrap()].leader = None;
    let undelivered = deliveries.deliver(batch).unwrap();
    assert_eq!(dispositions(&undelivered), [(0, false), (2, false)]);
    assert_eq!(deliveries.cluster.seen.len(), 1);
    assert_eq!(deliveries.cluster.seen[0].0, second);
    assert_eq!(deliveries.cluster.forgotten, 1);
}

#[test]
fn a_broker_that_does_not_answer_fails_only_its_partitions() {
    let config = json!({ "key": "json:/k" });
    let (batch, [first, _]) = two_keys(4);
    let mut deliveries = deliveries(2, config, |partition, _| taken(partition));
    let silent = ExportError::unavailable("silent");
    deliveries.cluster.broken.insert(first + 1, silent.clone());
    let undelivered = deliveries.deliver(batch).unwrap();
    assert_eq!(dispositions(&undelivered), [(0, false), (2, false)]);

    deliveries.cluster.broken.insert(2 - first, silent.clone());
    let (batch, _) = two_keys(4);
    assert_eq!(deliveries.deliver(batch).unwrap_err(), silent);
}

#[test]
fn a_partition_that_the_answer_leaves_out_is_not_delivered() {
    let mut deliveries = deliveries(1, json!({}), |_, _| taken(7));
    let error = deliveries.deliver(messages(&["a"])).unwrap_err();
    assert!(
        error.reason().contains("missing in the answer"),
        "{error:?}"
    );
}

#[test]
fn a_batch_that_is_too_large_is_halved_and_a_record_that_is_rejected() {
    let mut deliveries = deliveries(1, json!({}), |partition, count| {
        failed(partition, if count > 1 { 10 } else { 0 })
    });
    let batch = messages(&["a", "b", "c", "d"]);
    assert!(deliveries.deliver(batch).unwrap().is_empty());
    let sent: Vec<usize> = deliveries
        .cluster
        .seen
        .iter()
        .map(|(_, one)| one.len())
        .collect();
    assert_eq!(sent, [4, 2, 1, 1, 2, 1, 1]);

    deliveries.cluster.script = Box::new(|partition, _| failed(partition, 10));
    let undelivered = deliveries.deliver(messages(&["a", "b"])).unwrap();
    assert_eq!(dispositions(&undelivered), [(0, true), (1, true)]);
    assert!(undelivered[0].reason.contains("MESSAGE_TOO_LARGE"));
}

#[test]
fn a_record_beyond_the_configured_size_is_rejected_without_a_request() {
    let config = json!({ "maxBatchBytes": 1024 });
    let mut deliveries = deliveries(1, config, |partition, _| taken(partition));
    let long = "x".repeat(1024);
    let undelivered = deliveries
        .deliver(messages(&["a", long.as_str(), "b"]))
        .unwrap();
    assert_eq!(dispositions(&undelivered), [(1, true)]);
    assert!(undelivered[0].reason.contains("`maxBatchBytes`"));
    let undelivered = deliveries.deliver(messages(&[long.as_str()])).unwrap();
    assert_eq!(dispositions(&undelivered), [(0, true)]);
    assert_eq!(deliveries.cluster.requests, 1);
}

#[test]
fn records_that_the_broker_names_are_rejected_and_the_others_go_again() {
    let mut deliveries = deliveries(1, json!({}), |partition, count| match count {
        5 => ProducedPartition {
            at_fault: vec![(1, Some("bad".to_owned())), (4, None), (99, None)],
            ..failed(partition, 87)
        },
        _ => taken(partition),
    });
    assert!(deliveries.deliver(messages(&["0"])).unwrap().is_empty());
    let undelivered = deliveries
        .deliver(messages(&["a", "b", "c", "d", "e"]))
        .unwrap();
    assert_eq!(dispositions(&undelivered), [(1, true), (4, true)]);
    assert!(undelivered[0].reason.contains("INVALID_RECORD: bad"));
    assert_eq!(deliveries.cluster.seen[2].1, ["a", "c", "d"]);
}

#[test]
fn an_invalid_record_that_is_not_named_is_found_by_halves() {
    let mut deliveries = deliveries(1, json!({}), |partition, _| taken(partition));
    let mut requests = 0;
    // The one at fault is the second of four.
    deliveries.cluster.script = Box::new(move |partition, _| {
        requests += 1;
        failed(
            partition,
            if matches!(requests, 1 | 2 | 4) { 32 } else { 0 },
        )
    });
    let undelivered = deliveries.deliver(messages(&["a", "b", "c", "d"])).unwrap();
    assert_eq!(dispositions(&undelivered), [(1, true)]);
    let sent: Vec<_> = deliveries
        .cluster
        .seen
        .iter()
        .map(|(_, one)| one.join(""))
        .collect();
    assert_eq!(sent, ["abcd", "ab", "a", "b", "cd"]);
}

#[test]
fn while_nothing_was_taken_an_invalid_record_is_the_configurations_fault() {
    let mut deliveries = deliveries(1, json!({}), |partition, _| failed(partition, 87));
    let error = deliveries.deliver(messages(&["a", "b"])).unwrap_err();
    assert!(matches!(error, ExportError::Misconfigured(_)), "{error:?}");
}

#[test]
fn what_was_refused_before_anything_was_taken_comes_once_more() {
    // The topic or the configuration is mended in the middle of the batch.
    let mut requests = 0;
    let mut deliveries = deliveries(1, json!({}), move |partition, _| {
        requests += 1;
        failed(partition, if requests <= 3 { 87 } else { 0 })
    });
    let undelivered = deliveries.deliver(messages(&["a", "b", "c", "d"])).unwrap();
    assert_eq!(dispositions(&undelivered), [(0, false)]);
    assert!(undelivered[0].reason.contains("INVALID_RECORD"));
    assert!(deliveries.deliver(messages(&["a"])).unwrap().is_empty());
    let seen = deliveries.cluster.seen.iter();
    let sent: Vec<_> = seen.map(|(_, one)| one.join("")).collect();
    assert_eq!(sent, ["abcd", "ab", "a", "b", "cd", "a"]);
}

#[test]
fn what_is_taken_at_the_same_time_is_no_proof() {
    let config = json!({ "key": "json:/k" });
    let (batch, partitions) = two_keys(2);
    for (place, refused) in (0..).zip(partitions) {
        let mut deliveries = deliveries(2, config.clone(), move |partition, _| {
            failed(partition, if partition == refused { 87 } else { 0 })
        });
        for proven in [false, true] {
            let undelivered = deliveries.deliver(batch.clone()).unwrap();
            assert_eq!(dispositions(&undelivered), [(place, proven)]);
        }
    }
}

#[test]
fn what_most_needs_an_operator_is_what_he_sees() {
    let config = json!({ "key": "json:/k" });
    let (batch, [first, _]) = two_keys(4);
    let mut deliveries = deliveries(2, config, move |partition, _| {
        failed(partition, if partition == first { 7 } else { 29 })
    });
    let error = deliveries.deliver(batch).unwrap_err();
    assert!(matches!(error, ExportError::Denied(_)), "{error:?}");
}

#[test]
fn a_broker_that_asks_for_peace_gets_it_and_keeps_what_it_took() {
    let mut deliveries = deliveries(1, json!({}), |partition, _| taken(partition));
    deliveries.cluster.throttle_time = 60_000;
    assert!(deliveries.deliver(messages(&["a"])).unwrap().is_empty());
    let error = deliveries.deliver(messages(&["b"])).unwrap_err();
    let ExportError::Throttled(failure) = error else {
        panic!("{error:?}");
    };
    let pause = failure.retry_after_ms.unwrap();
    assert!((1..=60_000).contains(&pause), "{pause}");
    assert_eq!(deliveries.cluster.requests, 1);

    deliveries.peace = Some(Instant::now());
    deliveries.cluster.throttle_time = 0;
    assert!(deliveries.deliver(messages(&["b"])).unwrap().is_empty());
}

#[test]
fn without_a_layout_nothing_is_sent() {
    let mut deliveries = deliveries(1, json!({}), |partition, _| taken(partition));
    let unknown = ExportError::misconfigured("The topic does not exist.");
    deliveries.cluster.layouts.push_back(unknown.clone());
    assert_eq!(deliveries.deliver(messages(&["a"])).unwrap_err(), unknown);
    assert_eq!(deliveries.cluster.requests, 0);
    assert!(deliveries.deliver(messages(&["a"])).unwrap().is_empty());
}
