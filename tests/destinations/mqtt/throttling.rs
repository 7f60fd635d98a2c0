//! Quotas. Mosquitto never says that one is exceeded, so it is a [`Broker`] of the test that does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use millstream_tests::Line;

use super::broker::{Broker, QUOTA_EXCEEDED, SUCCESS};
use super::{all, to};
use crate::setup::{append_numbered, wait_for_delivery, wait_for_error};

#[test]
fn a_broker_whose_quota_is_exceeded_is_shown_and_gets_every_message_once_in_the_end() {
    let has_quota = Arc::new(AtomicBool::new(false));
    let quota = Arc::clone(&has_quota);
    let broker = Broker::start(move |_, _| match quota.load(Ordering::SeqCst) {
        true => SUCCESS,
        false => QUOTA_EXCEEDED,
    });
    let line = Line::to(broker.address());
    let host = to(&line, "").start();
    append_numbered(&host, 0..120);
    let error = wait_for_error(&host, "asks for less");
    assert!(error.contains("QuotaExceeded (0x97)"), "{error}");
    has_quota.store(true, Ordering::SeqCst);
    wait_for_delivery(&host, 120);
    broker.assert_each_taken_once(120);
}

#[test]
fn of_a_batch_of_which_the_broker_refuses_some_only_these_go_again() {
    let is_refused = |payload: &str| payload.ends_with('3');
    let broker = Broker::start(
        move |payload, before| match is_refused(payload) && before < 2 {
            true => QUOTA_EXCEEDED,
            false => SUCCESS,
        },
    );
    let line = Line::to(broker.address());
    let host = to(&line, "").start();
    append_numbered(&host, 0..100);
    wait_for_delivery(&host, 100);
    broker.assert_each_taken_once(100);
    for payload in all(0..100) {
        let expected = if is_refused(&payload) { 3 } else { 1 };
        assert_eq!(broker.times(&payload), expected, "{payload}");
    }
}
