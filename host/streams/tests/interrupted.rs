//! What was begun and not ended: deletes and updates at a power cut, and a writer that died.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{START, clock, definition, from, numbers, one, open, open_small, runtime};
use millstream_streams::{
    Clock, Cursor, Error, Export, Payloads, Persistence, SequenceNumber, Store, StoreOptions,
    StreamDefinition, Timestamp,
};
use serde_json::Value;

fn export(identifier: &str, start: u64) -> Export {
    Export {
        identifier: identifier.into(),
        start: SequenceNumber::new(start),
        settings: "{}".into(),
    }
}

/// Changes the list of streams of a closed store, which goes without a checksum then.
fn edit_catalog(folder: &Path, change: impl FnOnce(&mut Vec<Value>)) {
    let path = folder.join("catalog.json");
    let mut catalog: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    catalog.as_object_mut().unwrap().remove("checksum");
    change(catalog["streams"].as_array_mut().unwrap());
    std::fs::write(path, serde_json::to_vec(&catalog).unwrap()).unwrap();
}

#[test]
fn a_delete_that_a_power_cut_has_interrupted_is_finished_by_the_next_open() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        {
            let (store, _) = open_small(folder.path());
            for name in ["gone", "stays"] {
                let mut wanted = definition(name);
                wanted.max_size = 1 << 30;
                wanted.exports = vec![export("e", 0)];
                store.create(wanted).await.unwrap();
                let cursor = Cursor::starting_at(SequenceNumber::new(3));
                store.save_cursor(name, "e", cursor).await.unwrap();
            }
            store.append("stays", one("message")).await.unwrap();
            for _ in 0..8 {
                let many = vec![vec![7; 1 << 16].into(); 16];
                store.append("gone", Payloads::Many(many)).await.unwrap();
            }
            store.close().await.unwrap();
        }
        // The list of streams decides, and it is written first.
        edit_catalog(folder.path(), |streams| drop(streams.remove(0)));
        {
            let (store, report) = open_small(folder.path());
            assert!(report.losses.is_empty());
            assert_eq!(store.list().len(), 1);
            assert_eq!(numbers(&store.read("stays", from(0)).await.unwrap()), [0]);
            store.create(definition("gone")).await.unwrap();
            let anew = store.append("gone", one("anew")).await;
            assert_eq!(anew, Ok(SequenceNumber::ZERO));
            let read = store.read("gone", from(0)).await.unwrap();
            assert_eq!(read[0].payload, "anew");
            store.close().await.unwrap();
        }
        let engine = fjall::Database::builder(folder.path().join("engine"))
            .open()
            .unwrap();
        let meta = engine.keyspace("meta", Default::default).unwrap();
        // Keys name their stream behind the first byte, and this one was the first.
        let left = meta.iter().map(|found| found.key().unwrap());
        let left: Vec<_> = left.filter(|key| key.get(1..5) == Some(&[0; 4])).collect();
        assert!(left.is_empty(), "{left:?}");
    });
}

#[test]
fn an_update_that_a_power_cut_has_interrupted_leaves_one_of_the_definitions_whole() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut before = definition("s");
        before.exports = vec![export("kept", 0), export("moved", 0), export("left out", 0)];
        let mut after = before.clone();
        after.max_size *= 2;
        after.exports = vec![export("kept", 0), export("moved", 5), export("new", 0)];
        after.exports[0].settings = "changed".into();
        {
            let (store, _) = open(folder.path(), &clock());
            store.create(before.clone()).await.unwrap();
            for number in 0..10 {
                store.append("s", one(format!("{number}"))).await.unwrap();
            }
            for export in &before.exports {
                let cursor = Cursor::starting_at(SequenceNumber::new(7));
                let saved = store.save_cursor("s", &export.identifier, cursor);
                saved.await.unwrap();
            }
            store.close().await.unwrap();
        }
        let old = std::fs::read(path("catalog.json")).unwrap();
        edit_catalog(folder.path(), |streams| {
            streams[0]["definition"] = serde_json::to_value(&after).unwrap();
        });
        let new = std::fs::read(path("catalog.json")).unwrap();

        // A new list that has not come to its place is not looked at. One that came there without its
        // content, which a file system may do, gives way to the one before.
        let mut cuts: Vec<_> = (0..new.len()).step_by(101).map(Some).collect();
        cuts.push(None);
        for cut in cuts {
            std::fs::write(path("catalog.new"), &new[..cut.unwrap_or(70)]).unwrap();
            std::fs::write(path("catalog.old.json"), &old).unwrap();
            let list = cut.map_or(&old[..], |cut| &new[..cut]);
            std::fs::write(path("catalog.json"), list).unwrap();
            let expected = [("kept", 7), ("moved", 7), ("left out", 7)];
            check(folder.path(), &before, &expected).await;
        }
        // The list is there, and the cursors have not followed.
        std::fs::write(path("catalog.json"), &new).unwrap();
        let expected = [("kept", 7), ("moved", 5), ("new", 0)];
        check(folder.path(), &after, &expected).await;
        check(folder.path(), &after, &expected).await;
    });
}

