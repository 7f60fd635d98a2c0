//! What a pipeline does, step by step, at a time that the test sets.

mod exports;
mod fakes;
mod gaps;
mod versions;

use std::sync::atomic::Ordering;

use millstream_runtime::{CancelReason, Disposition, Undelivered};
use millstream_streams::{Cursor, Payloads};

use super::*;
pub(in crate::exports) use exports::Exports;
use exports::{FIRST, LINGER, LONGEST};
pub(in crate::exports) use fakes::unavailable;

fn numbers(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

#[tokio::test]
async fn a_full_batch_leaves_at_once_and_the_rest_after_the_linger() {
    let mut exports = Exports::new(&["e"], 5, Duration::ZERO).await;
    exports.append("e", 25).await;
    exports.start("e", 10, 10, None);
    for batch in [0..10, 10..20] {
        let call = exports.call().await;
        assert_eq!(call.numbers, numbers(batch));
        call.deliver();
    }
    assert_eq!(exports.time.next_alarm().await, LINGER);
    exports.no_call();
    exports.time.advance(LINGER);
    let call = exports.call().await;
    assert_eq!(call.numbers, numbers(20..25));
    call.deliver();
    exports
        .shows("e", |cursor| cursor.delivered_messages == 25)
        .await;
}

#[tokio::test]
async fn a_batch_interval_counts_from_the_oldest_message_that_waits() {
    let mut exports = Exports::new(&["e"], 5, Duration::ZERO).await;
    let interval = Duration::from_secs(60);
    exports.append("e", 1).await;
    exports.time.advance(Duration::from_secs(45));
    exports.append("e", 1).await;
    exports.start("e", 10, 10, Some(interval));
    // Fifteen seconds are left, and the batch is looked at every second.
    for _ in 0..15 {
        exports.time.next_alarm().await;
        exports.no_call();
        exports.time.advance(Duration::from_secs(1));
    }
    let call = exports.call().await;
    assert_eq!(call.numbers, [0, 1]);
}

#[tokio::test]
async fn a_failed_export_is_tried_again_for_ever_with_pauses_up_to_the_longest() {
    let mut exports = Exports::new(&["e"], 5, Duration::ZERO).await;
    exports.append("e", 1).await;
    exports.start("e", 1, 10, None);
    let mut expected = FIRST;
    for _ in 0..40 {
        exports.call().await.fail(unavailable(None));
        let pause = exports.time.next_alarm().await;
        assert!(
            pause <= expected && pause * 2 + Duration::from_millis(1) >= expected,
            "{pause:?} where at most {expected:?} was expected"
        );
        let attempt = exports.time.now();
        let shown = |cursor: &Cursor| {
            cursor.last_attempt == Some(attempt)
                && cursor
                    .last_error
                    .as_ref()
                    .is_some_and(|error| error.contains("no route"))
        };
        exports.shows("e", shown).await;
        assert!(exports.meter("e").is_failing());
        exports.time.advance(pause);
        expected = (expected * 2).min(LONGEST);
    }
    exports.call().await.deliver();
    exports
        .shows("e", |cursor| {
            cursor.last_error.is_none() && cursor.next.get() == 1
        })
        .await;
    assert!(!exports.meter("e").is_failing());
    assert_eq!(exports.meter("e").calls(Outcome::Unavailable), 40);
    assert_eq!(exports.meter("e").retried_messages(), 40);
    // After a success the pauses begin anew.
    exports.append("e", 1).await;
    exports.call().await.fail(unavailable(None));
    assert!(exports.time.next_alarm().await <= FIRST);
}

#[tokio::test]
async fn a_destination_that_asks_for_a_pause_gets_it() {
    let mut exports = Exports::new(&["e"], 5, Duration::ZERO).await;
    exports.append("e", 1).await;
    exports.start("e", 1, 10, None);
    let asked = Duration::from_secs(42);
    exports.call().await.fail(unavailable(Some(asked)));
    assert_eq!(exports.time.next_alarm().await, asked);
    exports.no_call();
}

#[tokio::test]
async fn only_messages_that_may_succeed_later_go_again() {
    let mut exports = Exports::new(&["e"], 5, Duration::ZERO).await;
    exports.append("e", 3).await;
    exports.start("e", 3, 10, None);
    let call = exports.call().await;
    let undelivered = |index, disposition| Undelivered {
        index,
        disposition,
        reason: "not this one".into(),
    };
    call.leave(vec![
        undelivered(0, Disposition::Reject),
        undelivered(2, Disposition::Retry),
    ]);
    let pause = exports.time.next_alarm().await;
    exports
        .shows("e", |cursor| {
            (
                cursor.next.get(),
                cursor.delivered_messages,
                cursor.rejected_messages,
            ) == (2, 1, 1)
        })
        .await;
    exports.time.advance(pause);
    let call = exports.call().await;
    assert_eq!(call.numbers, [2]);
    call.deliver();
    exports.shows("e", |cursor| cursor.next.get() == 3).await;
    assert_eq!(exports.meter("e").calls(Outcome::Partial), 1);
}

#[tokio::test]
async fn no_more_calls_run_at_once_than_there_are_slots() {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let mut exports = Exports::new(&names, 5, Duration::ZERO).await;
    for name in names {
        exports.append(name, 1).await;
        exports.start(name, 1, 10, None);
    }
    let mut calls = Vec::new();
    for _ in 0..5 {
        calls.push(exports.call().await);
    }
    exports.queue(2).await;
    exports.no_call();
    for call in calls {
        call.deliver();
    }
    for _ in 0..2 {
        exports.call().await.deliver();
    }
}

#[tokio::test]
async fn under_contention_the_higher_priority_goes_first_until_it_has_nothing_left() {
    let mut exports = Exports::new(&["high", "low"], 1, Duration::ZERO).await;
    exports.append("low", 4).await;
    exports.start("low", 2, 9, None);
    let call = exports.call().await;
    assert_eq!(call.export, "low");
    exports.append("high", 20).await;
    exports.start("high", 2, 1, None);
    // It queues up before the slot comes free.
    exports.queue(1).await;
    call.deliver();
    for _ in 0..10 {
        let call = exports.call().await;
        assert_eq!(call.export, "high");
        call.deliver();
    }
    let call = exports.call().await;
    assert_eq!(
        (call.export.as_str(), call.numbers.as_slice()),
        ("low", [2, 3].as_slice())
    );
    call.deliver();
}

#[tokio::test]
async fn an_export_that_waits_for_its_turn_shows_how_far_it_is() {
    let mut exports = Exports::new(&["a", "b"], 1, Duration::ZERO).await;
    exports.append("a", 2).await;
    exports.start("a", 1, 10, None);
    let first = exports.call().await;
    exports.append("b", 1).await;
    exports.start("b", 1, 1, None);
    exports.queue(1).await;
    first.deliver();
    let second = exports.call().await;
    assert_eq!(second.export, "b");
    // The other's call is under way, for as long as it likes.
    exports
        .shows("a", |cursor| cursor.delivered_messages == 1)
        .await;
    second.deliver();
}

#[tokio::test]
async fn calls_keep_the_interval_that_the_destination_asks_for_and_hold_no_slot_meanwhile() {
    let interval = Duration::from_secs(1);
    let mut exports = Exports::new(&["slow", "other"], 1, interval).await;
    exports.append("slow", 2).await;
    exports.start("slow", 1, 1, None);
    exports.call().await.deliver();
    assert_eq!(exports.time.next_alarm().await, interval);
    exports.no_call();
    exports.append("other", 1).await;
    exports.start("other", 1, 10, None);
    let other = exports.call().await;
    assert_eq!(other.export, "other");
    other.deliver();
    exports.time.advance(interval);
    assert_eq!(exports.call().await.export, "slow");
}

#[tokio::test]
async fn an_export_that_is_stopped_goes_on_from_its_cursor() {
    let mut exports = Exports::new(&["e"], 5, Duration::ZERO).await;
    exports.append("e", 4).await;
    exports.start("e", 2, 10, None);
    exports.call().await.deliver();
    let second = exports.call().await;
    // A call that is under way is waited for.
    let (stop, task, _) = exports.running.remove("e").unwrap();
    stop.send_replace(true);
    second.deliver();
    task.await.unwrap();
    assert_eq!(exports.cursor("e").delivered_messages, 4);
    exports.append("e", 2).await;
    exports.start("e", 2, 10, None);
    assert_eq!(exports.call().await.numbers, [4, 5]);
    exports.running.remove("e").unwrap().1.abort();
}

#[tokio::test]
async fn a_message_larger_than_the_plugin_takes_is_rejected_and_the_others_go() {
    let mut exports = Exports::new(&["e"], 5, Duration::ZERO).await;
    let payloads = vec!["x".into(), vec![b'x'; 2 << 10].into(), "y".into()];
    let append = exports.shared.store.append("e", Payloads::Many(payloads));
    append.await.unwrap();
    exports.start("e", 3, 10, None);
    let call = exports.call().await;
    assert_eq!(call.numbers, [0, 2]);
    call.deliver();
    exports
        .shows("e", |cursor| {
            cursor.rejected_messages == 1 && cursor.next.get() == 3
        })
        .await;
    exports.stop("e").await;
}

#[tokio::test]
async fn work_that_is_longer_than_one_call_goes_on_at_once_and_outlives_a_stop() {
    let mut exports = Exports::new(&["e"], 5, Duration::ZERO).await;
    exports.append("e", 2).await;
    exports.start("e", 2, 10, None);
    let call = exports.call().await;
    assert_eq!(call.remembered, None);
    call.step(b"one");
    // No time has to pass.
    let call = exports.call().await;
    assert_eq!(call.numbers, [0, 1]);
    assert_eq!(call.remembered.as_deref(), Some(&b"one"[..]));
    let cursor = exports.cursor("e");
    assert_eq!((cursor.next.get(), cursor.last_error), (0, None));
    assert!(cursor.work.is_some(), "it is kept before the next call");
    assert!(!exports.meter("e").is_failing());
    assert_eq!(exports.meter("e").progress().as_deref(), Some("a step"));
    let (stop, task, _) = exports.running.remove("e").unwrap();
    stop.send_replace(true);
    // It stops between two steps, and what was done is kept.
    call.step(b"two");
    task.await.unwrap();
    exports.start("e", 2, 10, None);
    let call = exports.call().await;
    assert_eq!(call.remembered.as_deref(), Some(&b"two"[..]));
    call.deliver();
    exports.shows("e", |cursor| cursor.next.get() == 2).await;
    assert_eq!(exports.meter("e").progress(), None);
    exports.stop("e").await;
}

#[tokio::test]
async fn work_that_takes_no_time_and_comes_to_no_end_is_slowed_down() {
    let mut exports = Exports::new(&["e"], 5, Duration::ZERO).await;
    exports.append("e", 1).await;
    exports.start("e", 1, 10, None);
    let (time, mut steps) = (exports.time.clone(), 0);
    let pause = loop {
        tokio::select! {
            biased;
            pause = time.next_alarm() => break pause,
            call = exports.call() => call.step(b"x"),
        }
        steps += 1;
        // Some may have taken time, on a busy machine.
        assert!(steps < 1000 * IDLE_STEPS);
    };
    assert!(steps > IDLE_STEPS && pause <= FIRST);
    exports.no_call();
    exports.time.advance(pause);
    exports.call().await.deliver();
    exports.shows("e", |cursor| cursor.next.get() == 1).await;
}

#[tokio::test]
async fn what_retention_takes_out_of_the_hands_of_a_plugin_it_is_told_of() {
    let mut exports = Exports::new(&["e"], 5, Duration::ZERO).await;
    exports.append("e", 1).await;
    exports.start("e", 1, 10, None);
    let call = exports.call().await;
    // The stream overwrites its oldest segment, and the next ones.
    let large = vec![vec![b'x'; 60 << 10].into(); 40];
    let append = exports.shared.store.append("e", Payloads::Many(large));
    append.await.unwrap();
    let head = exports
        .shared
        .store
        .describe("e")
        .unwrap()
        .position
        .head
        .get();
    assert!(head > 1);
    call.step(b"half");
    exports
        .shows("e", |cursor| cursor.missed_messages > 0)
        .await;
    exports
        .shows("e", |cursor| {
            cursor.next.get() >= head && cursor.work.is_none()
        })
        .await;
    let told = exports.told.lock().unwrap().clone();
    let numbers: Vec<(u64, bool)> = told
        .iter()
        .inspect(|(reason, _)| assert_eq!(*reason, CancelReason::Expired))
        .flat_map(|(_, numbers)| numbers.clone())
        .collect();
    let expected: Vec<(u64, bool)> = (0..head).map(|number| (number, number == 0)).collect();
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn a_destination_that_has_nothing_to_do_for_long_rests_once_until_a_message_comes() {
    let mut exports = Exports::new(&["e"], 5, Duration::ZERO).await;
    exports.shared.rest_after = Duration::from_secs(30);
    exports.start("e", 1, 10, None);
    for turn in 0..2 {
        assert_eq!(exports.time.next_alarm().await, Duration::from_secs(30));
        assert_eq!(exports.rests.load(Ordering::SeqCst), turn);
        exports.time.advance(Duration::from_secs(30));
        let rested = async {
            while exports.rests.load(Ordering::SeqCst) == turn {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), rested)
            .await
            .unwrap();
        exports.append("e", 1).await;
        exports.call().await.deliver();
    }
}
