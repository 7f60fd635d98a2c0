//! Stores written by every version that had a format of its own, opened by this one.
//!
//! `fixtures/format-N/store.tar.gz` is the folder of a closed store, and `expected.json` beside it says
//! what is in it. A fixture is written once, by the last version of its format, and kept as it is: run
//! `cargo test -p millstream-streams --test fixtures -- --ignored` before the format is raised.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use common::{clock, definition, files, from, one, open, open_small, runtime};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use millstream_streams::{
    Cursor, Error, Export, Flush, Persistence, Position, SequenceNumber, Store, StoreOptions,
    StrategyOnFull, StreamDefinition, Timestamp,
};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// What is in a stream.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Stream {
    definition: StreamDefinition,
    head: u64,
    tail: u64,
    bytes: u64,
    cursors: BTreeMap<String, Cursor>,
    /// Number, ingest time, length and XXH3-64 of the payload of each message.
    messages: Vec<(u64, u64, usize, u64)>,
}

async fn content(store: &Store) -> Vec<Stream> {
    let mut streams = Vec::new();
    for name in store.list() {
        let info = store.describe(name.as_str()).unwrap();
        let Position { head, tail, bytes } = info.position;
        let read = store.read(name.as_str(), from(head.get())).await;
        let messages = match read {
            Ok(messages) => messages,
            Err(Error::BeyondEnd) => Vec::new(),
            Err(other) => panic!("{other}"),
        };
        let summary = |message: &millstream_streams::Message| {
            (
                message.sequence_number.get(),
                message.ingest_time.as_millis(),
                message.payload.len(),
                xxh3_64(&message.payload),
            )
        };
        streams.push(Stream {
            definition: (*info.definition).clone(),
            head: head.get(),
            tail: tail.get(),
            bytes,
            cursors: info.cursors.into_iter().collect(),
            messages: messages.iter().map(summary).collect(),
        });
    }
    streams
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn unpack(fixture: &Path, folder: &Path) {
    let packed = File::open(fixture.join("store.tar.gz")).unwrap();
    tar::Archive::new(GzDecoder::new(packed))
        .unpack(folder)
        .unwrap();
}

#[test]
fn stores_of_every_format_there_was_open_whole_and_go_on() {
    runtime().block_on(async {
        let mut found = 0;
        for fixture in fs::read_dir(fixtures()).unwrap() {
            let fixture = fixture.unwrap().path();
            let folder = tempfile::tempdir().unwrap();
            unpack(&fixture, folder.path());
            let expected = fs::read(fixture.join("expected.json")).unwrap();
            let expected: Vec<Stream> = serde_json::from_slice(&expected).unwrap();
            let mut tails = BTreeMap::new();
            for _ in 0..2 {
                let (store, report) = open(folder.path(), &clock());
                assert!(report.losses.is_empty() && report.set_aside.is_empty());
                let mut streams = content(&store).await;
                for (stream, expected) in streams.iter_mut().zip(&expected) {
                    let name = stream.definition.name.as_str().to_owned();
                    // What an earlier round has appended.
                    let added = stream.tail - expected.tail;
                    assert_eq!(added, tails.get(&name).copied().unwrap_or(0));
                    for _ in 0..added {
                        let (.., length, _) = stream.messages.pop().unwrap();
                        stream.bytes -= length as u64 + 16;
                        stream.tail -= 1;
                    }
                    assert_eq!(stream, expected, "{}", fixture.display());
                    if stream.definition.strategy_on_full == StrategyOnFull::OverwriteOldestData {
                        let next = store.append(&name, one("next")).await;
                        assert_eq!(next.map(SequenceNumber::get), Ok(expected.tail + added));
                        *tails.entry(name).or_insert(0) += 1;
                    }
                }
                assert_eq!(streams.len(), expected.len());
                store.close().await.unwrap();
            }
            found += 1;
        }
        assert!(found >= 1);
    });
}

#[test]
fn a_folder_of_a_newer_format_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    unpack(&fixtures().join("format-1"), folder.path());
    let catalog = folder.path().join("catalog.json");
    let newer = fs::read_to_string(&catalog)
        .unwrap()
        .replace("\"format\": 1,", "\"format\": 7, \"something\": \"else\",");
    fs::write(&catalog, newer).unwrap();
    let snapshot = || -> BTreeMap<_, _> {
        files(folder.path())
            .into_iter()
            .map(|file| (file.clone(), xxh3_64(&fs::read(file).unwrap())))
            .collect()
    };
    let before = snapshot();
    let error = Store::open(&StoreOptions::new(folder.path()))
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("newer version (format 7"),
        "{error}"
    );
    assert_eq!(snapshot(), before);
}

