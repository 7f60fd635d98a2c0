//! Retention: by whole segments, by size (protocol specification, 6.1) and by time (6.6).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{START, clock, definition, from, numbers, one, open, runtime};
use millstream_streams::{
    Clock, Error, Flush, ManualClock, Payloads, Persistence, Store, StrategyOnFull, Timestamp,
};

const HOUR: u64 = 3_600_000;
const YEAR: u64 = 365 * 24 * HOUR;

/// A message that adds so many bytes to its stream.
fn sized(bytes: usize) -> Payloads {
    one(vec![7; bytes - 16])
}

/// The oldest number, the next one, and the bytes in between.
fn position(store: &Store) -> (u64, u64, u64) {
    let position = store.describe("s").unwrap().position;
    (position.head.get(), position.tail.get(), position.bytes)
}

/// A store with a stream of 4000 bytes in segments of 2000.
async fn small(folder: &Path, persistence: Persistence, strategy: StrategyOnFull) -> Store {
    let (store, _) = open(folder, &clock());
    let mut wanted = definition("s");
    (wanted.max_size, wanted.segment_size) = (4000, 2000);
    wanted.persistence = persistence;
    wanted.strategy_on_full = strategy;
    store.create(wanted).await.unwrap();
    store
}

const KINDS: [Persistence; 2] = [Persistence::Memory, Persistence::File(Flush::Relaxed)];

#[test]
fn overwriting_takes_whole_segments_and_no_more_than_it_needs() {
    runtime().block_on(async {
        for kind in KINDS {
            let folder = tempfile::tempdir().unwrap();
            let store = small(folder.path(), kind, StrategyOnFull::OverwriteOldestData).await;
            for _ in 0..4 {
                store.append("s", sized(1000)).await.unwrap();
            }
            assert_eq!(position(&store), (0, 4, 4000), "full to the last byte");
            store.append("s", sized(100)).await.unwrap();
            assert_eq!(position(&store), (2, 5, 2100));
            store.append("s", sized(1900)).await.unwrap();
            assert_eq!(position(&store), (2, 6, 4000));
            store.append("s", sized(3000)).await.unwrap();
            // The segment that was still growing had to go too.
            assert_eq!(position(&store), (6, 7, 3000), "larger than a segment");
            store.append("s", sized(4000)).await.unwrap();
            assert_eq!(position(&store), (7, 8, 4000), "as large as the stream");
            let read = store.read("s", from(0)).await.unwrap();
            assert_eq!(numbers(&read), [7]);
            let too_large = store.append("s", sized(4001)).await;
            let expected = Error::TooLarge {
                size: 4001,
                max_size: 4000,
            };
            assert_eq!(too_large, Err(expected));
            assert_eq!(position(&store), (7, 8, 4000), "and nothing was dropped");
            store.close().await.unwrap();
        }
    });
}

#[test]
fn rejecting_takes_a_message_of_any_size_that_fits_and_nothing_beyond() {
    runtime().block_on(async {
        for kind in KINDS {
            let folder = tempfile::tempdir().unwrap();
            let store = small(folder.path(), kind, StrategyOnFull::RejectNewData).await;
            let too_large = store.append("s", sized(4001)).await;
            assert!(matches!(too_large, Err(Error::TooLarge { .. })));
            store.append("s", sized(3000)).await.unwrap();
            let full = store.append("s", sized(1001)).await;
            assert!(matches!(full, Err(Error::Full { bytes: 3000, .. })));
            let half = Payloads::Many(vec![vec![1; 500].into(), vec![1; 500].into()]);
            let full = store.append("s", half).await;
            assert!(matches!(full, Err(Error::Full { .. })), "all or nothing");
            store.append("s", sized(1000)).await.unwrap();
            assert_eq!(position(&store), (0, 2, 4000));
            store.close().await.unwrap();
        }
    });
}

#[test]
fn a_segment_goes_when_its_last_message_has_outlived_its_time() {
    runtime().block_on(async {
        for kind in KINDS {
            let folder = tempfile::tempdir().unwrap();
            let clock = clock();
            let (store, _) = open(folder.path(), &clock);
            let mut wanted = definition("s");
            wanted.segment_size = 2000;
            wanted.time_to_live_millis = Some(HOUR);
            wanted.persistence = kind;
            store.create(wanted).await.unwrap();
            // Segments: messages 0 and 1, taken 100 ms apart, and 2.
            for _ in 0..3 {
                store.append("s", sized(1000)).await.unwrap();
                clock.advance_millis(100);
            }
            let mut ran = 300;
            let mut head_at = async |age: u64| {
                clock.advance_millis(age - ran);
                ran = age;
                store.expire().await.unwrap();
                position(&store).0
            };
            assert_eq!(head_at(HOUR + 100).await, 0);
            assert_eq!(head_at(HOUR + 101).await, 2);
            assert_eq!(head_at(HOUR + 200).await, 2);
            assert_eq!(head_at(HOUR + 201).await, 3);
            assert_eq!(position(&store), (3, 3, 0));
            store.append("s", sized(1000)).await.unwrap();
            assert_eq!(numbers(&store.read("s", from(0)).await.unwrap()), [3]);
            store.close().await.unwrap();
        }
    });
}

