//! Other versions of the plugin while an export is at work.

use super::fakes::version;
use super::*;
use crate::plugins::Offer;

async fn exports(messages: usize) -> Exports {
    let mut exports = Exports::new(&["e"], 5, Duration::ZERO).await;
    exports.append("e", messages).await;
    exports.start("e", 10, 10, None);
    exports
}

/// Waits until an export uses a version, or shows why it does not.
async fn in_use(exports: &Exports, wanted: impl Fn(&crate::exports::meter::InUse) -> bool) {
    let shown = async {
        while !wanted(&exports.meter("e").in_use()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), shown)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_new_version_gets_the_next_batch_and_the_old_one_ends_its_own() {
    let mut exports = exports(30).await;
    let first = exports.call().await;
    assert_eq!(first.version, version("1"));
    exports.versions.offer(Offer::Version(version("2")));
    first.deliver();
    for batch in [10..20, 20..30] {
        let call = exports.call().await;
        assert_eq!(
            (call.version.clone(), call.numbers.clone()),
            (version("2"), numbers(batch))
        );
        call.deliver();
    }
    exports
        .shows("e", |cursor| cursor.delivered_messages == 30)
        .await;
}

#[tokio::test]
async fn an_export_with_nothing_to_do_takes_over_a_new_version_at_once() {
    let mut exports = exports(10).await;
    exports.call().await.deliver();
    exports.versions.offer(Offer::Version(version("2")));
    in_use(&exports, |in_use| in_use.id == Some(version("2"))).await;
    exports.no_call();
}

#[tokio::test]
async fn a_batch_that_fails_is_handed_to_the_new_version_without_waiting_for_its_pause() {
    let mut exports = exports(10).await;
    exports.call().await.fail(unavailable(Some(LONGEST)));
    exports.time.next_alarm().await;
    exports.versions.offer(Offer::Version(version("2")));
    let call = exports.call().await;
    assert_eq!(
        (call.version.clone(), call.numbers.clone()),
        (version("2"), numbers(0..10))
    );
    call.deliver();
}

#[tokio::test]
async fn news_of_a_transform_end_the_pause_of_a_batch_that_failed() {
    let mut exports = exports(10).await;
    exports.call().await.fail(unavailable(Some(LONGEST)));
    exports.time.next_alarm().await;
    let transform = &exports.versions.transform;
    transform.send_modify(|standing| standing.offer = Offer::Version(version("2")));
    let call = exports.call().await;
    assert_eq!(call.numbers, numbers(0..10));
    call.deliver();
}

#[tokio::test]
async fn what_was_remembered_goes_to_the_new_version_between_two_steps() {
    let mut exports = exports(10).await;
    exports.call().await.step(b"half");
    let call = exports.call().await;
    exports.versions.offer(Offer::Version(version("2")));
    call.step(b"more");
    let call = exports.call().await;
    assert_eq!(call.version, version("2"));
    assert_eq!(call.remembered.as_deref(), Some(&b"more"[..]));
    call.deliver();
}

#[tokio::test]
async fn a_version_that_cannot_be_opened_is_tried_once_and_the_old_one_goes_on() {
    let mut exports = exports(30).await;
    let call = exports.call().await;
    *exports.versions.refusal.lock().unwrap() = Some("it wants a key".into());
    exports.versions.offer(Offer::Version(version("2")));
    call.deliver();
    let call = exports.call().await;
    assert_eq!(call.version, version("1"));
    let passed_over = exports.meter("e").in_use().passed_over.unwrap();
    assert!(passed_over.contains("it wants a key"), "{passed_over}");
    // Not tried again, though it could be opened now.
    *exports.versions.refusal.lock().unwrap() = None;
    call.deliver();
    let call = exports.call().await;
    assert_eq!(call.version, version("1"));
    exports.versions.offer(Offer::Version(version("3")));
    call.deliver();
    in_use(&exports, |in_use| {
        in_use.id == Some(version("3")) && in_use.passed_over.is_none()
    })
    .await;
}

#[tokio::test]
async fn a_version_that_takes_less_than_the_batch_in_hand_comes_behind_it() {
    let mut exports = exports(20).await;
    let call = exports.call().await;
    exports.versions.most.store(3, Ordering::SeqCst);
    exports.versions.offer(Offer::Version(version("2")));
    call.fail(unavailable(None));
    let call = exports.call().await;
    assert_eq!(
        (call.version.clone(), call.numbers.clone()),
        (version("1"), numbers(0..10))
    );
    call.deliver();
    let call = exports.call().await;
    assert_eq!(
        (call.version, call.numbers),
        (version("2"), numbers(10..13))
    );
}

#[tokio::test]
async fn while_there_is_no_version_the_export_waits_with_its_place_saved_and_then_goes_on() {
    let mut exports = exports(20).await;
    let call = exports.call().await;
    exports.versions.offer(Offer::Nothing("taken away".into()));
    call.deliver();
    exports
        .shows("e", |cursor| {
            cursor.next == SequenceNumber::new(10)
                && cursor.last_error.as_deref() == Some("taken away")
        })
        .await;
    assert!(exports.meter("e").is_failing());
    assert_eq!(exports.rests.load(Ordering::SeqCst), 1);
    exports.no_call();
    exports.versions.offer(Offer::Version(version("1")));
    let call = exports.call().await;
    assert_eq!(call.numbers, numbers(10..20));
    assert!(!exports.meter("e").is_failing());
    call.deliver();
}
