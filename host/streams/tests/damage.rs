//! What happens when the disk has not kept what was written.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::path::{Path, PathBuf};

use common::{clock, definition, from, numbers, one, open, runtime};
use millstream_streams::SequenceNumber;

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

/// Where a text stands in a file.
fn position_of(content: &[u8], text: &str) -> usize {
    content
        .windows(text.len())
        .position(|window| window == text.as_bytes())
        .unwrap()
}

/// Damages the journal where a message stands, and says what is left after opening.
async fn open_damaged(damage: impl Fn(&mut [u8], usize)) -> (Vec<u64>, u64, u64, bool) {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 100).await;
    let journal = journal(folder.path());
    let mut content = std::fs::read(&journal).unwrap();
    let at = position_of(&content, "message number 60");
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