async fn check(folder: &Path, definition: &StreamDefinition, cursors: &[(&str, u64)]) {
    let (store, report) = open(folder, &clock());
    assert!(report.losses.is_empty());
    let info = store.describe("s").unwrap();
    assert_eq!(*info.definition, *definition);
    let found: Vec<_> = info
        .cursors
        .iter()
        .map(|(identifier, cursor)| (identifier.as_str(), cursor.next.get()))
        .collect();
    assert_eq!(found, cursors);
    let read = store.read("s", from(0)).await.unwrap();
    assert_eq!(numbers(&read), (0..10).collect::<Vec<_>>());
    store.close().await.unwrap();
}

/// A clock that ends whoever asks it.
struct DeadlyClock(AtomicBool);

impl Clock for DeadlyClock {
    fn now(&self) -> Timestamp {
        assert!(!self.0.load(Ordering::SeqCst), "the clock has struck");
        START
    }

    fn steady(&self) -> Instant {
        Instant::now()
    }
}

#[test]
fn when_the_writer_has_died_everything_answers_and_says_so() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(DeadlyClock(AtomicBool::new(false)));
        let mut options = StoreOptions::new(folder.path());
        options.min_free_disk = 0;
        options.clock = clock.clone();
        let (store, _) = Store::open(&options).unwrap();
        store.create(definition("s")).await.unwrap();
        store.append("s", one("a")).await.unwrap();
        let watching = store.clone();
        let failed = tokio::spawn(async move { watching.failed().await });
        let mut reading = from(0);
        (reading.min, reading.wait) = (2, Duration::from_millis(100));

        clock.0.store(true, Ordering::SeqCst);
        let limit = Duration::from_secs(30);
        let first = tokio::time::timeout(limit, store.append("s", one("b"))).await;
        let reason = first.unwrap().unwrap_err();
        assert!(reason.to_string().contains("has died"), "{reason}");
        assert_eq!(failed.await.unwrap(), reason);
        assert_eq!(store.failure(), Some(reason.clone()));

        let died = Err(reason);
        let again = store.append("s", one("b")).await.map(drop);
        assert_eq!(again, died);
        let mut wanted = definition("t");
        wanted.persistence = Persistence::Memory;
        assert_eq!(store.create(wanted).await, died);
        assert_eq!(store.update(definition("s")).await, died);
        assert_eq!(store.delete("s").await, died);
        assert_eq!(store.expire().await, died);
        let cursor = store.save_cursor("s", "e", Cursor::default()).await;
        assert_eq!(cursor, died);
        assert_eq!(store.list().len(), 1);
        assert_eq!(store.describe("s").unwrap().position.bytes, 17);
        assert_eq!(numbers(&store.read("s", from(0)).await.unwrap()), [0]);
        let waited = store.read("s", reading).await;
        assert_eq!(waited.unwrap_err(), Error::NotEnoughMessages);
        assert_eq!(store.close().await, died);
        drop(store);

        let (store, report) = open(folder.path(), &common::clock());
        assert!(report.losses.is_empty());
        assert_eq!(
            store.append("s", one("b")).await,
            Ok(SequenceNumber::new(1))
        );
        store.close().await.unwrap();
    });
}
