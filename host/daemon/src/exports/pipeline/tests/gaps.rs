//! Messages that retention takes before their turn.

use super::*;

/// Appends so much that the stream overwrites what was there, and returns its new head.
async fn overwrite(exports: &Exports) -> u64 {
    let large = vec![vec![b'x'; 1000].into(); 1500];
    let store = &exports.shared.store;
    store.append("e", Payloads::Many(large)).await.unwrap();
    store.describe("e").unwrap().position.head.get()
}

#[tokio::test]
async fn messages_that_are_gone_are_counted_although_the_export_stops_before_their_batch_is_done() {
    let mut exports = Exports::new(&["e"], 5, Duration::ZERO).await;
    exports.append("e", 5).await;
    let head = overwrite(&exports).await;
    assert!(head > 5);
    exports.start("e", 10, 10, None);
    exports.call().await.fail(unavailable(None));
    exports.shows("e", |cursor| cursor.next.get() == head).await;
    let (stop, task, _) = exports.running.remove("e").unwrap();
    stop.send_replace(true);
    task.await.unwrap();
    assert_eq!(exports.cursor("e").missed_messages, head);
    exports.start("e", 10, 10, None);
    exports.call().await.deliver();
    exports
        .shows("e", |cursor| cursor.delivered_messages == 10)
        .await;
    assert_eq!(exports.cursor("e").missed_messages, head);
}

#[tokio::test]
async fn what_has_gone_while_it_waited_for_its_call_is_not_handed_over() {
    let mut exports = Exports::new(&["e"], 5, Duration::ZERO).await;
    exports.append("e", 2).await;
    exports.start("e", 1, 10, None);
    // The second message is read while the first is on its way.
    let call = exports.call().await;
    assert_eq!(call.numbers, [0]);
    let head = overwrite(&exports).await;
    assert!(head > 2);
    call.deliver();
    let next = exports.call().await;
    assert!(next.numbers[0] >= head, "{:?}", next.numbers);
    let told = exports.told.lock().unwrap().clone();
    let numbers = told.iter().flat_map(|(_, numbers)| numbers);
    let numbers: Vec<u64> = numbers.map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..head).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_rejected_message_has_its_letter_before_retention_leads_the_export_past_it() {
    use crate::exports::dead_letters::tests::{letters, refuse, with_dead_letters};
    let mut exports = with_dead_letters(&["e"]).await;
    let dead = crate::exports::dead_letters::tests::dead(1 << 16);
    exports.shared.store.create(dead).await.unwrap();
    exports.append("e", 3).await;
    exports.start("e", 3, 10, None);
    let call = exports.call().await;
    overwrite(&exports).await;
    // The rejected one waits behind the first, which retention has taken meanwhile.
    call.leave(refuse(&[(0, Disposition::Retry), (1, Disposition::Reject)]));
    exports.next_try().await;
    exports.shows("e", |cursor| cursor.next.get() >= 3).await;
    let letters = letters(&exports, "e").await;
    assert_eq!(letters.len(), 1);
    assert_eq!(exports.cursor("e").rejected_messages, 1);
}
