use std::collections::VecDeque;

use millstream_aws::Delivery;
use millstream_plugin::config::parse;
use millstream_plugin::{Disposition, ExportError, Undelivered};

use super::*;
use crate::config::Config;

/// A service that remembers its calls, as keys and data, and answers by a script; when that is over, it
/// takes all.
#[derive(Default)]
struct Script {
    calls: Vec<Vec<(String, Vec<u8>)>>,
    errors: VecDeque<CallError>,
}

impl PutRecords for &mut Script {
    fn put_records(&mut self, records: &[(String, &[u8])]) -> Result<Vec<Outcome>, CallError> {
        let call = records.iter();
        self.calls.push(
            call.map(|(key, data)| (key.clone(), data.to_vec()))
                .collect(),
        );
        match self.errors.pop_front() {
            Some(error) => Err(error),
            None => Ok(vec![Outcome::Taken; records.len()]),
        }
    }
}

impl Script {
    /// Refuses so many calls first.
    fn refusing(calls: usize) -> Self {
        let invalid = || CallError::Refused {
            code: None,
            fault: Fault::Content("invalid".to_owned()),
        };
        Self {
            errors: std::iter::repeat_with(invalid).take(calls).collect(),
            ..Self::default()
        }
    }

    fn delivery(&mut self, more: &str) -> Delivery<Records<&mut Self>> {
        let json = format!(r#"{{"kinesisStreamName": "s", "region": "eu-central-1"{more}}}"#);
        let settings = parse::<Config>(&json).unwrap().try_into().unwrap();
        Delivery::new(Records::new(self, settings))
    }

    fn sizes(&self) -> Vec<usize> {
        self.calls.iter().map(Vec::len).collect()
    }
}

/// So many messages of so many bytes.
fn equal(count: usize, bytes: usize) -> Vec<Message> {
    let message = |_| Message {
        sequence_number: 0,
        ingest_time: 0,
        payload: vec![b'x'; bytes],
    };
    (0..count).map(message).collect()
}

fn places(undelivered: &[Undelivered], disposition: Disposition) -> Vec<u32> {
    undelivered
        .iter()
        .filter(|it| it.disposition == disposition)
        .map(|it| it.index)
        .collect()
}

#[test]
fn more_than_500_records_are_several_calls() {
    let mut script = Script::default();
    let undelivered = script.delivery("").deliver(equal(1001, 1)).unwrap();
    assert!(undelivered.is_empty());
    assert_eq!(script.sizes(), [500, 500, 1]);
}

#[test]
fn a_record_has_the_messages_payload_and_a_key_of_its_own() {
    let mut script = Script::default();
    script.delivery("").deliver(equal(2, 3)).unwrap();
    let [(first, data), (second, _)] = script.calls[0].as_slice() else {
        panic!("{:?}", script.calls);
    };
    assert_eq!(data, b"xxx");
    assert_ne!(first, second);
    assert_eq!(first.len(), UUID_BYTES);
}

#[test]
fn a_call_is_filled_to_its_last_byte_and_no_further() {
    let fixed = r#", "partitionKey": "fixed:kkkk""#;
    // Four bytes of key, or those of a UUID: 512 a record, and two records a call.
    for (key, bytes) in [(fixed, 4), ("", UUID_BYTES)] {
        let limits = format!(r#", "maxRecordBytes": 1024, "maxCallBytes": 1024{key}"#);
        for (more, expected) in [(0, [2, 2].as_slice()), (1, &[1, 1, 1, 1])] {
            let mut script = Script::default();
            let messages = equal(4, 512 - bytes + more);
            let undelivered = script.delivery(&limits).deliver(messages).unwrap();
            assert!(undelivered.is_empty());
            assert_eq!(script.sizes(), expected, "{key}");
        }
    }
}

#[test]
fn a_record_too_large_is_rejected_and_the_others_go() {
    let mut script = Script::default();
    let mut messages = equal(3, 1020);
    messages[1].payload.push(b'x');
    let undelivered = script
        .delivery(r#", "maxRecordBytes": 1024, "partitionKey": "fixed:kkkk""#)
        .deliver(messages)
        .unwrap();
    assert_eq!(places(&undelivered, Disposition::Reject), [1]);
    let reason = &undelivered[0].reason;
    assert!(reason.contains("maxRecordBytes"), "{reason}");
    assert_eq!(script.sizes(), [2]);
}

#[test]
fn what_was_refused_before_anything_was_taken_comes_once_more() {
    // The configuration is mended in the middle of the batch.
    let mut script = Script::refusing(3);
    let mut delivery = script.delivery("");
    let undelivered = delivery.deliver(equal(4, 1)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Retry), [0]);
    assert_eq!(undelivered.len(), 1);
    assert!(delivery.deliver(equal(1, 1)).unwrap().is_empty());
    assert_eq!(script.sizes(), [4, 2, 1, 1, 2, 1]);
}

#[test]
fn a_large_record_that_the_stream_refuses_is_rejected_without_proof() {
    let large = r#", "maxRecordBytes": 10485760"#;
    let mut script = Script::refusing(1);
    let undelivered = script.delivery(large).deliver(equal(1, 2 << 20)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Reject), [0]);

    let mut script = Script::refusing(1);
    let error = script.delivery(large).deliver(equal(1, 1 << 10));
    assert_eq!(error, Err(ExportError::misconfigured("invalid")));
}