/// A store with a stream that keeps its messages for an hour and has two segments of them, one
/// complete and one that grows, and has been open for half an hour since they were taken.
async fn two_segments(folder: &Path, clock: &Arc<ManualClock>) -> Store {
    let (store, _) = open(folder, clock);
    let mut wanted = definition("s");
    wanted.segment_size = 2000;
    wanted.time_to_live_millis = Some(HOUR);
    store.create(wanted).await.unwrap();
    for _ in 0..3 {
        store.append("s", sized(1000)).await.unwrap();
    }
    clock.advance_millis(HOUR / 2);
    store.expire().await.unwrap();
    store
}

async fn reopened(store: Store, folder: &Path, clock: &Arc<ManualClock>) -> Store {
    store.close().await.unwrap();
    drop(store);
    let (store, report) = open(folder, clock);
    assert!(report.losses.is_empty());
    store
}

/// What is left when the clock has run for so long.
async fn left_after(store: &Store, clock: &ManualClock, millis: u64) -> Vec<u64> {
    clock.advance_millis(millis);
    store.expire().await.unwrap();
    match store.read("s", from(0)).await {
        Ok(messages) => numbers(&messages),
        Err(Error::NotEnoughMessages | Error::BeyondEnd) => Vec::new(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_clock_that_is_corrected_by_a_year_changes_no_age() {
    runtime().block_on(async {
        let (year, now) = (YEAR.cast_signed(), START.as_millis());
        for step in [year, -year, -now.cast_signed()] {
            for restart in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let clock = clock();
                let mut store = two_segments(folder.path(), &clock).await;
                let wrong = clock.now().as_millis().saturating_add_signed(step);
                clock.set(Timestamp::from_millis(wrong));
                // The times of what is stored follow the clock before this message gets its own.
                store.append("s", sized(1000)).await.unwrap();
                if restart {
                    store = reopened(store, folder.path(), &clock).await;
                }
                let half = HOUR / 2;
                assert_eq!(left_after(&store, &clock, half).await, [0, 1, 2, 3]);
                // The second segment has a message that is half an hour younger.
                assert_eq!(left_after(&store, &clock, 1).await, [2, 3], "{step}");
                assert_eq!(left_after(&store, &clock, half).await, [0; 0]);
                store.close().await.unwrap();
            }
        }
    });
}

#[test]
fn a_growing_segment_that_a_correction_has_noted_is_whole_after_a_restart() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock();
        let mut store = two_segments(folder.path(), &clock).await;
        clock.set(clock.now().plus_millis(YEAR));
        store.expire().await.unwrap();
        let before = position(&store);
        for _ in 0..2 {
            store = reopened(store, folder.path(), &clock).await;
            assert_eq!(position(&store), before);
        }
        for _ in 0..3 {
            store.append("s", sized(400)).await.unwrap();
        }
        let before = position(&store);
        store = reopened(store, folder.path(), &clock).await;
        assert_eq!(position(&store), before);
        let read = store.read("s", from(0)).await.unwrap();
        assert_eq!(numbers(&read), [0, 1, 2, 3, 4, 5]);
        store.close().await.unwrap();
    });
}

#[test]
fn messages_from_the_future_count_as_taken_when_the_store_opened() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock();
        let store = two_segments(folder.path(), &clock).await;
        store.close().await.unwrap();
        drop(store);
        clock.set(Timestamp::from_millis(0));
        let (store, _) = open(folder.path(), &clock);
        assert_eq!(left_after(&store, &clock, HOUR).await, [0, 1, 2]);
        assert_eq!(left_after(&store, &clock, 1).await, [0; 0]);
        store.close().await.unwrap();
    });
}

#[test]
fn what_grew_old_while_the_store_was_closed_goes() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock();
        let store = two_segments(folder.path(), &clock).await;
        store.close().await.unwrap();
        drop(store);
        clock.set(clock.now().plus_millis(HOUR));
        let (store, _) = open(folder.path(), &clock);
        assert_eq!(left_after(&store, &clock, 0).await, [0; 0]);
        assert_eq!(position(&store), (3, 3, 0));
        store.close().await.unwrap();
    });
}

#[test]
fn a_stream_without_a_limit_of_its_size_frees_segments_by_time() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock();
        let (store, _) = open(folder.path(), &clock);
        let mut wanted = definition("s");
        (wanted.max_size, wanted.segment_size) = (i64::MAX.unsigned_abs(), 2000);
        wanted.time_to_live_millis = Some(HOUR);
        store.create(wanted).await.unwrap();
        for _ in 0..2 {
            store.append("s", sized(1000)).await.unwrap();
        }
        clock.advance_millis(HOUR);
        store.append("s", sized(1000)).await.unwrap();
        assert_eq!(left_after(&store, &clock, 1).await, [2]);
        store.close().await.unwrap();
    });
}
