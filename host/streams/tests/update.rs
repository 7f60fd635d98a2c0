//! Updates of a stream (protocol specification, 6.4), one rule a test. What is refused, and with which
//! sentence, is tested beside the definition itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{clock, definition, from, numbers, one, open, runtime};
use millstream_streams::{
    Cursor, Error, Export, Flush, Persistence, SequenceNumber, Store, StrategyOnFull,
    StreamDefinition,
};

fn export(identifier: &str, start: u64) -> Export {
    Export {
        identifier: identifier.into(),
        start: SequenceNumber::new(start),
        settings: "{}".into(),
    }
}

fn number(number: u64) -> SequenceNumber {
    SequenceNumber::new(number)
}

/// So many messages of 1000 bytes.
async fn fill(store: &Store, messages: u64) {
    for _ in 0..messages {
        store.append("s", one([7; 984])).await.unwrap();
    }
}

fn cursors(store: &Store) -> Vec<(String, u64)> {
    let info = store.describe("s").unwrap();
    let pair = |(identifier, cursor): (String, Cursor)| (identifier, cursor.next.get());
    info.cursors.into_iter().map(pair).collect()
}

#[test]
fn a_refused_update_changes_nothing_and_an_unknown_stream_is_not_found() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), &clock());
        let wanted = definition("s");
        let unknown = store.update(wanted.clone()).await;
        assert!(matches!(unknown, Err(Error::NotFound { .. })));
        store.create(wanted.clone()).await.unwrap();
        fill(&store, 100).await;
        let changes: [fn(&mut StreamDefinition); 3] = [
            |changed| changed.persistence = Persistence::Memory,
            |changed| (changed.max_size, changed.segment_size) = (99_999, 1024),
            |changed| changed.exports = vec![export("e", 99)],
        ];
        for change in changes {
            let mut changed = wanted.clone();
            change(&mut changed);
            changed.time_to_live_millis = Some(60_000);
            let refused = store.update(changed).await;
            assert!(matches!(
                refused,
                Err(Error::UpdateNotAllowed { .. } | Error::InvalidDefinition { .. })
            ));
        }
        let catalog = std::fs::read_to_string(folder.path().join("catalog.json")).unwrap();
        assert!(!catalog.contains("60000"), "{catalog}");
        assert_eq!(*store.describe("s").unwrap().definition, wanted);
        store.update(wanted).await.unwrap();
        store.close().await.unwrap();
    });
}

#[test]
fn exports_keep_their_cursors_by_identifier_and_lose_them_when_they_are_left_out() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        for restart in [false, true] {
            let (mut store, _) = open(folder.path(), &clock());
            let mut wanted = definition("s");
            wanted.exports = vec![export("kept", 0), export("left out", 0)];
            store.create(wanted.clone()).await.unwrap();
            fill(&store, 10).await;
            for (identifier, next) in [("kept", 4), ("left out", 5)] {
                let cursor = Cursor::starting_at(number(next));
                store.save_cursor("s", identifier, cursor).await.unwrap();
            }
            wanted.exports = vec![export("new", 2), export("kept", 0)];
            wanted.exports[1].settings = "changed".into();
            store.update(wanted.clone()).await.unwrap();
            if restart {
                store.close().await.unwrap();
                drop(store);
                store = open(folder.path(), &clock()).0;
            }
            assert_eq!(cursors(&store), [("new".into(), 2), ("kept".into(), 4)]);
            let gone = store.save_cursor("s", "left out", Cursor::default()).await;
            assert!(matches!(gone, Err(Error::NoSuchExport { .. })));
            wanted.exports.push(export("left out", 0));
            store.update(wanted).await.unwrap();
            assert_eq!(cursors(&store)[2], ("left out".into(), 0), "it begins anew");
            store.delete("s").await.unwrap();
            store.close().await.unwrap();
        }
    });
}

