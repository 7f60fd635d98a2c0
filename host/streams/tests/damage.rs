//! What happens when the disk has not kept what was written.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{clock, definition, from, numbers, one, open, position_of, runtime};
use millstream_streams::{Cursor, Error, Export, SequenceNumber};

/// A store with one stream of so many messages, closed.
async fn filled(folder: &Path, messages: u64) {
    let (store, _) = open(folder, &clock());
    store.create(definition("s")).await.unwrap();
    for number in 0..messages {
        store
            .append("s", one(format!("message number {number}")))
            .await
            .unwrap();
    }
    store.close().await.unwrap();
}

fn journal(folder: &Path) -> PathBuf {
    let journals: Vec<_> = std::fs::read_dir(folder.join("engine"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .collect();
    assert_eq!(journals.len(), 1);
    journals[0].clone()
}

/// Damages the journal where a message stands, and says what is left after opening.
async fn open_damaged(damage: impl Fn(&mut [u8], usize)) -> (Vec<u64>, u64, u64, bool) {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 100).await;
    let journal = journal(folder.path());
    let mut content = std::fs::read(&journal).unwrap();
    let at = position_of(&content, "message number 60").unwrap();
    damage(&mut content, at);
    std::fs::write(&journal, content).unwrap();

    let (store, report) = open(folder.path(), &clock());
    let kept = numbers(&store.read("s", from(0)).await.unwrap());
    let lost = report.losses.iter().map(|loss| loss.messages).sum();
    let next = store
        .append("s", one("after the damage"))
        .await
        .unwrap()
        .get();
    let all = numbers(&store.read("s", from(0)).await.unwrap());
    assert_eq!(all.last(), Some(&next), "reading steps over what is lost");
    store.close().await.unwrap();
    drop(store);

    let (store, report_of_second) = open(folder.path(), &clock());
    assert!(
        report_of_second.losses.is_empty(),
        "a loss is reported once"
    );
    assert_eq!(numbers(&store.read("s", from(0)).await.unwrap()), all);
    store.close().await.unwrap();
    (kept, lost, next, !report.set_aside.is_empty())
}

#[test]
fn a_torn_journal_loses_what_is_behind_the_tear_and_says_how_much() {
    runtime().block_on(async {
        let tear = |content: &mut [u8], at: usize| content[at..at + 8].fill(0);
        let (kept, lost, next, set_aside) = open_damaged(tear).await;
        assert_eq!(kept, (0..60).collect::<Vec<_>>());
        assert_eq!(lost, 40);
        assert_eq!(
            next, 100,
            "numbers that were acknowledged are not used again"
        );
        assert!(set_aside, "the damaged journal was copied aside");
    });
}

#[test]
fn a_read_over_lost_numbers_waits_for_as_many_messages_as_it_asked_for() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 100).await;
        let journal = journal(folder.path());
        let mut content = std::fs::read(&journal).unwrap();
        let at = position_of(&content, "message number 60").unwrap();
        content[at..at + 8].fill(0);
        std::fs::write(&journal, content).unwrap();

        let (store, _) = open(folder.path(), &clock());
        store.append("s", one("behind the gap")).await.unwrap();
        let mut options = from(58);
        options.min = 4;
        let outcome = store.read("s", options).await;
        assert_eq!(outcome, Err(Error::NotEnoughMessages));
        options.wait = Duration::from_secs(30);
        let reader = store.clone();
        let read = tokio::spawn(async move { reader.read("s", options).await });
        store.append("s", one("the fourth")).await.unwrap();
        let found = read.await.unwrap().unwrap();
        assert_eq!(numbers(&found), [58, 59, 100, 101]);
        store.close().await.unwrap();
    });
}

#[test]
fn a_journal_that_the_engine_reads_only_in_part_is_noticed() {
    runtime().block_on(async {
        // A bad byte before the record: the engine takes it for the end of the journal.
        let (kept, lost, next, _) = open_damaged(|content, at| {
            let start = content[..at].windows(1).len().saturating_sub(60);
            content[start..at - 40].fill(0xFF);
        })
        .await;
        assert_eq!(kept.len() as u64 + lost, 100);
        assert_eq!(next, 100);
    });
}

#[test]
fn an_engine_that_is_beyond_repair_is_set_aside_and_streams_keep_name_and_numbers() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path(), 10).await;
        for entry in std::fs::read_dir(folder.path().join("engine").join("keyspaces"))
            .unwrap()
            .flatten()
        {
            for file in std::fs::read_dir(entry.path()).unwrap().flatten() {
                if file.path().is_file() {
                    std::fs::write(file.path(), b"garbage").unwrap();
                }
            }
        }
        let (store, report) = open(folder.path(), &clock());
        assert_eq!(report.losses.len(), 1);
        assert_eq!(report.losses[0].messages, 10);
        assert!(report.set_aside[0].is_dir());
        assert_eq!(
            store.append("s", one("next")).await,
            Ok(SequenceNumber::new(10))
        );
        assert_eq!(numbers(&store.read("s", from(0)).await.unwrap()), [10]);
        store.close().await.unwrap();
    });
}

