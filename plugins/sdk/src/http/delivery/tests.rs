use std::collections::VecDeque;

use super::*;
use crate::Disposition;
use crate::http::{FINAL, HeaderMap, header};

/// A server that remembers what it was sent and answers by a script; when the script is over, it takes
/// everything but poison.
struct Script {
    delivery: Delivery,
    /// The numbers of the first and the last message of each request.
    requests: Vec<(u64, u64)>,
    replies: VecDeque<Result<Answer, Unanswered>>,
    /// Messages that make any request with them refused, by their numbers.
    poison: &'static [u64],
}

#[derive(Clone, Copy)]
enum Format {
    Raw,
    Json,
}

impl Script {
    fn deliver(&mut self, batch: &[Message]) -> Result<Vec<Undelivered>, ExportError> {
        let address = Address::try_from("http://a/in".to_owned()).unwrap();
        let advice = Advice {
            credentials: "`headers`",
            address: "`uri`",
            request: "`uri`",
        };
        let Self {
            delivery,
            requests,
            replies,
            poison,
        } = self;
        delivery.deliver(batch, |sent| {
            let numbers = sent[0].sequence_number..=sent[sent.len() - 1].sequence_number;
            requests.push((*numbers.start(), *numbers.end()));
            let outcome = match poison.iter().any(|poison| numbers.contains(poison)) {
                true => Ok(status(422)),
                false => replies.pop_front().unwrap_or(Ok(status(204))),
            };
            Sent::all_or_nothing(outcome, &address, &advice, &FINAL)
        })
    }
}

fn status(status: u16) -> Answer {
    Answer {
        status,
        ..Answer::default()
    }
}

fn later(code: u16, retry_after: &str) -> Answer {
    Answer {
        headers: HeaderMap::from_iter([(header::RETRY_AFTER, retry_after.parse().unwrap())]),
        ..status(code)
    }
}

fn delivery<const N: usize>(format: Format, replies: [Result<Answer, Unanswered>; N]) -> Script {
    Script {
        delivery: match format {
            Format::Raw => Delivery::one_by_one(),
            Format::Json => Delivery::in_lists(16 << 20),
        },
        requests: Vec::new(),
        replies: VecDeque::from(replies),
        poison: &[],
    }
}

fn poisoned(format: Format, poison: &'static [u64]) -> Script {
    let mut script = delivery(format, []);
    script.poison = poison;
    script
}

fn batch(numbers: std::ops::Range<u64>, bytes: usize) -> Vec<Message> {
    let message = |sequence_number| Message {
        sequence_number,
        ingest_time: 0,
        payload: vec![b'x'; bytes],
    };
    numbers.map(message).collect()
}

fn places(undelivered: &[Undelivered], disposition: Disposition) -> Vec<u32> {
    undelivered
        .iter()
        .filter(|it| it.disposition == disposition)
        .map(|it| it.index)
        .collect()
}