#[test]
fn a_start_that_changes_moves_the_cursor_and_one_that_is_left_out_does_not() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), &clock());
        let mut wanted = definition("s");
        wanted.exports = vec![export("e", 3)];
        store.create(wanted.clone()).await.unwrap();
        fill(&store, 10).await;
        let mut cursor = Cursor::starting_at(number(7));
        cursor.delivered_messages = 4;
        store.save_cursor("s", "e", cursor.clone()).await.unwrap();

        store.update(wanted.clone()).await.unwrap();
        assert_eq!(cursors(&store), [("e".into(), 7)], "sent again");
        wanted.exports = vec![export("e", 0)];
        store.update(wanted.clone()).await.unwrap();
        assert_eq!(store.describe("s").unwrap().cursors[0].1, cursor);
        store.close().await.unwrap();
        drop(store);

        let (store, _) = open(folder.path(), &clock());
        assert_eq!(store.describe("s").unwrap().cursors[0].1, cursor);
        for (start, next) in [(2, 2), (8, 8)] {
            wanted.exports = vec![export("e", start)];
            store.update(wanted.clone()).await.unwrap();
            assert_eq!(cursors(&store), [("e".into(), next)]);
        }
        store.close().await.unwrap();
        drop(store);
        let (store, _) = open(folder.path(), &clock());
        assert_eq!(cursors(&store), [("e".into(), 8)]);
        store.close().await.unwrap();
    });
}

#[test]
fn a_segment_size_holds_for_what_is_appended_from_then_on() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), &clock());
        let mut wanted = definition("s");
        (wanted.max_size, wanted.segment_size) = (10_000, 4000);
        store.create(wanted.clone()).await.unwrap();
        // Segments: 0..4, 4..8, 8..10.
        fill(&store, 10).await;
        wanted.segment_size = 1024;
        store.update(wanted.clone()).await.unwrap();
        let mut heads = Vec::new();
        for _ in 0..10 {
            fill(&store, 1).await;
            heads.push(store.describe("s").unwrap().position.head.get());
        }
        assert_eq!(heads, [4, 4, 4, 4, 8, 8, 8, 8, 10, 10]);
        store.close().await.unwrap();
    });
}

#[test]
fn a_shorter_time_to_live_deletes_what_is_past_it() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock();
        let (store, _) = open(folder.path(), &clock);
        let mut wanted = definition("s");
        wanted.segment_size = 2000;
        wanted.time_to_live_millis = Some(1_000_000);
        store.create(wanted.clone()).await.unwrap();
        fill(&store, 4).await;
        clock.advance_millis(100_000);
        fill(&store, 2).await;
        store.expire().await.unwrap();
        assert_eq!(store.describe("s").unwrap().position.head, number(0));
        wanted.time_to_live_millis = Some(99_999);
        store.update(wanted.clone()).await.unwrap();
        store.expire().await.unwrap();
        assert_eq!(store.describe("s").unwrap().position.head, number(4));
        wanted.time_to_live_millis = None;
        store.update(wanted).await.unwrap();
        clock.advance_millis(1_000_000_000);
        store.expire().await.unwrap();
        assert_eq!(numbers(&store.read("s", from(0)).await.unwrap()), [4, 5]);
        store.close().await.unwrap();
    });
}

#[test]
fn a_full_stream_that_is_switched_to_overwrite_takes_data_again() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), &clock());
        let mut wanted = definition("s");
        (wanted.max_size, wanted.segment_size) = (4000, 2000);
        wanted.strategy_on_full = StrategyOnFull::RejectNewData;
        store.create(wanted.clone()).await.unwrap();
        fill(&store, 4).await;
        let full = store.append("s", one([7; 984])).await;
        assert!(matches!(full, Err(Error::Full { .. })));
        wanted.strategy_on_full = StrategyOnFull::OverwriteOldestData;
        store.update(wanted.clone()).await.unwrap();
        fill(&store, 1).await;
        assert_eq!(numbers(&store.read("s", from(0)).await.unwrap()), [2, 3, 4]);
        wanted.strategy_on_full = StrategyOnFull::RejectNewData;
        store.update(wanted).await.unwrap();
        fill(&store, 1).await;
        let full = store.append("s", one([7; 984])).await;
        assert!(matches!(full, Err(Error::Full { .. })));
        store.close().await.unwrap();
    });
}

#[test]
fn a_stream_may_be_told_to_flush_and_told_not_to() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), &clock());
        let mut wanted = definition("s");
        store.create(wanted.clone()).await.unwrap();
        for flush in [Flush::EveryAppend, Flush::Relaxed] {
            wanted.persistence = Persistence::File(flush);
            store.update(wanted.clone()).await.unwrap();
            fill(&store, 1).await;
        }
        assert_eq!(numbers(&store.read("s", from(0)).await.unwrap()), [0, 1]);
        store.close().await.unwrap();
    });
}
