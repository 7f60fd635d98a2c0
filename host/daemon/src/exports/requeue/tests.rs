use millstream_runtime::Disposition;
use millstream_streams::Payloads;

use super::delivery::TRIES;
use super::*;
use crate::exports::dead_letters::tests::{dead, letters, refuse, with_dead_letters};
use crate::exports::pipeline::tests::{Exports, unavailable};
use crate::time::Time;

/// An export `e` that has rejected its first messages, whose payloads are their numbers.
async fn rejecting(messages: u64) -> Exports {
    let mut exports = with_dead_letters(&["e"]).await;
    exports.shared.store.create(dead(1 << 20)).await.unwrap();
    let payloads = (0..messages).map(|number| number.to_string().into());
    let append = Payloads::Many(payloads.collect());
    exports.shared.store.append("e", append).await.unwrap();
    exports.start("e", messages, 10, None);
    let call = exports.call().await;
    let all: Vec<_> = (0..call.numbers.len())
        .map(|index| (index, Disposition::Reject))
        .collect();
    call.leave(refuse(&all));
    exports
        .shows("e", |cursor| cursor.next.get() == messages)
        .await;
    exports
}

struct Running {
    meter: Arc<Meter>,
    reports: mpsc::Receiver<Report>,
    stop: watch::Sender<bool>,
}

impl Running {
    async fn report(&mut self) -> Report {
        let report = tokio::time::timeout(Duration::from_secs(30), self.reports.recv());
        report.await.expect("a report comes").unwrap()
    }

    /// All reports to the last.
    async fn rest(mut self) -> Vec<Report> {
        let mut all = vec![self.report().await];
        while !matches!(all.last(), Some(Report::Done { .. })) {
            all.push(self.report().await);
        }
        all
    }
}

fn requeue(exports: &Exports, which: Which, dry_run: bool) -> Running {
    let order = Order {
        stream: "e".into(),
        export: "e".into(),
        which,
        dry_run,
    };
    let settings = Exports::settings(2, 10, None);
    let store = exports.shared.store.clone();
    let letters = Letters::new(store, "dead".into(), "e", "e").unwrap();
    let (stop, stopped) = watch::channel(false);
    let (sender, reports) = mpsc::channel(64);
    let meter = Arc::new(Meter::default());
    let shared = exports.shared.clone();
    let requeue = Requeue::new(shared, settings, order, Arc::clone(&meter), stopped, sender);
    tokio::spawn(requeue.run(letters));
    Running {
        meter,
        reports,
        stop,
    }
}

fn chosen(numbers: &[u64]) -> Which {
    Which::Numbers(numbers.iter().copied().collect())
}

fn delivered(numbers: impl IntoIterator<Item = u64>) -> Vec<Report> {
    let delivered = |sequence_number| Report::Delivered { sequence_number };
    numbers.into_iter().map(delivered).collect()
}

