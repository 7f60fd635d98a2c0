//! Everything that can go wrong with a stream, as sentences for an operator.

use std::path::PathBuf;

use crate::types::SequenceNumber;

/// Why a call on the store failed. Nothing stored is changed by a call that fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another stream has this name already.
    #[error("the message stream already exists")]
    AlreadyExists,
    /// There is no stream of this name.
    #[error("the message stream {name} does not exist")]
    NotFound {
        /// The name that was asked for.
        name: String,
    },
    /// There is no such export on the stream.
    #[error("the stream has no export {identifier}")]
    NoSuchExport {
        /// The identifier that was asked for.
        identifier: String,
    },
    /// A definition that contradicts itself, or the stream it is for.
    #[error("{reason}")]
    InvalidDefinition {
        /// One sentence that names the field.
        reason: String,
    },
    /// A field that may not change while the stream exists.
    #[error("{field} cannot be changed: delete the stream and create it again")]
    UpdateNotAllowed {
        /// The field, as the protocol spells it.
        field: &'static str,
    },
    /// The stream refuses new data while it is full.
    #[error(
        "the message stream is full: {bytes} of {max_size} bytes are in use and its strategy is to \
         reject new data"
    )]
    Full {
        /// Bytes in use.
        bytes: u64,
        /// The stream's `max_size`.
        max_size: u64,
    },
    /// A message that can never fit.
    #[error(
        "a message of {size} bytes (payload and overhead) cannot fit in a stream of {max_size} bytes"
    )]
    TooLarge {
        /// What the message adds to the stream's size.
        size: u64,
        /// The stream's `max_size`.
        max_size: u64,
    },
    /// An append without a payload, or with an empty one.
    #[error("a message needs a payload of at least one byte")]
    EmptyPayload,
    /// A read that asks for a minimum above its maximum, or for nothing.
    #[error("the minimum number of messages must lie between 1 and the maximum")]
    InvalidReadRange,
    /// A read that starts beyond the end of the stream.
    #[error(
        "desired starting sequence number is greater than the last sequence number of the stream"
    )]
    BeyondEnd,
    /// Fewer messages than asked for were there when the time was up.
    #[error("there are not enough messages in the stream")]
    NotEnoughMessages,
    /// Messages that were stored and can no longer be read.
    #[error("messages {first} to {last} of the stream are damaged on disk and cannot be read")]
    Damaged {
        /// The first message that cannot be read.
        first: SequenceNumber,
        /// The last one.
        last: SequenceNumber,
    },
    /// The disk has less free space than the store keeps in reserve.
    #[error(
        "the disk is nearly full: {free} bytes are free and {reserve} are kept in reserve; \
         make room, or lower storage.min-free-disk"
    )]
    DiskFull {
        /// Free bytes on the file system of the store.
        free: u64,
        /// The reserve.
        reserve: u64,
    },
    /// The memory for all streams that live there is used up.
    #[error(
        "the streams in memory together use all of their {limit} bytes; raise \
         storage.memory-streams, or give this stream a smaller maxSize or the strategy to overwrite \
         its oldest data"
    )]
    OutOfMemory {
        /// The most that all memory streams together may use, in bytes.
        limit: u64,
    },
    /// The store is closing.
    #[error("the store is shutting down")]
    Closing,
    /// The storage engine has failed; what was acknowledged is safe, nothing new is taken.
    #[error("the storage engine has failed and takes no more data until a restart: {reason}")]
    Failed {
        /// What the engine said.
        reason: String,
    },
    /// Another process has the folder open.
    #[error(
        "the data folder {} is in use by another process; stop it, or name another folder", path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be used.
    #[error("the data folder {} cannot be used: {reason}", path.display())]
    Folder {
        /// The folder or the file in it.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// There is data, but no list of the streams it belongs to.
    #[error(
        "the data folder {} holds data but catalog.json, the list of its streams, is missing; restore \
         catalog.json from a backup or from catalog.old.json, or move the whole folder away to begin \
         with an empty store", path.display()
    )]
    CatalogMissing {
        /// The folder.
        path: PathBuf,
    },
    /// A newer program wrote the store.
    #[error(
        "the data folder {} was written by a newer version (format {found}, this program knows up \
         to {known}); use that version, or another folder", path.display()
    )]
    NewerFormat {
        /// The folder.
        path: PathBuf,
        /// The format on disk.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
}

impl Error {
    pub(crate) fn folder(path: impl Into<PathBuf>, reason: impl ToString) -> Self {
        Self::Folder {
            path: path.into(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn failed(reason: impl ToString) -> Self {
        Self::Failed {
            reason: reason.to_string(),
        }
    }
}