/// The rest of the pause in an error of throttling.
fn pause(error: &ExportError) -> Duration {
    match error {
        ExportError::Throttled(failure) => Duration::from_millis(failure.retry_after_ms.unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn raw_messages_go_one_by_one_in_order() {
    let mut delivery = delivery(Format::Raw, []);
    assert!(delivery.deliver(&batch(5..8, 10)).unwrap().is_empty());
    assert_eq!(delivery.requests, [(5, 5), (6, 6), (7, 7)]);
}

#[test]
fn a_batch_goes_as_one_list() {
    let mut delivery = delivery(Format::Json, []);
    assert!(delivery.deliver(&batch(0..500, 200)).unwrap().is_empty());
    assert_eq!(delivery.requests, [(0, 499)]);
}

#[test]
fn a_failure_before_anything_is_settled_fails_the_batch() {
    for format in [Format::Raw, Format::Json] {
        let mut delivery = delivery(format, [Ok(later(503, "60"))]);
        let error = delivery.deliver(&batch(0..3, 10)).unwrap_err();
        assert_eq!(pause(&error), Duration::from_secs(60));
        assert_eq!(delivery.requests.len(), 1);
        // The host keeps that pause itself.
        assert!(delivery.deliver(&batch(0..3, 10)).unwrap().is_empty());
    }
}

#[test]
fn a_failure_in_the_middle_stops_and_leaves_the_rest_for_a_retry() {
    for answer in [Ok(status(500)), Ok(status(403)), Err(Unanswered::TimedOut)] {
        let mut delivery = delivery(Format::Raw, [Ok(status(200)), Ok(status(200)), answer]);
        let undelivered = delivery.deliver(&batch(0..6, 10)).unwrap();
        assert_eq!(places(&undelivered, Disposition::Retry), [2, 3, 4, 5]);
        assert_eq!(delivery.requests, [(0, 0), (1, 1), (2, 2)]);
        assert!(delivery.deliver(&batch(2..6, 10)).unwrap().is_empty());
        assert_eq!(delivery.requests[3..], [(2, 2), (3, 3), (4, 4), (5, 5)]);
    }
}

#[test]
fn a_pause_asked_for_in_the_middle_is_kept_before_the_next_request_and_once() {
    let mut delivery = delivery(Format::Raw, [Ok(status(200)), Ok(later(429, "3600"))]);
    let undelivered = delivery.deliver(&batch(0..3, 10)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Retry), [1, 2]);
    let error = delivery.deliver(&batch(1..3, 10)).unwrap_err();
    let rest = pause(&error);
    let hour = Duration::from_secs(3600);
    assert!(
        rest <= hour && rest > hour - Duration::from_secs(60),
        "{rest:?}"
    );
    assert_eq!(delivery.requests.len(), 2);
    assert!(delivery.deliver(&batch(1..3, 10)).unwrap().is_empty());
}

#[test]
fn a_pause_that_is_over_or_was_not_asked_for_keeps_nothing_back() {
    for answer in [
        later(429, "0"),
        later(429, "soon"),
        status(429),
        status(403),
    ] {
        let mut delivery = delivery(Format::Raw, [Ok(status(200)), Ok(answer)]);
        delivery.deliver(&batch(0..3, 10)).unwrap();
        assert!(delivery.deliver(&batch(1..3, 10)).unwrap().is_empty());
    }
}

#[test]
fn a_raw_message_that_is_refused_is_rejected_and_the_others_go() {
    let mut delivery = poisoned(Format::Raw, &[1, 3]);
    let undelivered = delivery.deliver(&batch(0..5, 10)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Reject), [1, 3]);
    assert_eq!(undelivered.len(), 2);
    assert!(undelivered[0].reason.contains("422"), "{undelivered:?}");
    assert_eq!(delivery.requests.len(), 5);
}

#[test]
fn a_rejection_is_kept_when_the_next_request_fails() {
    let replies = [Ok(status(400)), Ok(status(500))];
    let mut delivery = delivery(Format::Raw, replies);
    let undelivered = delivery.deliver(&batch(0..3, 10)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Reject), [0]);
    assert_eq!(places(&undelivered, Disposition::Retry), [1, 2]);
}

#[test]
fn of_a_refused_list_only_the_messages_at_fault_are_rejected_and_none_goes_twice() {
    for poison in [&[5][..], &[0], &[99], &[0, 99], &[41, 42, 43], &[7, 70]] {
        let mut delivery = poisoned(Format::Json, poison);
        let undelivered = delivery.deliver(&batch(0..100, 10)).unwrap();
        let rejected = places(&undelivered, Disposition::Reject);
        let rejected: Vec<u64> = rejected.into_iter().map(u64::from).collect();
        assert_eq!(rejected, poison);
        assert_eq!(undelivered.len(), poison.len());
        let taken: Vec<u64> = delivery
            .requests
            .iter()
            .filter(|(first, last)| !poison.iter().any(|it| (first..=last).contains(&it)))
            .flat_map(|(first, last)| *first..=*last)
            .collect();
        let good: Vec<u64> = (0..100).filter(|it| !poison.contains(it)).collect();
        assert_eq!(taken, good, "each good one once, in order");
        let most = 2 * 7 * poison.len() + 1;
        assert!(delivery.requests.len() <= most, "{:?}", delivery.requests);
    }
}

