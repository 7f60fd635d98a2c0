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
