//! What a stream is asked to be.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::segment::Position;
use crate::types::{SequenceNumber, StreamName};

/// The bounds of [`StreamDefinition::max_size`], in bytes (protocol specification, 3).
pub const MAX_SIZE: RangeInclusive<u64> = 1024..=LARGEST_NUMBER;
/// The bounds of [`StreamDefinition::segment_size`], in bytes (protocol specification, 3).
pub const SEGMENT_SIZE: RangeInclusive<u64> = 1024..=2_147_483_647;
/// The bounds of [`StreamDefinition::time_to_live_millis`] (protocol specification, 3).
pub const TIME_TO_LIVE_MILLIS: RangeInclusive<u64> = 60_000..=9_223_372_036_854;
/// The largest integer of the protocol, which is signed: 2^63 - 1.
const LARGEST_NUMBER: u64 = i64::MAX.unsigned_abs();

/// Segments grow with their stream from this many on.
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
    /// Unique within the stream; 1 to 255 bytes, as a stream's name.
    pub identifier: String,
    /// Where a new cursor begins. An update that changes it moves the cursor there: messages behind it
    /// are exported once more, those before it not at all. 0, the default, asks for nothing in an
    /// update: the cursor stays.
    pub start: SequenceNumber,
    /// Text that only the owner understands; kept with the definition.
    pub settings: String,
}

impl Export {
    /// Whether an update with this export names a place for the cursor, where `known` is the start
    /// that the export had; none if it is new.
    pub(crate) fn asks_to_move(&self, known: Option<SequenceNumber>) -> bool {
        self.start != SequenceNumber::ZERO && known != Some(self.start)
    }
}

/// Everything a stream is asked to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamDefinition {
    /// Unique in the store.
    pub name: StreamName,
    /// The most that the stream may hold, in bytes, counted with [`crate::message_size`]; within
    /// [`MAX_SIZE`].
    pub max_size: u64,
    /// Retention deletes whole segments of about this many bytes; within [`SEGMENT_SIZE`] and at most
    /// `max_size`. Less than a 4096th of what the stream holds counts as that much. An update leaves
    /// segments as they are; the one that still grows does so up to the new size.
    pub segment_size: u64,
    /// How long a message is kept at least unless the stream is full, in milliseconds; none means
    /// for ever. Within [`TIME_TO_LIVE_MILLIS`].
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
        within("maxSize", self.max_size, &MAX_SIZE)?;
        within("streamSegmentSize", self.segment_size, &SEGMENT_SIZE)?;
        if let Some(time_to_live) = self.time_to_live_millis {
            within("timeToLiveMillis", time_to_live, &TIME_TO_LIVE_MILLIS)?;
        }
        if self.max_size < self.segment_size {
            return invalid(format!(
                "maxSize ({}) must be at least streamSegmentSize ({})",
                self.max_size, self.segment_size
            ));
        }
        let mut known = HashSet::new();
        for export in &self.exports {
            let identifier = export.identifier.as_str();
            if StreamName::new(identifier).is_none() {
                return invalid("identifier of an export must have 1 to 255 bytes".into());
            }
            let start = export.start.get();
            within("startSequenceNumber", start, &(0..=LARGEST_NUMBER))?;
            if !known.insert(identifier) {
                return invalid(format!(
                    "identifier \"{identifier}\" belongs to two exports; each needs its own"
                ));
            }
        }
        Ok(())
    }

    /// Checks whether a stream that holds this much may be given another definition (protocol
    /// specification, 6.4). The start of an export may be changed to a number below the newest, so not
    /// at all while the stream has fewer than two messages; one that was sent before may be sent again,
    /// and 0 at any time.
    pub(crate) fn check_update(&self, after: &Self, position: Position) -> Result<(), Error> {
        if self.is_memory() != after.is_memory() {
            return Err(Error::UpdateNotAllowed {
                field: "persistence",
            });
        }
        if after.max_size < position.bytes {
            return invalid(format!(
                "maxSize ({}) must not be below what the stream holds ({} bytes)",
                after.max_size, position.bytes
            ));
        }
        for export in &after.exports {
            let known = self.export(&export.identifier);
            let asks = export.asks_to_move(known.map(|known| known.start));
            if asks && export.start + 1 >= position.tail {
                return invalid(format!(
                    "startSequenceNumber ({}) of export {} must be less than the newest sequence number",
                    export.start, export.identifier
                ));
            }
        }
        Ok(())
    }

    /// The segment size that is used in a stream that holds so many bytes: it has no more than some
    /// ten thousand segments, however large it gets, because each takes memory. What it might hold one
    /// day does not matter: a stream without a limit frees space by time all the same.
    pub(crate) fn segment_size_at(&self, held: u64) -> u64 {
        self.segment_size.max(held / MAX_SEGMENTS)
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

fn invalid<T>(reason: String) -> Result<T, Error> {
    Err(Error::InvalidDefinition { reason })
}

fn within(field: &str, value: u64, bounds: &RangeInclusive<u64>) -> Result<(), Error> {
    if bounds.contains(&value) {
        return Ok(());
    }
    let (least, most) = (bounds.start(), bounds.end());
    invalid(format!(
        "{field} ({value}) must lie between {least} and {most}"
    ))
}

#[cfg(test)]
mod tests;