#[test]
fn a_list_of_messages_that_are_all_refused_ends() {
    let mut delivery = poisoned(Format::Json, &[0, 1, 2, 3, 4]);
    let undelivered = delivery.deliver(&batch(0..5, 10)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Reject), [0, 1, 2, 3, 4]);
    assert_eq!(delivery.requests.len(), 9);
}

#[test]
fn a_failure_while_a_list_is_halved_leaves_the_rest_for_a_retry() {
    let replies = [Ok(status(413)), Ok(status(200)), Ok(status(503))];
    let mut delivery = delivery(Format::Json, replies);
    let undelivered = delivery.deliver(&batch(0..9, 10)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Retry), [4, 5, 6, 7, 8]);
    assert_eq!(delivery.requests, [(0, 8), (0, 3), (4, 8)]);
}

#[test]
fn lists_that_are_not_taken_in_time_become_smaller_and_grow_again() {
    let timed_out = || Err(Unanswered::TimedOut);
    let mut delivery = delivery(Format::Json, [timed_out(), timed_out()]);
    for _ in 0..2 {
        let error = delivery.deliver(&batch(0..16, 1 << 20)).unwrap_err();
        assert!(matches!(error, ExportError::Unavailable(_)), "{error:?}");
    }
    assert!(delivery.deliver(&batch(0..16, 1 << 20)).unwrap().is_empty());
    let requests = &delivery.requests;
    assert_eq!(requests[..4], [(0, 15), (0, 7), (0, 3), (4, 7)]);
    assert!(requests.iter().any(|(first, last)| last - first == 4));
}

#[test]
fn a_batch_whose_time_is_used_up_leaves_the_rest_for_a_retry() {
    let mut delivery = delivery(Format::Raw, []);
    delivery.delivery.last_start = Duration::ZERO;
    let undelivered = delivery.deliver(&batch(0..3, 10)).unwrap();
    assert_eq!(places(&undelivered, Disposition::Retry), [1, 2]);
    assert!(delivery.deliver(&batch(2..3, 10)).unwrap().is_empty());
}

#[test]
fn halving_goes_on_from_call_to_call_when_refusals_are_slow() {
    let mut delivery = poisoned(Format::Json, &[0]);
    delivery.delivery.last_start = Duration::ZERO;
    let mut calls = 0;
    let settled = loop {
        let undelivered = delivery.deliver(&batch(0..8, 64 << 10)).unwrap();
        calls += 1;
        assert!(calls < 10);
        if places(&undelivered, Disposition::Retry).len() < 8 {
            break undelivered;
        }
    };
    assert_eq!(places(&settled, Disposition::Reject), [0]);
    assert_eq!(delivery.requests, [(0, 7), (0, 3), (0, 1), (0, 0)]);
}

#[test]
fn what_a_server_gave_up_of_a_request_is_rejected_and_the_rest_is_delivered() {
    let mut delivery = Delivery::in_lists(20);
    let mut requests = 0;
    let undelivered = delivery.deliver(&batch(0..4, 10), |sent| {
        requests += 1;
        let lost = vec![
            (1, "it is odd".to_owned()),
            (sent.len(), "nobody".to_owned()),
        ];
        Sent::TakenBut(lost)
    });
    let undelivered = undelivered.unwrap();
    assert_eq!(requests, 2);
    assert_eq!(places(&undelivered, Disposition::Reject), [1, 3]);
    assert_eq!(undelivered.len(), 2);
    assert_eq!(undelivered[0].reason, "it is odd");
}
