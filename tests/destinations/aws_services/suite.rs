//! What every one of the plugins does, in good days and bad.

use std::collections::HashSet;

use millstream_tests::{Reserved, eventually};

use super::Subject;
use super::stand_in::{Reply, StandIn};
use crate::setup::{append, wait_for_delivery, wait_for_error, wait_for_rejections};

/// The tests of this file, for a [`Subject`].
macro_rules! suite {
    ($subject:expr) => {
        $crate::aws_services::suite::suite! { $subject =>
            what_is_appended_arrives_in_order_signed_by_the_host_alone,
            a_service_that_asks_for_less_is_retried_and_shown_and_loses_nothing,
            a_service_that_cannot_be_reached_gets_everything_when_it_is_back,
            an_answer_that_makes_no_sense_delivers_nothing,
            a_call_that_is_never_answered_is_given_up_and_made_again,
            a_message_too_large_is_rejected_and_its_neighbours_arrive,
            wrong_credentials_are_shown_and_waited_for,
            a_missing_grant_is_shown_with_what_to_grant,
            after_a_kill_everything_arrives_and_only_the_last_two_calls_come_twice
        }
    };
    ($subject:expr => $($name:ident),+) => {
        $(
            #[test]
            fn $name() {
                $crate::aws_services::suite::$name($subject);
            }
        )+
    };
}
pub(super) use suite;

/// Fails unless each was taken once, in whatever order.
fn each_once(mut taken: Vec<Vec<u8>>, mut expected: Vec<Vec<u8>>) {
    taken.sort();
    expected.sort();
    assert!(taken == expected, "{} of {}", taken.len(), expected.len());
}

pub(super) fn what_is_appended_arrives_in_order_signed_by_the_host_alone(subject: Subject) {
    let service = StandIn::scripted(subject, |_, _| Reply::Accept);
    let host = subject.start(&service.endpoint());
    append(&host, subject.messages(0..45));
    wait_for_delivery(&host, 45);
    assert!(service.taken() == subject.messages(0..45));
    let scope = format!("/eu-central-1/{}/aws4_request", subject.signing_name);
    for request in service.requests() {
        let authorization = request.header("authorization");
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
        assert!(authorization.contains(&scope), "{authorization}");
        let mut names = request.headers.keys();
        assert!(!names.any(|name| name.as_str().starts_with("x-millstream")));
    }
    assert!(service.calls().iter().all(|call| call.len() <= 10));
    assert!(!host.log().contains("a-secret-of-the-host"));
}

pub(super) fn a_service_that_asks_for_less_is_retried_and_shown_and_loses_nothing(
    subject: Subject,
) {
    for (status, code) in [
        (429, "ThrottlingException"),
        (503, "ServiceUnavailableException"),
    ] {
        let (service, gate) = StandIn::gated(subject, Reply::Refuse(status, code));
        let host = subject.start(&service.endpoint());
        append(&host, subject.messages(0..25));
        let error = wait_for_error(&host, "asks for less");
        assert!(error.contains(code), "{error}");
        gate.open();
        wait_for_delivery(&host, 25);
        assert!(service.taken() == subject.messages(0..25));
        host.wait_for_export("s", "shows no error", |export| export["errorMessage"] == "");
    }
}

pub(super) fn a_service_that_cannot_be_reached_gets_everything_when_it_is_back(subject: Subject) {
    let away = Reserved::on_loopback();
    let host = subject.start(&away.endpoint());
    append(&host, subject.messages(0..33));
    wait_for_error(&host, "refuses connections");
    let service = StandIn::listen(subject, away, |_, _| Reply::Accept);
    wait_for_delivery(&host, 33);
    assert!(service.taken() == subject.messages(0..33));
}

pub(super) fn an_answer_that_makes_no_sense_delivers_nothing(subject: Subject) {
    let (service, gate) = StandIn::gated(subject, Reply::Nonsense);
    let host = subject.start(&service.endpoint());
    append(&host, subject.messages(0..12));
    wait_for_error(&host, "is not what the service answers");
    gate.open();
    wait_for_delivery(&host, 12);
    assert!(service.taken() == subject.messages(0..12));
}