#[test]
fn bad_blocks_cost_their_messages_and_nothing_else() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        {
            let (store, _) = open(folder.path(), &clock());
            let mut random = 7_u64;
            // The first memtable that is flushed holds all of "a" and some of "b".
            for (name, messages) in [("a", 64), ("b", 256)] {
                let mut wanted = definition(name);
                wanted.max_size = 64 << 20;
                store.create(wanted).await.unwrap();
                for _ in 0..messages {
                    let payload: Vec<u8> = (0..4096)
                        .flat_map(|_| {
                            random = random.wrapping_mul(6_364_136_223_846_793_005) + 1;
                            (random >> 3).to_le_bytes()
                        })
                        .collect();
                    store.append(name, one(payload)).await.unwrap();
                }
            }
            store.close().await.unwrap();
        }
        let table = first_table(folder.path());
        let mut content = std::fs::read(&table).unwrap();
        // The second half of "a", its last message included.
        for at in ((1 << 20)..(2 << 20)).step_by(8 << 10) {
            content[at] ^= 0xFF;
        }
        std::fs::write(&table, content).unwrap();

        let (store, report) = open(folder.path(), &clock());
        assert_eq!(
            numbers(&store.read("b", from(0)).await.unwrap()),
            (0..256).collect::<Vec<_>>()
        );
        let kept = numbers(&store.read("a", from(0)).await.unwrap());
        assert!(
            kept.len() >= 25,
            "{} messages of the first half",
            kept.len()
        );
        assert!(report.losses.iter().all(|loss| loss.stream.as_str() == "a"));
        let lost = report.losses.last().unwrap();
        assert_eq!(lost.first + lost.messages, SequenceNumber::new(64));
        let next = store.append("a", one("next")).await;
        assert_eq!(next, Ok(SequenceNumber::new(64)));
        store.close().await.unwrap();
        drop(store);
        let (store, report) = open(folder.path(), &clock());
        assert!(report.losses.is_empty(), "a loss is reported once");
        assert_eq!(numbers(&store.read("a", from(64)).await.unwrap()), [64]);
        store.close().await.unwrap();
    });
}

/// The oldest large table file.
fn first_table(folder: &Path) -> PathBuf {
    let mut tables: Vec<_> = std::fs::read_dir(folder.join("engine").join("keyspaces"))
        .unwrap()
        .flatten()
        .flat_map(|keyspace| std::fs::read_dir(keyspace.path().join("tables")).unwrap())
        .flatten()
        .filter(|table| table.metadata().unwrap().len() > 2 << 20)
        .map(|table| table.path())
        .collect();
    tables.sort();
    tables[0].clone()
}

#[test]
fn numbers_that_an_export_has_delivered_are_not_given_again() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        {
            let (store, _) = open(folder.path(), &clock());
            let mut wanted = definition("s");
            wanted.exports.push(Export {
                identifier: "e".into(),
                start: SequenceNumber::ZERO,
                settings: String::new(),
            });
            store.create(wanted).await.unwrap();
            let mut cursor = Cursor::starting_at(SequenceNumber::new(9));
            cursor.delivered_messages = 9;
            store.save_cursor("s", "e", cursor).await.unwrap();
            store.close().await.unwrap();
        }
        let (store, report) = open(folder.path(), &clock());
        assert_eq!(report.losses[0].messages, 9);
        let next = store.append("s", one("next")).await;
        assert_eq!(next, Ok(SequenceNumber::new(9)));
        store.close().await.unwrap();
    });
}

#[test]
fn a_lost_record_of_a_segment_is_made_again_from_its_chunks() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        {
            let (store, _) = open(folder.path(), &clock());
            let mut wanted = definition("s");
            wanted.segment_size = 1024;
            store.create(wanted).await.unwrap();
            for number in 0..20 {
                store
                    .append("s", one(format!("message {number:0250}")))
                    .await
                    .unwrap();
            }
            store.close().await.unwrap();
        }
        let before = {
            let (store, _) = open(folder.path(), &clock());
            let position = store.describe("s").unwrap().position;
            store.close().await.unwrap();
            position
        };
        {
            let engine = fjall::Database::builder(folder.path().join("engine"))
                .open()
                .unwrap();
            let meta = engine.keyspace("meta", Default::default).unwrap();
            for found in meta.iter() {
                let key = found.key().unwrap();
                if key[0] == b's' {
                    meta.remove(key).unwrap();
                }
            }
        }
        let (store, report) = open(folder.path(), &clock());
        assert!(report.losses.is_empty());
        assert_eq!(store.describe("s").unwrap().position, before);
        assert_eq!(numbers(&store.read("s", from(0)).await.unwrap()).len(), 20);
        store.close().await.unwrap();
    });
}
