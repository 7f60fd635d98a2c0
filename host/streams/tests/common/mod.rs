//! What the tests of this crate share.

#![allow(
    dead_code,
    reason = "each test file is a crate of its own and uses a part"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use millstream_streams::{
    Flush, ManualClock, Message, OpenReport, Payloads, Persistence, ReadOptions, SequenceNumber,
    Store, StoreOptions, StrategyOnFull, StreamDefinition, StreamName, Timestamp,
};

pub(crate) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(START))
}

pub(crate) fn open(folder: &Path, clock: &Arc<ManualClock>) -> (Store, OpenReport) {
    let mut options = StoreOptions::new(folder);
    options.clock = clock.clone();
    options.min_free_disk = 0;
    Store::open(&options).unwrap()
}

pub(crate) fn definition(name: &str) -> StreamDefinition {
    StreamDefinition {
        name: StreamName::new(name).unwrap(),
        max_size: 1 << 20,
        segment_size: 1 << 16,
        time_to_live_millis: None,
        strategy_on_full: StrategyOnFull::OverwriteOldestData,
        persistence: Persistence::File(Flush::Relaxed),
        exports: Vec::new(),
    }
}

pub(crate) fn one(payload: impl AsRef<[u8]>) -> Payloads {
    Payloads::One(payload.as_ref().to_vec().into())
}

pub(crate) fn from(start: u64) -> ReadOptions {
    ReadOptions {
        start: SequenceNumber::new(start),
        min: 1,
        max: u64::MAX,
        max_bytes: u64::MAX,
        wait: Duration::ZERO,
    }
}

pub(crate) fn numbers(messages: &[Message]) -> Vec<u64> {
    messages
        .iter()
        .map(|message| message.sequence_number.get())
        .collect()
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// Opens a store whose messages come to tables soon.
pub(crate) fn open_small(folder: &Path) -> (Store, OpenReport) {
    let mut options = StoreOptions::new(folder);
    options.clock = clock();
    options.min_free_disk = 0;
    options.write_buffer_bytes = 4 << 20;
    Store::open(&options).unwrap()
}

/// The table files of a store, with what is in them.
pub(crate) fn tables(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let in_tables = |file: &PathBuf| {
        file.parent()
            .is_some_and(|parent| parent.ends_with("tables"))
    };
    let found = files(&folder.join("engine"));
    found
        .into_iter()
        .filter(in_tables)
        // The engine may just be removing it.
        .filter_map(|file| Some((file.clone(), std::fs::read(file).ok()?)))
        .collect()
}

/// Where a text stands in a file.
pub(crate) fn position_of(content: &[u8], text: &str) -> Option<usize> {
    content
        .windows(text.len())
        .position(|window| window == text.as_bytes())
}

/// Spoils the bytes of these texts in the tables of a closed store.
pub(crate) fn spoil(folder: &Path, texts: &[String]) {
    for text in texts {
        let hit = tables(folder)
            .into_iter()
            .find_map(|(file, content)| Some((file, position_of(&content, text)?, content)));
        let (file, at, mut content) = hit.unwrap_or_else(|| panic!("{text} is in no table"));
        content[at] ^= 0xFF;
        std::fs::write(file, content).unwrap();
    }
}
