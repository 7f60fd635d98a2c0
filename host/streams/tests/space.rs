//! Whether retention really gives the disk back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{clock, definition, files, from, numbers, one, open, runtime, tables};
use millstream_streams::{Error, Payloads, Store, StoreOptions};

/// The engine keeps one journal of at most this size.
const JOURNAL: u64 = 64 << 20;
/// Every batch of these has so many messages of so many bytes.
const BATCH: (usize, usize) = (64, 16 << 10);

/// Payloads that do not compress.
struct Random(u64);

impl Random {
    fn batch(&mut self) -> Payloads {
        let mut payload = || {
            let mut payload = Vec::with_capacity(BATCH.1);
            while payload.len() < BATCH.1 {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005) + 1;
                payload.extend_from_slice(&(self.0 >> 16).to_le_bytes());
            }
            payload.into()
        };
        Payloads::Many((0..BATCH.0).map(|_| payload()).collect())
    }

    async fn fill(&mut self, store: &Store, batches: usize) {
        for _ in 0..batches {
            store.append("s", self.batch()).await.unwrap();
        }
    }
}

/// What the folder takes up on the disk, in bytes.
fn used(folder: &Path) -> u64 {
    files(folder)
        .iter()
        .filter_map(|file| file.metadata().ok())
        .map(|metadata| metadata.blocks() * 512)
        .sum()
}

/// Waits until the folder takes up what is alive, one journal and 5 %.
async fn falls_back(store: &Store, folder: &Path) {
    let live = store.describe("s").unwrap().position.bytes;
    let budget = live + live / 20 + JOURNAL;
    let start = Instant::now();
    while used(folder) > budget {
        assert!(
            start.elapsed() < Duration::from_secs(300),
            "{} bytes are in use and {budget} are allowed",
            used(folder)
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn what_a_stream_has_overwritten_is_given_back() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), &clock());
        let mut wanted = definition("s");
        (wanted.max_size, wanted.segment_size) = (64 << 20, 4 << 20);
        store.create(wanted).await.unwrap();
        Random(1).fill(&store, 256).await;
        falls_back(&store, folder.path()).await;
        store.close().await.unwrap();
    });
}

#[test]
fn what_has_outlived_its_time_is_given_back_before_and_after_a_restart() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock();
        let (store, _) = open(folder.path(), &clock);
        let mut wanted = definition("s");
        (wanted.max_size, wanted.segment_size) = (1 << 40, 4 << 20);
        wanted.time_to_live_millis = Some(60_000);
        store.create(wanted).await.unwrap();
        let mut random = Random(1);
        random.fill(&store, 192).await;
        clock.advance_millis(60_001);
        random.fill(&store, 16).await;
        store.expire().await.unwrap();
        let live = store.describe("s").unwrap().position.bytes;
        assert!(live <= 21 << 20, "{live}");
        falls_back(&store, folder.path()).await;

        // And what goes while nobody looks at the disk any more.
        random.fill(&store, 192).await;
        clock.advance_millis(60_001);
        store.expire().await.unwrap();
        assert_eq!(store.describe("s").unwrap().position.bytes, 0);
        store.close().await.unwrap();
        drop(store);
        let (store, report) = open(folder.path(), &clock);
        assert!(report.losses.is_empty());
        falls_back(&store, folder.path()).await;
        store.close().await.unwrap();
    });
}

#[test]
fn a_full_disk_is_freed_without_the_room_that_rewriting_takes() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock();
        {
            let (store, _) = open(folder.path(), &clock);
            let mut wanted = definition("s");
            (wanted.max_size, wanted.segment_size) = (1 << 33, 4 << 20);
            wanted.time_to_live_millis = Some(60_000);
            store.create(wanted).await.unwrap();
            Random(1).fill(&store, 128).await;
            store.create(definition("lives")).await.unwrap();
            store.append("lives", one("on")).await.unwrap();
            store.close().await.unwrap();
        }
        clock.advance_millis(60_001);
        let in_tables = || -> usize {
            let found = tables(folder.path());
            found.iter().map(|(_, content)| content.len()).sum()
        };
        let before = in_tables();
        assert!(before > 100 << 20, "{before}");
        let mut options = StoreOptions::new(folder.path());
        options.clock = clock;
        options.min_free_disk = u64::MAX - 1;
        let (store, _) = Store::open(&options).unwrap();
        store.expire().await.unwrap();
        let begun = Instant::now();
        // A table that holds a message that lives stays whole, and the engine makes tables of up to 64 MiB.
        while in_tables() > before / 8 * 5 {
            assert!(
                begun.elapsed() < Duration::from_secs(300),
                "{}",
                in_tables()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let refused = store.append("s", Random(2).batch()).await;
        assert!(matches!(refused, Err(Error::DiskFull { .. })));
        assert_eq!(store.failure(), None, "a full disk is no failure");
        assert_eq!(numbers(&store.read("lives", from(0)).await.unwrap()), [0]);
        store.close().await.unwrap();
    });
}
