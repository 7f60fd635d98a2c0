//! Small types that carry the rules of a stream's numbers.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The place of a message in its stream: from 0, without holes, never used twice.
///
/// The protocol carries it as a signed 64-bit integer, so it stays below 2^63.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SequenceNumber(u64);

impl SequenceNumber {
    /// The number of a stream's first message.
    pub const ZERO: Self = Self(0);

    /// Wraps a number as it came from a client or the disk.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The plain number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number before this one; none before the first.
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Add<u64> for SequenceNumber {
    type Output = Self;

    fn add(self, messages: u64) -> Self {
        Self(self.0.saturating_add(messages))
    }
}

impl Sub for SequenceNumber {
    type Output = u64;

    /// How many messages lie between two numbers; 0 if the right one is the larger.
    fn sub(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A time in milliseconds since the Unix epoch, as the device's clock tells it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Wraps milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The same moment, so many milliseconds later.
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The same moment on a clock that was put forward by so many milliseconds, or back if negative.
    pub(crate) const fn shifted(self, millis: i64) -> Self {
        Self(self.0.saturating_add_signed(millis))
    }
}

/// What a key on disk calls a stream. Never used for a second stream in the same store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct StreamId(pub(crate) u32);

/// A stream's name: 1 to 255 bytes of text. It is never used as a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// The longest name, in bytes.
    pub const MAX_LENGTH: usize = 255;

    /// Takes a name, unless it is empty or too long.
    pub fn new(name: &str) -> Option<Self> {
        (1..=Self::MAX_LENGTH)
            .contains(&name.len())
            .then(|| Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for StreamName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for StreamName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for StreamName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::new(&name).ok_or_else(|| serde::de::Error::custom("a stream name has 1 to 255 bytes"))
    }
}

/// What each message adds to a stream's size beside its payload, in bytes.
///
/// It stands for the message's share of keys, headers and indexes, so that a stream of tiny
/// messages cannot fill a disk far beyond its `max_size`.
pub const MESSAGE_OVERHEAD: u64 = 16;

/// What a payload of this many bytes adds to the size of its stream.
pub const fn message_size(payload_bytes: usize) -> u64 {
    payload_bytes as u64 + MESSAGE_OVERHEAD
}

/// One message as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its place in the stream.
    pub sequence_number: SequenceNumber,
    /// When the store took it.
    pub ingest_time: Timestamp,
    /// What was appended, byte for byte.
    pub payload: Bytes,
}
