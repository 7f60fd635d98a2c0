//! What a stream is asked to be.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::types::{SequenceNumber, StreamName};

/// About the most segments that a full stream has.
const MAX_SEGMENTS: u64 = 4096;

/// Where a stream keeps its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Persistence {
    /// On the disk. With [`Flush::EveryAppend`] an append is acknowledged only when the disk has it.
    File(Flush),
    /// In memory only. The stream and its messages are gone when the store closes.
    Memory,
}

/// When a stream on the disk is synchronised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flush {
    /// As the store finds time: acknowledged messages survive the end of the process, not
    /// necessarily of the power.
    Relaxed,
    /// Before every acknowledgement: acknowledged messages survive power loss.
    EveryAppend,
}

/// What happens when a message does not fit any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyOnFull {
    /// Appends fail until retention makes room.
    RejectNewData,
    /// The oldest segments go.
    OverwriteOldestData,
}

/// One export of a stream, as far as the store is concerned: a named cursor and what its owner wants
/// remembered about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Unique within the stream.
    pub identifier: String,
    /// Where a new cursor begins.
    pub start: SequenceNumber,
    /// Text that only the owner understands; kept with the definition.
    pub settings: String,
}

/// Everything a stream is asked to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamDefinition {
    /// Unique in the store.
    pub name: StreamName,
    /// The most that the stream may hold, in bytes, counted with [`crate::message_size`].
    pub max_size: u64,
    /// Retention deletes whole segments of about this many bytes; at most `max_size`. Less than a
    /// 4096th of `max_size` counts as that much.
    pub segment_size: u64,
    /// How long a message is kept at least unless the stream is full, in milliseconds; none means
    /// for ever.
    pub time_to_live_millis: Option<u64>,
    /// What happens when the stream is full.
    pub strategy_on_full: StrategyOnFull,
    /// Where messages are kept.
    pub persistence: Persistence,
    /// The exports, each with a cursor of its own.
    pub exports: Vec<Export>,
}

impl StreamDefinition {
    /// Checks what holds for every definition by itself.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidDefinition`] with a sentence that names the field.
    pub fn validate(&self) -> Result<(), Error> {
        let invalid = |reason: String| Err(Error::InvalidDefinition { reason });
        if self.segment_size == 0 {
            return invalid("streamSegmentSize must be at least 1 byte".into());
        }
        if self.max_size < self.segment_size {
            return invalid(format!(
                "maxSize ({}) must be at least streamSegmentSize ({})",
                self.max_size, self.segment_size
            ));
        }
        for (index, export) in self.exports.iter().enumerate() {
            if self.exports[..index]
                .iter()
                .any(|other| other.identifier == export.identifier)
            {
                return invalid(format!(
                    "two exports have the identifier \"{}\"; each needs its own",
                    export.identifier
                ));
            }
        }
        Ok(())
    }

    /// The segment size that is used: a stream has no more than some thousand segments, because each
    /// takes memory.
    pub(crate) fn effective_segment_size(&self) -> u64 {
        self.segment_size.max(self.max_size / MAX_SEGMENTS)
    }

    pub(crate) fn is_memory(&self) -> bool {
        self.persistence == Persistence::Memory
    }

    pub(crate) fn flushes(&self) -> bool {
        self.persistence == Persistence::File(Flush::EveryAppend)
    }

    pub(crate) fn export(&self, identifier: &str) -> Option<&Export> {
        self.exports
            .iter()
            .find(|export| export.identifier == identifier)
    }
}
