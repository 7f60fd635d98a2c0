use std::sync::Arc;
use std::time::Duration;

use millstream_runtime::{Disposition, ExportFailure, Undelivered};
use millstream_streams::{
    Cursor, Flush, Persistence, SequenceNumber, StrategyOnFull, StreamDefinition, StreamName,
};

use super::*;
use crate::exports::Source;
use crate::exports::pipeline::tests::{Exports, unavailable};

fn settings(plugin: &str, dead_letters: Option<&str>) -> ExportSettings {
    ExportSettings {
        source: Source::Plugin,
        plugin: plugin.into(),
        config: serde_json::Map::new(),
        batch_size: None,
        batch_interval_millis: None,
        priority: 10,
        disabled: false,
        dead_letters: dead_letters.map(str::to_owned),
        transforms: Vec::new(),
    }
}

#[test]
fn an_exports_own_word_goes_before_its_plugins_and_letters_never_come_back_to_their_stream() {
    let config: Config = toml::from_str(
        "[plugin.http]\ndead-letters = \"dead\"\n[[stream]]\nname = \"a\"\n[[stream.export]]\n\
         identifier = \"e\"\nplugin = \"http\"\ndead-letters = \"own\"\n",
    )
    .unwrap();
    let routes = Routes::new(&config);
    let of = |stream, plugin, named| routes.of(stream, &settings(plugin, named));
    assert_eq!(of("s", "http", None).as_deref(), Some("dead"));
    assert_eq!(of("s", "http", Some("own")).as_deref(), Some("own"));
    assert_eq!(of("s", "file", None), None);
    assert_eq!(of("s", "http", Some("s")), None);
    for taking in ["dead", "own"] {
        assert_eq!(of(taking, "http", None), None);
        assert_eq!(of(taking, "http", Some("other")).as_deref(), Some("other"));
    }
}

/// The exports of streams of these names, whose dead letters go to `dead`.
pub(in crate::exports) async fn with_dead_letters(exports: &[&str]) -> Exports {
    let mut exports = Exports::new(exports, 1, Duration::ZERO).await;
    let config = toml::from_str("[plugin.fake]\ndead-letters = \"dead\"").unwrap();
    exports.shared.routes = Arc::new(Routes::new(&config));
    exports
}

/// The dead-letter stream: it takes no more when it is full.
pub(in crate::exports) fn dead(max_size: u64) -> StreamDefinition {
    StreamDefinition {
        name: StreamName::new("dead").unwrap(),
        max_size,
        segment_size: 1024,
        time_to_live_millis: None,
        strategy_on_full: StrategyOnFull::RejectNewData,
        persistence: Persistence::File(Flush::Relaxed),
        exports: Vec::new(),
    }
}

/// Says which messages of a batch are not delivered.
pub(in crate::exports) fn refuse(batch: &[(usize, Disposition)]) -> Vec<Undelivered> {
    let undelivered = |(index, disposition): &(usize, Disposition)| Undelivered {
        index: *index,
        disposition: *disposition,
        reason: "no such sensor".into(),
    };
    batch.iter().map(undelivered).collect()
}

/// The letters of an export of a stream with the same name.
pub(in crate::exports) async fn letters(exports: &Exports, name: &str) -> Vec<Envelope> {
    let store = exports.shared.store.clone();
    let mut letters = Letters::new(store, "dead".into(), name, name).unwrap();
    let mut found = Vec::new();
    while let Some(page) = letters.page().await.unwrap() {
        found.extend(page.into_iter().map(|letter| letter.envelope));
    }
    found
}

fn numbers(letters: &[Envelope]) -> Vec<u64> {
    letters
        .iter()
        .map(|letter| letter.sequence_number)
        .collect()
}

fn waits_for_letters(cursor: &Cursor) -> bool {
    cursor
        .last_error
        .as_ref()
        .is_some_and(|error| error.contains("waits for the dead-letter stream dead"))
}

