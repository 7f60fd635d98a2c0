//! Blocks of tables that the disk has not kept: what reading says of them, and what the next start
//! does when the engine has failed because of one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::path::Path;
use std::time::Duration;

use common::{definition, from, numbers, one, open_small, runtime, spoil};
use millstream_streams::{Error, Payloads, Persistence, SequenceNumber, Store};

/// The payload of a message: text to find it by, and much that is the same in all.
fn payload(stream: &str, number: u64) -> String {
    format!("{stream} {number:06} {}", "x".repeat(1000))
}

fn mark(stream: &str, number: u64) -> String {
    format!("{stream} {number:06} ")
}

async fn fill(store: &Store, stream: &str, messages: std::ops::Range<u64>) {
    for number in messages {
        let payload = one(payload(stream, number));
        store.append(stream, payload).await.unwrap();
    }
}

/// A closed store with so many messages in each stream.
async fn filled(folder: &Path, streams: &[&str], messages: u64) {
    let (store, _) = open_small(folder);
    for stream in streams {
        let mut wanted = definition(stream);
        wanted.max_size = 1 << 30;
        store.create(wanted).await.unwrap();
    }
    // In turns, so that every table holds some of each.
    for first in (0..messages).step_by(100) {
        for stream in streams {
            fill(&store, stream, first..messages.min(first + 100)).await;
        }
    }
    store.close().await.unwrap();
}

/// Reads a stream to its end, stepping over what is damaged: the numbers that were read, and the
/// damage, first and last number.
async fn read_all(store: &Store, stream: &str) -> (Vec<u64>, Vec<(u64, u64)>) {
    let tail = store.describe(stream).unwrap().position.tail.get();
    let (mut kept, mut damage) = (Vec::new(), Vec::new());
    let mut next = 0;
    while next < tail {
        let mut options = from(next);
        options.max = 500;
        match store.read(stream, options).await {
            Ok(messages) => {
                for message in &messages {
                    let number = message.sequence_number.get();
                    assert_eq!(message.payload, payload(stream, number));
                }
                kept.extend(numbers(&messages));
                next = kept.last().unwrap() + 1;
            }
            Err(Error::Damaged { first, last }) => {
                damage.push((first.get(), last.get()));
                next = last.get() + 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    (kept, damage)
}

#[test]
fn reading_tells_exactly_which_messages_bad_blocks_have_taken() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), &["s"], 3000).await;
        let spoilt = [100, 108, 116, 150];
        spoil(folder.path(), &spoilt.map(|number| mark("s", number)));

        let (store, report) = open_small(folder.path());
        assert!(report.losses.is_empty(), "it shows when it is read");
        let (kept, damage) = read_all(&store, "s").await;
        for number in spoilt {
            let hit = |(first, last): &&(u64, u64)| (*first..=*last).contains(&number);
            assert!(
                damage.iter().any(|range| hit(&range)),
                "{number}: {damage:?}"
            );
        }
        let lost: u64 = damage.iter().map(|(first, last)| last - first + 1).sum();
        assert!(lost <= 4 * spoilt.len() as u64, "a block each: {damage:?}");
        assert_eq!(kept.len() as u64 + lost, 3000, "everything else is there");
        store.close().await.unwrap();
    });
}

#[test]
fn a_read_finds_its_place_beside_and_inside_of_damage() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        {
            // Chunks of many messages: a start is mostly inside of one.
            let (store, _) = open_small(folder.path());
            let mut wanted = definition("s");
            wanted.max_size = 1 << 30;
            store.create(wanted).await.unwrap();
            for first in (0..3000).step_by(10) {
                let many = (first..first + 10).map(|number| payload("s", number).into());
                let many = Payloads::Many(many.collect());
                store.append("s", many).await.unwrap();
            }
            store.close().await.unwrap();
        }
        spoil(folder.path(), &[mark("s", 105)]);
        let (store, _) = open_small(folder.path());
        let damaged = |first, last| {
            Err(Error::Damaged {
                first: SequenceNumber::new(first),
                last: SequenceNumber::new(last),
            })
        };
        let read = async |start, (min, max)| {
            let mut options = from(start);
            (options.min, options.max) = (min, max);
            store.read("s", options).await.map(|found| numbers(&found))
        };
        assert_eq!(read(98, (1, 9)).await, Ok(vec![98, 99]));
        assert_eq!(read(98, (2, 9)).await, Ok(vec![98, 99]));
        assert_eq!(
            read(98, (3, 9)).await,
            damaged(100, 109),
            "not as too large"
        );
        for start in 100..110 {
            assert_eq!(read(start, (1, 9)).await, damaged(start, 109));
        }
        for start in 110..120 {
            assert_eq!(read(start, (2, 2)).await, Ok(vec![start, start + 1]));
        }
        for start in 90..98 {
            assert_eq!(read(start, (2, 2)).await, Ok(vec![start, start + 1]));
        }
        let age = store.ingest_time("s", SequenceNumber::new(104)).await;
        assert!(matches!(age, Err(Error::Damaged { .. })));
        store.close().await.unwrap();
    });
}