#[tokio::test]
async fn chosen_messages_go_again_as_they_were_in_batches_and_nothing_else_does() {
    let mut exports = rejecting(9).await;
    let running = requeue(&exports, chosen(&[2, 3, 7, 40]), false);
    let meter = Arc::clone(&running.meter);
    let first = exports.call().await;
    assert_eq!(first.numbers, [2, 3]);
    let original = ReadOptions {
        start: SequenceNumber::new(2),
        min: 1,
        max: 1,
        max_bytes: u64::MAX,
        wait: Duration::ZERO,
    };
    let original = exports.shared.store.read("e", original).await.unwrap();
    let sent = &first.messages[0];
    assert_eq!(
        (sent.ingest_time, sent.payload.as_ref()),
        (original[0].ingest_time.as_millis(), b"2".as_slice())
    );
    first.deliver();
    let second = exports.call().await;
    assert_eq!(second.numbers, [7]);
    second.deliver();
    let mut expected = delivered([2, 3, 7]);
    expected.push(Report::Done {
        chosen: 3,
        delivered: 3,
        rejected: 0,
        not_delivered: 0,
        missing: vec![40],
        highest: Some(7),
        given_up: None,
    });
    assert_eq!(running.rest().await, expected);
    assert_eq!(meter.requeued_messages(), 3);
    exports.no_call();
    // Nothing notes it: the same can be sent once more.
    let again = requeue(&exports, Which::Range { from: 8, to: None }, false);
    exports.call().await.deliver();
    assert_eq!(again.rest().await.first(), delivered([8]).first());
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_sent_and_sends_nothing() {
    let mut exports = rejecting(3).await;
    let which = Which::Range {
        from: 1,
        to: Some(1),
    };
    let reports = requeue(&exports, which, true).rest().await;
    assert_eq!(reports[0], Report::Chosen { sequence_number: 1 });
    assert_eq!(reports.len(), 2);
    exports.no_call();
}

#[tokio::test]
async fn what_is_rejected_again_makes_no_second_letter() {
    let mut exports = rejecting(2).await;
    let running = requeue(&exports, Which::All, false);
    let answer = refuse(&[(0, Disposition::Reject)]);
    exports.call().await.leave(answer);
    let reports = running.rest().await;
    assert_eq!(reports[0], delivered([1])[0]);
    let rejected = Report::Rejected {
        sequence_number: 0,
        reason: "no such sensor".into(),
    };
    assert_eq!(reports[1], rejected);
    assert_eq!(letters(&exports, "e").await.len(), 2);
}

#[tokio::test]
async fn a_destination_that_takes_nothing_is_tried_four_times_and_the_rest_not_at_all() {
    let mut exports = rejecting(5).await;
    let mut running = requeue(&exports, Which::All, false);
    for attempt in 1..=TRIES {
        let call = exports.call().await;
        assert_eq!(call.numbers, [0, 1]);
        call.fail(unavailable(None));
        if attempt < TRIES {
            assert!(matches!(running.report().await, Report::Waiting { .. }));
            exports.next_try().await;
        }
    }
    let reports = running.rest().await;
    let [left @ .., done] = &reports[..] else {
        panic!("{reports:?}");
    };
    let numbers: Vec<_> = left
        .iter()
        .map(|report| match report {
            Report::NotDelivered {
                sequence_number,
                reason,
            } if reason.contains("no route") => *sequence_number,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    assert!(
        matches!(
            done,
            Report::Done {
                not_delivered: 5,
                given_up: Some(_),
                ..
            }
        ),
        "{done:?}"
    );
    exports.no_call();
}

#[tokio::test]
async fn single_messages_that_have_to_wait_go_again_alone() {
    let mut exports = rejecting(2).await;
    let mut running = requeue(&exports, Which::All, false);
    let answer = refuse(&[(0, Disposition::Retry)]);
    exports.call().await.leave(answer);
    assert_eq!(running.report().await, delivered([1])[0]);
    assert!(matches!(running.report().await, Report::Waiting { .. }));
    exports.next_try().await;
    let call = exports.call().await;
    assert_eq!(call.numbers, [0]);
    call.deliver();
    assert_eq!(running.rest().await[0], delivered([0])[0]);
}

#[tokio::test]
async fn a_letter_that_stands_twice_goes_once_and_a_number_of_another_time_is_another_message() {
    let mut exports = rejecting(1).await;
    let store = exports.shared.store.clone();
    let read = ReadOptions {
        start: SequenceNumber::ZERO,
        min: 1,
        max: 1,
        max_bytes: u64::MAX,
        wait: Duration::ZERO,
    };
    let letter = store.read("dead", read).await.unwrap().remove(0).payload;
    // The same again, one from before the stream was made anew, and what is no letter.
    let mut other: serde_json::Value = serde_json::from_slice(&letter).unwrap();
    other["ingestTime"] = 1.into();
    let more = vec![letter, other.to_string().into(), "21.5".into()];
    store.append("dead", Payloads::Many(more)).await.unwrap();
    let running = requeue(&exports, Which::All, false);
    for ingest_time in [exports.time.now().as_millis(), 1] {
        let call = exports.call().await;
        assert_eq!(call.numbers, [0]);
        assert_eq!(call.messages[0].ingest_time, ingest_time);
        call.deliver();
    }
    assert_eq!(running.rest().await.len(), 3);
}

#[tokio::test]
async fn a_payload_that_was_left_out_comes_from_its_own_stream() {
    let mut exports = with_dead_letters(&["e"]).await;
    exports.shared.store.create(dead(1024)).await.unwrap();
    let payload = vec![0xff; 900];
    let append = Payloads::One(payload.clone().into());
    exports.shared.store.append("e", append).await.unwrap();
    exports.start("e", 1, 10, None);
    let rejected = refuse(&[(0, Disposition::Reject)]);
    exports.call().await.leave(rejected);
    exports.shows("e", |cursor| cursor.next.get() == 1).await;
    let running = requeue(&exports, Which::All, false);
    let call = exports.call().await;
    assert_eq!(call.messages[0].payload, payload);
    call.deliver();
    assert_eq!(running.rest().await[0], delivered([0])[0]);
}

#[tokio::test]
async fn it_waits_for_a_slot_and_never_calls_beside_the_export_itself() {
    let mut exports = rejecting(1).await;
    exports.shared.slots = crate::exports::slots::Slots::new(1);
    let held = exports.shared.slots.try_acquire().unwrap();
    let lane = exports.shared.lanes.of("e", "e");
    let other = lane.lock().await;
    let running = requeue(&exports, Which::All, false);
    exports.queue(1).await;
    exports.no_call();
    drop(held);
    exports.queue(0).await;
    exports.no_call();
    drop(other);
    exports.call().await.deliver();
    assert_eq!(running.rest().await.len(), 2);
}

#[tokio::test]
async fn a_stop_ends_it_and_says_what_was_not_sent() {
    let mut exports = rejecting(3).await;
    let mut running = requeue(&exports, Which::All, false);
    exports.call().await.fail(unavailable(None));
    assert!(matches!(running.report().await, Report::Waiting { .. }));
    running.stop.send_replace(true);
    let reports = running.rest().await;
    assert!(
        matches!(
            reports.last(),
            Some(Report::Done {
                not_delivered: 3,
                ..
            })
        ),
        "{reports:?}"
    );
    exports.no_call();
}