fn export(identifier: &str, start: u64) -> Export {
    Export {
        identifier: identifier.into(),
        start: SequenceNumber::new(start),
        settings: r#"{"plugin":"file","batchSize":10}"#.into(),
    }
}

/// One stream of each kind; and one that was deleted, so that ids have a gap.
async fn fill(store: &Store) {
    let mut streams = Vec::new();
    for (name, messages, size) in [
        ("deleted", 10, 100),
        ("relaxed", 400, 4000),
        ("flushed, with .dots", 20, 50),
        ("overwritten", 60, 500),
        ("full", 4, 1000),
        ("expiring", 12, 400),
        ("empty", 0, 0),
    ] {
        let mut wanted = definition(name);
        match name {
            "relaxed" => {
                (wanted.max_size, wanted.segment_size) = (64 << 20, 256 << 10);
                wanted.exports = vec![export("behind", 0), export("failing", 7)];
            }
            "flushed, with .dots" => wanted.persistence = Persistence::File(Flush::EveryAppend),
            "overwritten" => (wanted.max_size, wanted.segment_size) = (16 << 10, 4 << 10),
            "full" => {
                (wanted.max_size, wanted.segment_size) = (5000, 2000);
                wanted.strategy_on_full = StrategyOnFull::RejectNewData;
            }
            "expiring" => {
                wanted.segment_size = 2048;
                wanted.time_to_live_millis = Some(9_223_372_036_854);
            }
            _ => {}
        }
        store.create(wanted).await.unwrap();
        streams.push((name, messages, size));
    }
    for (name, messages, size) in streams {
        for number in 0..messages {
            let text = format!("{name} {number} ");
            let payload: Vec<u8> = text.bytes().cycle().take(size).collect();
            store.append(name, one(payload)).await.unwrap();
        }
    }
    let cursor = Cursor {
        next: SequenceNumber::new(40),
        delivered_messages: 33,
        delivered_bytes: 33_000,
        rejected_messages: 5,
        missed_messages: 2,
        last_attempt: Some(Timestamp::from_millis(1_700_000_000_123)),
        last_error: Some("the destination answered \"503\"".into()),
        work: None,
    };
    store
        .save_cursor("relaxed", "failing", cursor)
        .await
        .unwrap();
    let behind = Cursor::starting_at(SequenceNumber::new(11));
    store
        .save_cursor("relaxed", "behind", behind)
        .await
        .unwrap();
    store.delete("deleted").await.unwrap();
}

#[test]
#[ignore = "writes the fixture of this version's format into the source tree"]
fn write_the_fixture_of_this_format() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open_small(folder.path());
        fill(&store).await;
        let expected = content(&store).await;
        store.close().await.unwrap();
        drop(store);
        let catalog = fs::read(folder.path().join("catalog.json")).unwrap();
        let catalog: serde_json::Value = serde_json::from_slice(&catalog).unwrap();
        let fixture = fixtures().join(format!("format-{}", catalog["format"]));
        fs::create_dir_all(&fixture).unwrap();
        // The journal is mostly room that the engine has taken in advance, which packs to little.
        let packed = File::create(fixture.join("store.tar.gz")).unwrap();
        let mut archive = tar::Builder::new(GzEncoder::new(packed, Compression::best()));
        archive.mode(tar::HeaderMode::Deterministic);
        archive.append_dir_all(".", folder.path()).unwrap();
        archive.into_inner().unwrap().finish().unwrap();
        let expected = serde_json::to_string(&expected).unwrap();
        fs::write(fixture.join("expected.json"), expected).unwrap();
    });
}