#[tokio::test]
async fn a_rejected_message_is_passed_when_its_letter_is_there_and_not_before() {
    let mut exports = with_dead_letters(&["e"]).await;
    exports.append("e", 3).await;
    exports.start("e", 3, 10, None);
    let call = exports.call().await;
    let ingest_time = call.messages[1].ingest_time;
    call.leave(refuse(&[(1, Disposition::Reject)]));
    // The stream does not exist yet.
    exports.shows("e", waits_for_letters).await;
    let cursor = exports.cursor("e");
    assert_eq!((cursor.next.get(), cursor.rejected_messages), (1, 0));
    assert!(exports.meter("e").is_failing());
    exports.shared.store.create(dead(1 << 16)).await.unwrap();
    let rejected_at = exports.next_try().await;
    exports.shows("e", |cursor| cursor.next.get() == 3).await;
    let cursor = exports.cursor("e");
    assert_eq!(
        (cursor.delivered_messages, cursor.rejected_messages),
        (2, 1)
    );
    assert!(!exports.meter("e").is_failing());
    assert_eq!(exports.meter("e").dead_letters(), 1);
    let found = letters(&exports, "e").await;
    let [letter] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(
        (
            letter.sequence_number,
            letter.ingest_time,
            letter.rejected_at
        ),
        (1, ingest_time, rejected_at)
    );
    assert_eq!(
        (letter.plugin.as_str(), letter.reason.as_str()),
        ("fake", "no such sensor")
    );
    assert_eq!(letter.payload(), Some(Payload::Whole("x".into())));
}

#[tokio::test]
async fn a_full_dead_letter_stream_holds_only_its_export_and_lets_it_go_on() {
    let mut exports = with_dead_letters(&["held", "other"]).await;
    exports.shared.store.create(dead(1024)).await.unwrap();
    let filling = Payloads::One(vec![b'x'; 900].into());
    exports.shared.store.append("dead", filling).await.unwrap();
    exports.append("held", 2).await;
    exports.start("held", 1, 1, None);
    let rejected = refuse(&[(0, Disposition::Reject)]);
    exports.call().await.leave(rejected);
    exports.shows("held", waits_for_letters).await;
    // It waits without the only slot, and tries again and again.
    exports.append("other", 1).await;
    exports.start("other", 1, 10, None);
    exports.call().await.deliver();
    for _ in 0..5 {
        exports.next_try().await;
        exports.no_call();
    }
    exports.time.next_alarm().await;
    exports.shared.store.update(dead(1 << 16)).await.unwrap();
    exports.next_try().await;
    let call = exports.call().await;
    assert_eq!(call.numbers, [1]);
    call.deliver();
    assert_eq!(numbers(&letters(&exports, "held").await), [0]);
}

#[tokio::test]
async fn a_crash_between_letter_and_cursor_repeats_the_letter() {
    let mut exports = with_dead_letters(&["e"]).await;
    exports.shared.store.create(dead(1 << 16)).await.unwrap();
    exports.append("e", 1).await;
    for _ in 0..2 {
        let before = exports.cursor("e");
        exports.start("e", 1, 10, None);
        let rejected = refuse(&[(0, Disposition::Reject)]);
        exports.call().await.leave(rejected);
        exports.shows("e", |cursor| cursor.next.get() == 1).await;
        exports.stop("e").await;
        // As if the cursor had not been written.
        let store = &exports.shared.store;
        store.save_cursor("e", "e", before).await.unwrap();
    }
    assert_eq!(numbers(&letters(&exports, "e").await), [0, 0]);
}

#[tokio::test]
async fn a_stop_while_a_message_before_it_waits_leaves_one_letter() {
    let mut exports = with_dead_letters(&["e"]).await;
    exports.shared.store.create(dead(1 << 16)).await.unwrap();
    exports.append("e", 2).await;
    for _ in 0..3 {
        exports.start("e", 2, 10, None);
        let answer = refuse(&[(0, Disposition::Retry), (1, Disposition::Reject)]);
        exports.call().await.leave(answer);
        exports.time.next_alarm().await;
        exports.stop("e").await;
    }
    assert!(letters(&exports, "e").await.is_empty());
    exports.start("e", 2, 10, None);
    let answer = refuse(&[(1, Disposition::Reject)]);
    exports.call().await.leave(answer);
    exports.shows("e", |cursor| cursor.next.get() == 2).await;
    assert_eq!(numbers(&letters(&exports, "e").await), [1]);
    assert_eq!(exports.cursor("e").rejected_messages, 1);
}

