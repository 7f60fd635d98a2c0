//! What has happened to a stream since the store opened, counted for whoever watches over it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;

/// What has happened to a stream since the store opened, or since the stream was created if that was
/// later. The counts only grow; they begin at 0 with each opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Messages that were appended and acknowledged.
    pub appended_messages: u64,
    /// Bytes of their payloads, without [`crate::MESSAGE_OVERHEAD`].
    pub appended_bytes: u64,
    /// Appends that were refused for want of room: [`Error::Full`], [`Error::TooLarge`],
    /// [`Error::DiskFull`], [`Error::OutOfMemory`]. An append counts once, however many messages it
    /// has.
    pub refused_appends: u64,
}

/// The counters of one stream. Only the writer changes them; the numbers do not depend on each other,
/// so no order between them is kept.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    appended_messages: AtomicU64,
    appended_bytes: AtomicU64,
    refused_appends: AtomicU64,
}

impl Tally {
    pub(crate) fn add_appended(&self, messages: u64, bytes: u64) {
        self.appended_messages
            .fetch_add(messages, Ordering::Relaxed);
        self.appended_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts an append that failed, if it failed for want of room.
    pub(crate) fn add_refused(&self, error: &Error) {
        if matches!(
            error,
            Error::Full { .. }
                | Error::TooLarge { .. }
                | Error::DiskFull { .. }
                | Error::OutOfMemory { .. }
        ) {
            self.refused_appends.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Counters {
        Counters {
            appended_messages: self.appended_messages.load(Ordering::Relaxed),
            appended_bytes: self.appended_bytes.load(Ordering::Relaxed),
            refused_appends: self.refused_appends.load(Ordering::Relaxed),
        }
    }
}
