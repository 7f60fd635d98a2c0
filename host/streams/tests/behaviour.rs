//! What a stream does, one behaviour a test.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{clock, definition, files, from, numbers, one, open, runtime};
use millstream_streams::{
    Clock, Counters, Error, Flush, Payloads, Persistence, SequenceNumber, Store, StoreOptions,
    StrategyOnFull, Timestamp,
};

#[test]
fn a_waiting_read_is_woken_by_the_append_that_satisfies_it() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), &clock());
        store.create(definition("s")).await.unwrap();
        let reader = store.clone();
        let mut options = from(0);
        options.min = 2;
        options.wait = Duration::from_secs(30);
        let read = tokio::spawn(async move { reader.read("s", options).await });
        store.append("s", one("a")).await.unwrap();
        store.append("s", one("b")).await.unwrap();
        assert_eq!(numbers(&read.await.unwrap().unwrap()), [0, 1]);
        store.close().await.unwrap();
    });
}

#[test]
fn a_waiting_read_ends_when_its_stream_is_deleted() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), &clock());
        store.create(definition("s")).await.unwrap();
        let reader = store.clone();
        let mut options = from(0);
        options.wait = Duration::from_secs(30);
        let read = tokio::spawn(async move { reader.read("s", options).await });
        store.delete("s").await.unwrap();
        assert!(matches!(read.await.unwrap(), Err(Error::NotFound { .. })));
        store.close().await.unwrap();
    });
}

/// A clock that shows a later time to everybody who looks.
#[derive(Default)]
struct Looks(AtomicU64);

impl Clock for Looks {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn steady(&self) -> Instant {
        Instant::now()
    }
}

#[test]
fn a_message_is_not_older_than_what_was_done_before_it() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Looks::default());
        let mut options = StoreOptions::new(folder.path());
        options.clock = clock.clone();
        options.min_free_disk = 0;
        let (store, _) = Store::open(&options).unwrap();
        store.create(definition("s")).await.unwrap();
        for number in 0..100 {
            let before = clock.0.load(Ordering::SeqCst);
            // The writer looks for the job and for what expires, and only then for the message.
            let (expired, appended) = tokio::join!(store.expire(), store.append("s", one("x")));
            expired.unwrap();
            appended.unwrap();
            let message = store.read("s", from(number)).await.unwrap().remove(0);
            assert!(message.ingest_time.as_millis() >= before + 2);
        }
        store.close().await.unwrap();
    });
}

#[test]
fn appends_from_many_tasks_get_each_number_once() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), &clock());
        let mut wanted = definition("s");
        wanted.persistence = Persistence::File(Flush::EveryAppend);
        store.create(wanted).await.unwrap();
        let tasks: Vec<_> = (0..16)
            .map(|task| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut found = Vec::new();
                    for message in 0..20 {
                        let payload = one(format!("{task}-{message}"));
                        found.push(store.append("s", payload).await.unwrap().get());
                    }
                    assert!(found.is_sorted(), "one task's appends keep their order");
                    found
                })
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        all.sort_unstable();
        assert_eq!(all, (0..320).collect::<Vec<_>>());
        assert_eq!(numbers(&store.read("s", from(0)).await.unwrap()), all);
        store.close().await.unwrap();
    });
}

#[test]
fn a_memory_stream_is_gone_after_a_restart_and_leaves_nothing_on_disk() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let secret = "never-on-disk".repeat(50);
        {
            let (store, _) = open(folder.path(), &clock());
            let mut wanted = definition("m");
            wanted.persistence = Persistence::Memory;
            store.create(wanted).await.unwrap();
            store.append("m", one(&secret)).await.unwrap();
            assert_eq!(store.read("m", from(0)).await.unwrap()[0].payload, secret);
            store.close().await.unwrap();
        }
        let (store, _) = open(folder.path(), &clock());
        assert!(store.list().is_empty());
        store.close().await.unwrap();
        drop(store);
        for file in files(folder.path()) {
            let content = std::fs::read(&file).unwrap();
            let found = content.windows(13).any(|window| window == b"never-on-disk");
            assert!(!found, "{}", file.display());
        }
    });
}

#[test]
fn a_second_process_is_told_that_the_folder_is_in_use() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), &clock());
        let again = Store::open(&StoreOptions::new(folder.path()));
        assert!(matches!(again.err(), Some(Error::InUse { .. })));
        store.close().await.unwrap();
    });
}

#[test]
fn a_nearly_full_disk_refuses_appends_and_keeps_memory_streams_going() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        {
            let (store, _) = open(folder.path(), &clock());
            store.create(definition("disk")).await.unwrap();
            store.append("disk", one("a")).await.unwrap();
            store.close().await.unwrap();
        }
        let mut options = StoreOptions::new(folder.path());
        options.min_free_disk = u64::MAX - 1;
        let (store, _) = Store::open(&options).unwrap();
        let mut wanted = definition("memory");
        wanted.persistence = Persistence::Memory;
        store.create(wanted).await.unwrap();
        assert_eq!(
            store.append("memory", one("b")).await,
            Ok(SequenceNumber::ZERO)
        );
        let refused = store.append("disk", one("b")).await;
        assert!(matches!(refused, Err(Error::DiskFull { .. })));
        assert_eq!(numbers(&store.read("disk", from(0)).await.unwrap()), [0]);
        store.close().await.unwrap();
    });
}