pub(super) fn a_call_that_is_never_answered_is_given_up_and_made_again(subject: Subject) {
    let (service, gate) = StandIn::gated(subject, Reply::Hang);
    let host = subject.start_impatient(&service.endpoint());
    append(&host, subject.messages(0..10));
    wait_for_error(&host, "in time");
    gate.open();
    wait_for_delivery(&host, 10);
    assert!(service.taken() == subject.messages(0..10));
}

pub(super) fn a_message_too_large_is_rejected_and_its_neighbours_arrive(subject: Subject) {
    let service = StandIn::scripted(subject, |_, _| Reply::Accept);
    let host = subject.start(&service.endpoint());
    let mut messages = subject.messages(0..3);
    messages.insert(1, vec![b' '; subject.too_many_bytes]);
    append(&host, messages);
    wait_for_delivery(&host, 3);
    wait_for_rejections(&host, 1);
    assert!(service.taken() == subject.messages(0..3));
}

pub(super) fn wrong_credentials_are_shown_and_waited_for(subject: Subject) {
    let refusal = Reply::Refuse(403, "UnrecognizedClientException");
    let (service, gate) = StandIn::gated(subject, refusal);
    let host = subject.start(&service.endpoint());
    append(&host, subject.messages(0..12));
    let error = wait_for_error(&host, "refuses this device");
    assert!(error.contains("credentials"), "{error}");
    gate.open();
    wait_for_delivery(&host, 12);
    assert!(service.taken() == subject.messages(0..12));
}

pub(super) fn a_missing_grant_is_shown_with_what_to_grant(subject: Subject) {
    let service = StandIn::scripted(subject, |_, _| Reply::Accept);
    let mut exporting = subject.exporting(&service.endpoint());
    exporting.grants = format!("hosts = [\"{}\"]", service.endpoint());
    let host = exporting.start();
    append(&host, subject.messages(0..2));
    let error = wait_for_error(&host, "aws-services");
    let name = format!("\"{}\"", subject.signing_name);
    assert!(error.contains(&name), "{error}");
    assert!(service.requests().is_empty());
}

pub(super) fn after_a_kill_everything_arrives_and_only_the_last_two_calls_come_twice(
    subject: Subject,
) {
    let service = StandIn::scripted(subject, |number, _| match number {
        3 => Reply::TakeAndHang,
        _ => Reply::Accept,
    });
    let mut host = subject.start(&service.endpoint());
    append(&host, subject.messages(0..100));
    eventually("the fourth call hangs", || {
        (service.requests().len() == 4).then_some(())
    });
    host.kill();
    host.start_again();
    let expected = subject.messages(0..100);
    eventually("everything has arrived", || {
        let taken: HashSet<_> = service.taken().into_iter().collect();
        (taken.len() == expected.len()).then_some(())
    });
    host.wait_for_export("s", "has settled everything", |export| {
        export["lastExportedSequenceNumber"] == 99
    });
    let calls = service.calls();
    // The call in flight, and the one before it: its cursor is saved beside the next call.
    let repeats = service.taken().len() - expected.len();
    let in_doubt: usize = calls[2..4].iter().map(Vec::len).sum();
    assert!(repeats <= in_doubt, "{repeats} came twice");
    let mut distinct = service.taken();
    let mut seen = HashSet::new();
    distinct.retain(|payload| seen.insert(payload.clone()));
    assert!(distinct == expected, "the order is that of the stream");
}

/// Of a call that failed in part only what failed goes again.
pub(super) fn only_what_failed_goes_again(subject: Subject, code: &'static str) {
    let service = StandIn::scripted(subject, move |number, _| match number {
        0 => Reply::Fail(vec![1, 3, 8], code),
        1 => Reply::Fail(vec![0], code),
        _ => Reply::Accept,
    });
    let host = subject.exporting(&service.endpoint()).start_patient();
    append(&host, subject.messages(0..10));
    wait_for_delivery(&host, 10);
    let calls = service.calls();
    let all = subject.messages(0..10);
    assert!(calls[0] == all);
    assert!(calls[1] == [all[1].clone(), all[3].clone(), all[8].clone()]);
    assert!(calls[2] == [all[1].clone()]);
    each_once(service.taken(), all);
}
