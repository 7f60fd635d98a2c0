//! How a store is opened.

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::{Clock, SystemClock};

/// How a store is opened.
#[derive(Clone)]
pub struct StoreOptions {
    /// The folder that holds everything; created if it is missing.
    pub folder: PathBuf,
    /// Bytes of memory for messages that wait to be written.
    pub queue_bytes: u32,
    /// Bytes of memory for what is written and not yet in tables; at least 4 MiB.
    pub write_buffer_bytes: u64,
    /// Bytes of memory for what was read.
    pub cache_bytes: u64,
    /// Bytes of memory for the messages of all memory streams together, with what holds them.
    pub memory_streams_bytes: u64,
    /// Appends to streams on disk fail while less than this is free on the file system.
    pub min_free_disk: u64,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl StoreOptions {
    /// Defaults that fit a small device: 4 MiB for the queue, 8 MiB for the write buffer, 4 MiB for
    /// the cache, 32 MiB for memory streams, 64 MiB of disk kept free.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            queue_bytes: 4 << 20,
            write_buffer_bytes: 8 << 20,
            cache_bytes: 4 << 20,
            memory_streams_bytes: 32 << 20,
            min_free_disk: 64 << 20,
            clock: Arc::new(SystemClock),
        }
    }
}