#[test]
fn memory_streams_stay_within_their_common_budget() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let mut options = StoreOptions::new(folder.path());
        options.memory_streams_bytes = 64 << 10;
        let (store, _) = Store::open(&options).unwrap();
        for (name, strategy) in [
            ("overwrites", StrategyOnFull::OverwriteOldestData),
            ("rejects", StrategyOnFull::RejectNewData),
        ] {
            let mut wanted = definition(name);
            wanted.persistence = Persistence::Memory;
            wanted.segment_size = 4 << 10;
            wanted.strategy_on_full = strategy;
            store.create(wanted).await.unwrap();
        }
        for _ in 0..200 {
            store.append("overwrites", one([1; 1000])).await.unwrap();
        }
        let position = store.describe("overwrites").unwrap().position;
        assert!(position.bytes < 64 << 10, "{position:?}");
        assert!(position.head > SequenceNumber::ZERO);
        let refused = store.append("rejects", one([1; 20_000])).await;
        assert_eq!(refused, Err(Error::OutOfMemory { limit: 64 << 10 }));
        store.delete("overwrites").await.unwrap();
        let taken = store.append("rejects", one([1; 20_000])).await;
        assert_eq!(taken, Ok(SequenceNumber::ZERO));
        store.close().await.unwrap();
    });
}

#[test]
fn a_stream_counts_what_was_appended_and_what_was_refused() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), &clock());
        let mut wanted = definition("s");
        (wanted.max_size, wanted.segment_size) = (1024, 1024);
        wanted.strategy_on_full = StrategyOnFull::RejectNewData;
        store.create(wanted).await.unwrap();
        let two = Payloads::Many(vec![vec![1; 300].into(), vec![1; 200].into()]);
        store.append("s", two.clone()).await.unwrap();
        let full = store.append("s", two).await;
        assert!(matches!(full, Err(Error::Full { .. })));
        let too_large = store.append("s", one([1; 1009])).await;
        assert!(matches!(too_large, Err(Error::TooLarge { .. })));
        let empty = store.append("s", one([])).await;
        assert_eq!(empty, Err(Error::EmptyPayload));
        let counted = Counters {
            appended_messages: 2,
            appended_bytes: 500,
            refused_appends: 2,
        };
        assert_eq!(store.describe("s").unwrap().counters, counted);
        store.close().await.unwrap();
        drop(store);

        let mut options = StoreOptions::new(folder.path());
        options.min_free_disk = u64::MAX - 1;
        let (store, _) = Store::open(&options).unwrap();
        let refused = store.append("s", one("b")).await;
        assert!(matches!(refused, Err(Error::DiskFull { .. })));
        let counted = Counters {
            refused_appends: 1,
            ..Counters::default()
        };
        assert_eq!(store.describe("s").unwrap().counters, counted);
        store.close().await.unwrap();
    });
}

#[test]
fn what_overwrites_itself_at_once_counts_as_appended() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), &clock());
        let mut wanted = definition("s");
        (wanted.max_size, wanted.segment_size) = (3000, 1024);
        store.create(wanted).await.unwrap();
        let many = vec![vec![1; 100].into(); 50];
        store.append("s", Payloads::Many(many)).await.unwrap();
        let info = store.describe("s").unwrap();
        assert!(info.position.head > SequenceNumber::ZERO);
        assert_eq!(info.counters.appended_messages, 50);
        assert_eq!(info.counters.appended_bytes, 5000);
        store.close().await.unwrap();
    });
}

#[test]
fn the_age_of_a_message_is_known_without_reading_a_batch() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock();
        let (store, _) = open(folder.path(), &clock);
        for persistence in [Persistence::Memory, Persistence::File(Flush::Relaxed)] {
            let mut wanted = definition("s");
            // One message a segment, two segments.
            (wanted.max_size, wanted.segment_size) = (2048, 1024);
            wanted.persistence = persistence;
            store.create(wanted).await.unwrap();
            let at = async |number| {
                let found = store.ingest_time("s", SequenceNumber::new(number));
                found.await.unwrap()
            };
            assert_eq!(at(0).await, None, "an empty stream");
            let mut times = Vec::new();
            for _ in 0..3 {
                clock.advance_millis(10);
                times.push(clock.now());
                store.append("s", one([1; 1000])).await.unwrap();
            }
            assert_eq!(at(0).await, Some(times[1]), "the oldest that is there");
            assert_eq!(at(1).await, Some(times[1]));
            assert_eq!(at(2).await, Some(times[2]));
            assert_eq!(at(3).await, None);
            store.delete("s").await.unwrap();
        }
        let gone = store.ingest_time("s", SequenceNumber::ZERO).await;
        assert!(matches!(gone, Err(Error::NotFound { .. })));
        store.close().await.unwrap();
    });
}