#[tokio::test]
async fn too_large_for_the_plugin_and_what_crashes_it_alone_are_letters_too() {
    let mut exports = with_dead_letters(&["e"]).await;
    exports.shared.store.create(dead(1 << 16)).await.unwrap();
    let large = vec![0xff; 2 << 10];
    let payloads = vec!["x".into(), large.clone().into(), "y".into()];
    let append = exports.shared.store.append("e", Payloads::Many(payloads));
    append.await.unwrap();
    exports.start("e", 3, 10, None);
    let call = exports.call().await;
    assert_eq!(call.numbers, [0, 2]);
    // While the first message waits, the one behind it is not settled.
    call.fail(unavailable(None));
    exports.next_try().await;
    assert!(letters(&exports, "e").await.is_empty());
    let trap = || ExportFailure::Trapped {
        reason: "unreachable".into(),
    };
    exports.call().await.fail(trap());
    for crash in 1..=3 {
        let call = exports.call().await;
        assert_eq!(call.numbers, [0]);
        call.fail(trap());
        if crash < 3 {
            exports.next_try().await;
        }
    }
    exports.call().await.deliver();
    exports.shows("e", |cursor| cursor.next.get() == 3).await;
    let found = letters(&exports, "e").await;
    assert_eq!(numbers(&found), [0, 1]);
    assert!(found[0].reason.contains("crashed on it 3 times"));
    assert!(
        found[1]
            .reason
            .contains("2048 bytes are more than the plugin takes")
    );
    assert_eq!(found[1].payload(), Some(Payload::Whole(large.into())));
    assert_eq!(exports.cursor("e").rejected_messages, 2);
}

#[tokio::test]
async fn a_letter_that_its_stream_could_never_hold_says_the_size_in_place_of_the_payload() {
    let mut exports = with_dead_letters(&["e"]).await;
    exports.shared.store.create(dead(1024)).await.unwrap();
    let payload = Payloads::One(vec![0xff; 900].into());
    exports.shared.store.append("e", payload).await.unwrap();
    exports.start("e", 1, 10, None);
    let rejected = refuse(&[(0, Disposition::Reject)]);
    exports.call().await.leave(rejected);
    exports.shows("e", |cursor| cursor.next.get() == 1).await;
    let found = letters(&exports, "e").await;
    assert_eq!(found[0].payload(), Some(Payload::LeftOut(900)));
}

#[tokio::test]
async fn more_letters_than_one_append_takes_arrive_in_order() {
    let mut exports = with_dead_letters(&["e"]).await;
    exports.shared.store.create(dead(64 << 20)).await.unwrap();
    let payloads = vec![vec![b'\n'; 1000].into(); 980];
    let append = exports.shared.store.append("e", Payloads::Many(payloads));
    append.await.unwrap();
    exports.start("e", 490, 10, None);
    for _ in 0..2 {
        let call = exports.call().await;
        let all: Vec<_> = (0..call.numbers.len())
            .map(|index| (index, Disposition::Reject))
            .collect();
        call.leave(refuse(&all));
    }
    exports.shows("e", |cursor| cursor.next.get() == 980).await;
    let found = letters(&exports, "e").await;
    assert_eq!(numbers(&found), (0..980).collect::<Vec<_>>());
    let tail = exports.shared.store.describe("dead").unwrap().position.tail;
    assert_eq!(tail, SequenceNumber::new(980));
}

#[tokio::test]
async fn letters_that_fit_their_stream_only_one_after_the_other_go_so() {
    let exports = with_dead_letters(&["e"]).await;
    let (store, now) = (exports.shared.store.clone(), exports.shared.time.now());
    let letters = DeadLetters::new(store.clone(), "dead".into(), ("e", "e", "fake"));
    let rejected = [0, 1].map(|sequence_number| Rejected {
        message: millstream_runtime::Message {
            sequence_number,
            ingest_time: 0,
            payload: vec![b'x'; 1000].into(),
        },
        reason: "no such sensor".into(),
    });
    let one = letters.letter(&rejected[0], now, u64::MAX).len();
    store.create(dead(message_size(one) * 3 / 2)).await.unwrap();
    assert_eq!(letters.append_some(&rejected, now).await.unwrap(), 1);
}
