use millstream_plugin::{Disposition, ExportError};

use super::*;

/// A service that takes letters: at most four a call, no capital together with or behind the same one,
/// and that answers each call as the script says.
struct Letters<S> {
    script: S,
    calls: Vec<String>,
    limits: CallLimits,
}

impl<S: FnMut(usize, &str) -> Result<Vec<Outcome>, CallError>> Operation for &mut Letters<S> {
    type Entry = (char, u64);

    fn limits(&self) -> CallLimits {
        self.limits
    }

    fn entry(&mut self, message: Message) -> Result<(char, u64), String> {
        match message.payload.as_slice() {
            [b'?', ..] => Err("no letter".to_owned()),
            [letter, ..] => Ok((char::from(*letter), message.payload.len() as u64)),
            [] => Err("nothing".to_owned()),
        }
    }

    fn bytes(&self, entry: &(char, u64)) -> u64 {
        entry.1
    }

    fn clashes(&self, earlier: &[&Placed<(char, u64)>], entry: &(char, u64)) -> bool {
        entry.0.is_uppercase() && earlier.iter().any(|other| other.entry.0 == entry.0)
    }

    fn send(&mut self, entries: &[Placed<(char, u64)>]) -> Result<Vec<Outcome>, CallError> {
        let call: String = entries.iter().map(|placed| placed.entry.0).collect();
        self.calls.push(call.clone());
        (self.script)(self.calls.len() - 1, &call)
    }
}

fn letters<S: FnMut(usize, &str) -> Result<Vec<Outcome>, CallError>>(script: S) -> Letters<S> {
    Letters {
        script,
        calls: Vec::new(),
        limits: CallLimits {
            entries: 4,
            bytes: 1 << 20,
        },
    }
}

fn batch(text: &str) -> Vec<Message> {
    text.chars()
        .map(|letter| Message {
            sequence_number: 0,
            ingest_time: 0,
            payload: letter.to_string().into_bytes(),
        })
        .collect()
}

fn take(_: usize, call: &str) -> Result<Vec<Outcome>, CallError> {
    Ok(call.chars().map(|_| Outcome::Taken).collect())
}

fn invalid() -> CallError {
    CallError::Refused {
        code: None,
        fault: Fault::Content("wrong".to_owned()),
    }
}

/// What was not delivered: its places, `-` before those that are rejected.
fn places(undelivered: &[Undelivered]) -> Vec<i64> {
    undelivered
        .iter()
        .map(|undelivered| {
            let place = i64::from(undelivered.index);
            match undelivered.disposition {
                Disposition::Retry => place,
                Disposition::Reject => -place,
            }
        })
        .collect()
}

#[test]
fn a_batch_leaves_in_order_in_calls_as_full_as_they_may_be() {
    let mut service = letters(take);
    let undelivered = Delivery::new(&mut service).deliver(batch("abcdefghi"));
    assert_eq!(undelivered.unwrap(), []);
    assert_eq!(service.calls, ["abcd", "efgh", "i"]);
}

#[test]
fn bytes_end_a_call_too_and_a_message_beyond_them_is_rejected() {
    let mut service = letters(take);
    service.limits.bytes = 10;
    let mut messages = batch("abcd");
    for (message, length) in messages.iter_mut().zip([6, 5, 11, 5]) {
        message.payload.resize(length, b' ');
    }
    let undelivered = Delivery::new(&mut service).deliver(messages).unwrap();
    assert_eq!(places(&undelivered), [-2]);
    assert_eq!(service.calls, ["a", "bd"]);
}

#[test]
fn what_can_be_no_entry_is_rejected_without_a_call() {
    let mut service = letters(take);
    let undelivered = Delivery::new(&mut service).deliver(batch("a?b")).unwrap();
    assert_eq!(places(&undelivered), [-1]);
    assert_eq!(undelivered[0].reason, "no letter");
    assert_eq!(service.calls, ["ab"]);
}

#[test]
fn entries_that_clash_never_share_a_call_and_keep_their_order() {
    let mut service = letters(take);
    let undelivered = Delivery::new(&mut service).deliver(batch("aXbXXc"));
    assert_eq!(undelivered.unwrap(), []);
    assert_eq!(service.calls, ["aXb", "X", "Xc"]);
}

#[test]
fn an_entry_waits_behind_one_that_it_clashes_with() {
    let busy = || Outcome::Failed(ExportError::throttled("busy"));
    let mut service = letters(|_, call: &str| {
        let outcome = |letter| {
            if letter == 'X' {
                busy()
            } else {
                Outcome::Taken
            }
        };
        Ok(call.chars().map(outcome).collect())
    });
    let undelivered = Delivery::new(&mut service).deliver(batch("aXbXc")).unwrap();
    assert_eq!(places(&undelivered), [1, 3]);
    assert_eq!(service.calls, ["aXb", "c"]);
}

#[test]
fn only_what_failed_or_was_left_out_goes_again() {
    let mut service = letters(|_, _: &str| {
        Ok(vec![
            Outcome::Taken,
            Outcome::Failed(ExportError::throttled("busy")),
            Outcome::Taken,
        ])
    });
    let undelivered = Delivery::new(&mut service).deliver(batch("abcd")).unwrap();
    assert_eq!(places(&undelivered), [1, 3]);
    assert_eq!(undelivered[0].reason, "busy");
}

