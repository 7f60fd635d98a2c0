use std::collections::VecDeque;

use millstream_plugin::Disposition;
use millstream_plugin::config::parse;

use super::*;
use crate::config::Config;

type Reply = Box<dyn FnMut(&[Record]) -> Result<Vec<Answer>, CallError>>;

/// A service that remembers its calls and answers by a script; when the script is over, it takes all.
#[derive(Default)]
struct Script {
    calls: Vec<Vec<usize>>,
    replies: VecDeque<Reply>,
    /// A record that makes any call with it invalid.
    poison: Option<&'static [u8]>,
}

impl PutRecords for Script {
    fn put_records(&mut self, records: &[Record]) -> Result<Vec<Answer>, CallError> {
        self.calls
            .push(records.iter().map(|record| record.index).collect());
        if records
            .iter()
            .any(|record| Some(record.data.as_slice()) == self.poison)
        {
            return Err(CallError::Invalid("invalid".to_owned()));
        }
        match self.replies.pop_front() {
            Some(mut reply) => reply(records),
            None => Ok(vec![Answer::Taken; records.len()]),
        }
    }
}

fn delivery(extra: &str) -> Delivery<Script> {
    let json = format!(
        r#"{{"kinesisStreamName": "s", "region": "eu-central-1", "partitionKey": "fixed:kkkk"{extra}}}"#
    );
    let settings = parse::<Config>(&json).unwrap().try_into().unwrap();
    Delivery::new(Script::default(), &settings)
}

impl Delivery<Script> {
    fn then(
        mut self,
        reply: impl FnMut(&[Record]) -> Result<Vec<Answer>, CallError> + 'static,
    ) -> Self {
        self.service.replies.push_back(Box::new(reply));
        self
    }
}

fn batch(payloads: &[&[u8]]) -> Vec<Message> {
    let message = |(number, payload): (u64, &&[u8])| Message {
        sequence_number: number,
        ingest_time: 0,
        payload: payload.to_vec(),
    };
    (0..).zip(payloads).map(message).collect()
}

fn equal(count: usize, size: usize) -> Vec<Message> {
    let payload = vec![b'x'; size];
    batch(&vec![payload.as_slice(); count])
}

fn places(undelivered: &[Undelivered], disposition: Disposition) -> Vec<u32> {
    undelivered
        .iter()
        .filter(|it| it.disposition == disposition)
        .map(|it| it.index)
        .collect()
}

fn timed_out(_: &[Record]) -> Result<Vec<Answer>, CallError> {
    Err(CallError::TimedOut("slow".to_owned()))
}

#[test]
fn a_batch_that_fits_is_one_call_in_order() {
    let mut delivery = delivery("");
    assert!(delivery.deliver(equal(500, 200)).unwrap().is_empty());
    assert_eq!(delivery.service.calls, [(0..500).collect::<Vec<_>>()]);
}

#[test]
fn more_than_500_records_are_several_calls() {
    let mut delivery = delivery("");
    assert!(delivery.deliver(equal(1001, 1)).unwrap().is_empty());
    let sizes: Vec<usize> = delivery.service.calls.iter().map(Vec::len).collect();
    assert_eq!(sizes, [500, 500, 1]);
}

#[test]
fn a_call_is_filled_to_its_last_byte_and_no_further() {
    // Four bytes of key each: 512 a record, and two records a call.
    let mut delivery = delivery(r#", "maxRecordBytes": 1024, "maxCallBytes": 1024"#);
    assert!(delivery.deliver(equal(4, 508)).unwrap().is_empty());
    assert_eq!(delivery.service.calls, [[0, 1], [2, 3]]);
    delivery.service.calls.clear();
    assert!(delivery.deliver(equal(2, 509)).unwrap().is_empty());
    assert_eq!(delivery.service.calls, [[0], [1]]);
}

#[test]
fn a_record_too_large_is_rejected_and_the_others_go() {
    let mut delivery = delivery(r#", "maxRecordBytes": 1024"#);
    let (large, fits) = (vec![0; 1021], vec![0; 1020]);
    let undelivered = delivery.deliver(batch(&[&fits, &large, &fits])).unwrap();
    assert_eq!(places(&undelivered, Disposition::Reject), [1]);
    assert!(
        undelivered[0].reason.contains("maxRecordBytes"),
        "{}",
        undelivered[0].reason
    );
    assert_eq!(delivery.service.calls, [[0, 2]]);
}

#[test]
fn a_batch_of_records_too_large_makes_no_call() {
    let mut delivery = delivery(r#", "maxRecordBytes": 1024"#);
    let undelivered = delivery.deliver(equal(2, 2000)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Reject), [0, 1]);
    assert!(delivery.service.calls.is_empty());
}

#[test]
fn exactly_the_records_that_failed_are_retried() {
    let mut delivery = delivery("").then(|records| {
        let answer = |record: &Record| match record.index {
            1 | 3 => Answer::new(Some("InternalFailure"), Some("try again")),
            _ => Answer::new(None, None),
        };
        Ok(records.iter().map(answer).collect())
    });
    let undelivered = delivery.deliver(equal(5, 10)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Retry), [1, 3]);
    assert_eq!(undelivered[0].reason, "InternalFailure: try again");
}

#[test]
fn records_that_the_answer_leaves_out_are_retried() {
    let mut delivery = delivery("").then(|_| Ok(vec![Answer::Taken]));
    let undelivered = delivery.deliver(equal(3, 10)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Retry), [1, 2]);
}