/// Appends to a stream that is not in the way until the engine's own compaction meets the damage.
async fn appends_until_it_fails(store: &Store) -> Error {
    for number in 0..200_000 {
        let failed = store.append("fills", one(payload("fills", number))).await;
        if failed.is_err() {
            break;
        }
    }
    let failed = tokio::time::timeout(Duration::from_secs(60), store.failed());
    failed.await.unwrap()
}

#[test]
fn a_block_that_stops_the_engine_is_taken_out_at_the_next_start() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), &["a", "b", "fills"], 1000).await;
        spoil(folder.path(), &[mark("a", 300), mark("a", 600)]);
        {
            let (store, _) = open_small(folder.path());
            let error = appends_until_it_fails(&store).await;
            assert!(matches!(error, Error::Failed { .. }));
            let (kept, _) = read_all(&store, "b").await;
            assert_eq!(kept, (0..1000).collect::<Vec<_>>(), "reading goes on");
            let _ = store.close().await;
        }
        let (store, report) = open_small(folder.path());
        let lost: u64 = report.losses.iter().map(|loss| loss.messages).sum();
        assert!((2..=8).contains(&lost), "two blocks: {:?}", report.losses);
        for loss in &report.losses {
            assert_eq!(loss.stream.as_str(), "a");
        }
        let aside = &report.set_aside[0];
        assert!(!common::files(aside).is_empty(), "the damaged tables");
        let (kept, damage) = read_all(&store, "a").await;
        assert_eq!((kept.len() as u64 + lost, damage), (1000, Vec::new()));
        let (kept, _) = read_all(&store, "b").await;
        assert_eq!(kept, (0..1000).collect::<Vec<_>>());
        // And it stays so through the compactions that it failed in before.
        fill(&store, "b", 1000..9000).await;
        store.close().await.unwrap();
        assert_eq!(store.failure(), None);
        drop(store);
        let (store, report) = open_small(folder.path());
        assert!(report.losses.is_empty(), "a loss is reported once");
        assert!(report.set_aside.is_empty());
        assert_eq!(read_all(&store, "b").await.0.len(), 9000);
        let next = store.append("a", one("next")).await;
        assert_eq!(next, Ok(SequenceNumber::new(1000)));
        store.close().await.unwrap();
    });
}

#[test]
fn a_table_without_its_index_or_its_end_costs_at_most_what_is_in_it() {
    runtime().block_on(async {
        for spoilt_bytes in [100, 6000] {
            let folder = tempfile::tempdir().unwrap();
            filled(folder.path(), &["a", "b"], 1500).await;
            // The largest table: its last bytes tell where everything else is.
            let largest = common::tables(folder.path())
                .into_iter()
                .max_by_key(|(_, content)| content.len());
            let (file, mut content) = largest.unwrap();
            let length = content.len();
            content[length - spoilt_bytes..].fill(0xAA);
            std::fs::write(file, content).unwrap();

            let (store, report) = open_small(folder.path());
            assert!(!report.set_aside.is_empty());
            for stream in ["a", "b"] {
                let (kept, damage) = read_all(&store, stream).await;
                assert_eq!((kept.len(), damage), (1500, Vec::new()), "{spoilt_bytes}");
            }
            assert!(report.losses.is_empty(), "{:?}", report.losses);
            store.close().await.unwrap();
        }
    });
}

#[test]
fn a_memory_stream_that_is_overwritten_while_it_is_read_is_not_taken_for_damaged() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open_small(folder.path());
        let mut wanted = definition("s");
        (wanted.max_size, wanted.segment_size) = (4096, 1024);
        wanted.persistence = Persistence::Memory;
        store.create(wanted).await.unwrap();
        store.append("s", one([0; 900])).await.unwrap();
        let writer = store.clone();
        let writing = tokio::spawn(async move {
            for _ in 0..20_000 {
                writer.append("s", one([0; 900])).await.unwrap();
            }
        });
        while !writing.is_finished() {
            let read = store.read("s", from(0)).await.unwrap();
            assert!(!read.is_empty());
        }
        writing.await.unwrap();
        store.close().await.unwrap();
    });
}