#[test]
fn a_batch_of_which_nothing_was_settled_fails_as_its_first_entry() {
    let mut service = letters(|_, call: &str| {
        let denied = || Outcome::Failed(ExportError::denied("not you"));
        Ok(call.chars().map(|_| denied()).collect())
    });
    let error = Delivery::new(&mut service)
        .deliver(batch("abcde"))
        .unwrap_err();
    assert_eq!(error, ExportError::denied("not you"));
}

#[test]
fn what_was_in_the_way_of_another_is_sent_once_more_alone() {
    let mut service = letters(|number, call: &str| {
        let conflict = || Outcome::InTheWay(ExportError::unavailable("conflict"));
        Ok(match number {
            0 => vec![Outcome::Taken, conflict(), Outcome::Taken, conflict()],
            1 => vec![Outcome::Taken],
            2 => vec![conflict()],
            _ => call.chars().map(|_| Outcome::Taken).collect(),
        })
    });
    let undelivered = Delivery::new(&mut service).deliver(batch("abcde")).unwrap();
    assert_eq!(service.calls, ["abcd", "b", "d", "e"]);
    assert_eq!(places(&undelivered), [3]);
}

#[test]
fn an_invalid_call_is_halved_until_the_entry_at_fault_stands_alone() {
    let mut service = letters(|number, call: &str| match call.contains('c') {
        true => Err(invalid()),
        false => take(number, call),
    });
    let undelivered = Delivery::new(&mut service).deliver(batch("abcd")).unwrap();
    assert_eq!(places(&undelivered), [-2]);
    assert_eq!(service.calls, ["abcd", "ab", "cd", "c", "d"]);
}

#[test]
fn where_nothing_was_ever_taken_the_configuration_is_at_fault() {
    let mut service = letters(|_, _: &str| Err(invalid()));
    let error = Delivery::new(&mut service)
        .deliver(batch("ab"))
        .unwrap_err();
    assert_eq!(error, ExportError::misconfigured("wrong"));
}

#[test]
fn what_was_refused_before_anything_was_taken_comes_once_more() {
    // The configuration is mended in the middle of the batch.
    let mut service = letters(|number, call: &str| match number {
        0..=2 => Err(invalid()),
        _ => take(number, call),
    });
    let mut delivery = Delivery::new(&mut service);
    let undelivered = delivery.deliver(batch("abcd")).unwrap();
    assert_eq!(places(&undelivered), [0]);
    assert!(delivery.deliver(batch("a")).unwrap().is_empty());
    assert_eq!(service.calls, ["abcd", "ab", "a", "b", "cd", "a"]);
}

#[test]
fn an_entry_that_an_answer_calls_wrong_is_judged_by_the_same_rule() {
    let answers = || vec![Outcome::Invalid("wrong".to_owned()), Outcome::Taken];
    let mut service = letters(move |_, _: &str| Ok(answers()));
    let mut delivery = Delivery::new(&mut service);
    let error = delivery.deliver(batch("a")).unwrap_err();
    assert_eq!(error, ExportError::misconfigured("wrong"));
    let undelivered = delivery.deliver(batch("ab")).unwrap();
    assert_eq!(undelivered[0].disposition, Disposition::Reject);
}

#[test]
fn a_failed_call_fails_the_batch_or_what_is_left_of_it() {
    let failed = || CallError::Failed(ExportError::throttled("busy"));
    let mut service = letters(|_, _: &str| Err(failed()));
    let error = Delivery::new(&mut service).deliver(batch("abcde"));
    assert_eq!(error.unwrap_err(), ExportError::throttled("busy"));
    assert_eq!(service.calls, ["abcd"]);

    let mut service = letters(|number, call: &str| match number {
        0 => take(number, call),
        _ => Err(failed()),
    });
    let undelivered = Delivery::new(&mut service)
        .deliver(batch("abcdefghij"))
        .unwrap();
    assert_eq!(places(&undelivered), [4, 5, 6, 7, 8, 9]);
    assert_eq!(service.calls, ["abcd", "efgh"]);
}

#[test]
fn calls_without_an_answer_become_smaller_and_grow_again() {
    let late = || CallError::TimedOut(ExportError::unavailable("late"));
    let mut service = letters(|number, call: &str| match number {
        0..2 => Err(late()),
        _ => take(number, call),
    });
    service.limits.bytes = 256 << 10;
    let messages = || {
        let mut messages = batch("abcd");
        for message in &mut messages {
            message.payload.resize(64 << 10, b' ');
        }
        messages
    };
    let mut delivery = Delivery::new(&mut service);
    assert!(delivery.deliver(messages()).is_err());
    assert!(delivery.deliver(messages()).is_err());
    assert_eq!(delivery.deliver(messages()).unwrap(), []);
    assert_eq!(service.calls, ["abcd", "ab", "a", "bc", "d"]);
}

#[test]
fn no_call_starts_when_the_time_of_the_batch_is_used_up() {
    let mut service = letters(take);
    let mut delivery = Delivery::new(&mut service);
    delivery.last_start = Duration::ZERO;
    let undelivered = delivery.deliver(batch("abcdef")).unwrap();
    assert_eq!(places(&undelivered), [4, 5]);

    let mut service = letters(|_, _: &str| Err(invalid()));
    let mut delivery = Delivery::new(&mut service);
    delivery.last_start = Duration::ZERO;
    let error = delivery.deliver(batch("abcdef")).unwrap_err();
    assert!(matches!(error, ExportError::Unavailable(_)));
    assert_eq!(service.calls, ["abcd"]);
}