#[test]
fn a_first_call_that_fails_fails_the_batch() {
    let denied = ExportError::denied("no");
    let answer = denied.clone();
    let mut delivery = delivery("").then(move |_| Err(CallError::Failed(answer.clone())));
    assert_eq!(delivery.deliver(equal(3, 10)), Err(denied));
}

#[test]
fn a_later_call_that_fails_leaves_the_rest_for_a_retry() {
    let mut delivery = delivery(r#", "maxRecordBytes": 1024, "maxCallBytes": 1024"#)
        .then(|records| Ok(vec![Answer::Taken; records.len()]))
        .then(|_| Err(CallError::Failed(ExportError::unavailable("gone"))));
    let undelivered = delivery.deliver(equal(6, 508)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Retry), [2, 3, 4, 5]);
    assert!(undelivered.iter().all(|it| it.reason == "gone"));
    assert_eq!(delivery.service.calls.len(), 2);
}

#[test]
fn an_invalid_record_is_found_and_rejected_alone() {
    let mut delivery = delivery("");
    delivery.service.poison = Some(b"bad");
    let undelivered = delivery
        .deliver(batch(&[b"a", b"b", b"c", b"d", b"e", b"bad", b"g"]))
        .unwrap();
    assert_eq!(places(&undelivered, Disposition::Reject), [5]);
    let delivered: Vec<usize> = delivery
        .service
        .calls
        .iter()
        .filter(|call| !call.contains(&5))
        .flatten()
        .copied()
        .collect();
    assert_eq!(delivered, [0, 1, 2, 3, 4, 6]);
}

#[test]
fn a_configuration_that_no_call_has_proven_rejects_nothing() {
    let mut delivery = delivery("");
    delivery.service.poison = Some(b"bad");
    for messages in [batch(&[b"bad"]), batch(&[b"bad", b"bad"])] {
        assert_eq!(
            delivery.deliver(messages),
            Err(ExportError::misconfigured("invalid"))
        );
    }
    delivery.deliver(batch(&[b"good"])).unwrap();
    let undelivered = delivery.deliver(batch(&[b"bad"])).unwrap();
    assert_eq!(places(&undelivered, Disposition::Reject), [0]);
}

#[test]
fn a_large_record_that_the_stream_refuses_is_rejected_without_proof() {
    let mut delivery = delivery(r#", "maxRecordBytes": 10485760"#).then(|_| {
        Err(CallError::Invalid(
            "larger than the stream's maximum".to_owned(),
        ))
    });
    let undelivered = delivery.deliver(equal(1, 2 << 20)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Reject), [0]);
}

#[test]
fn calls_without_an_answer_become_smaller_and_grow_again() {
    let mut delivery = delivery("").then(timed_out).then(timed_out);
    for _ in 0..2 {
        let error = delivery.deliver(equal(100, 50_000)).unwrap_err();
        assert!(matches!(error, ExportError::Unavailable(_)));
    }
    assert!(delivery.deliver(equal(100, 50_000)).unwrap().is_empty());
    let sizes: Vec<usize> = delivery.service.calls.iter().map(Vec::len).collect();
    assert_eq!(sizes, [100, 52, 26, 52, 22]);
    assert_eq!(delivery.call_bytes, delivery.max_call_bytes);
}

#[test]
fn calls_become_no_smaller_than_64_kib() {
    let mut delivery = delivery("");
    for _ in 0..20 {
        delivery.timed_out();
    }
    assert_eq!(delivery.call_bytes, 64 << 10);
    assert!(delivery.deliver(equal(2, 100_000)).unwrap().is_empty());
    assert_eq!(delivery.service.calls.len(), 2);
}

#[test]
fn a_batch_whose_time_is_used_up_leaves_the_rest_for_a_retry() {
    let mut delivery = delivery(r#", "maxRecordBytes": 1024, "maxCallBytes": 1024"#);
    delivery.last_start = Duration::ZERO;
    let undelivered = delivery.deliver(equal(4, 508)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Retry), [2, 3]);
    assert_eq!(delivery.service.calls, [[0, 1]]);
}
