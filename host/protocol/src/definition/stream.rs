//! The definition of a stream (section 3).

use bytes::{Bytes, BytesMut};

use super::ExportDefinition;
use crate::bounded::MAX_INTEGER;
use crate::cbor::{Reader, Writer};
use crate::codes::codes;
use crate::{Bounded, Name, ProtocolError};

/// The size of a stream, in bytes.
pub type MaxSize = Bounded<1024, MAX_INTEGER>;

/// The size of a segment, in bytes: the least that can be deleted at once.
pub type SegmentSize = Bounded<1024, 2_147_483_647>;

/// How long a message is kept, in milliseconds.
pub type TimeToLiveMillis = Bounded<60_000, 9_223_372_036_854>;

codes! {
    /// What happens to an append when the stream has reached its size.
    pub enum StrategyOnFull {
        /// The append is refused.
        RejectNewData = 0,
        /// The oldest segments are deleted until the message fits.
        OverwriteOldestData = 1,
    }
}

codes! {
    /// Where the messages of a stream are kept.
    pub enum Persistence {
        /// On disk.
        File = 0,
        /// In memory alone; they are gone after a restart.
        Memory = 1,
    }
}

/// The definition of a stream, valid and with all defaults filled in (section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageStreamDefinition {
    /// The name of the stream, unique on the server.
    pub name: Name,
    /// The size at which `strategy_on_full` takes effect.
    pub max_size: MaxSize,
    /// The size of a segment. Not above `max_size` in a definition that was decoded.
    pub stream_segment_size: SegmentSize,
    /// How long a message stays at least; without it, until it is overwritten.
    pub time_to_live_millis: Option<TimeToLiveMillis>,
    /// What happens when the stream is full.
    pub strategy_on_full: StrategyOnFull,
    /// Where the messages are kept.
    pub persistence: Persistence,
    /// Whether an append waits for the disk. Without meaning for [`Persistence::Memory`].
    pub flush_on_write: bool,
    /// Where the messages go.
    pub exports: ExportDefinition,
}

impl MessageStreamDefinition {
    /// The size of a stream whose definition names none: 256 MiB.
    pub const DEFAULT_MAX_SIZE: MaxSize = Bounded::clamped(256 << 20);

    /// The size of a segment whose definition names none: 16 MiB.
    pub const DEFAULT_SEGMENT_SIZE: SegmentSize = Bounded::clamped(16 << 20);

    /// A definition with the defaults of the specification and without exports.
    #[must_use]
    pub fn new(name: Name, strategy_on_full: StrategyOnFull) -> Self {
        Self {
            name,
            max_size: Self::DEFAULT_MAX_SIZE,
            stream_segment_size: Self::DEFAULT_SEGMENT_SIZE,
            time_to_live_millis: None,
            strategy_on_full,
            persistence: Persistence::File,
            flush_on_write: false,
            exports: ExportDefinition::default(),
        }
    }

    /// Brings a segment size that nobody chose down to the size of the stream.
    ///
    /// Every SDK sends the default of 16 MiB along when its caller sets a smaller `maxSize` alone, so
    /// refusing that would refuse small streams (section 3).
    ///
    /// # Errors
    /// [`ProtocolError::Field`] if another segment size is above the size of the stream.
    pub(super) fn fit_segment_size(&mut self) -> Result<(), ProtocolError> {
        if self.stream_segment_size.get() <= self.max_size.get() {
            return Ok(());
        }
        if self.stream_segment_size != Self::DEFAULT_SEGMENT_SIZE {
            return Err(ProtocolError::value(format!(
                "must not be above maxSize, which is {}, but it is {}",
                self.max_size, self.stream_segment_size
            ))
            .within("streamSegmentSize"));
        }
        self.stream_segment_size = SegmentSize::clamped(self.max_size.get());
        Ok(())
    }

    /// Decodes a definition that [`to_cbor`](Self::to_cbor) encoded.
    ///
    /// # Errors
    /// [`ProtocolError`] if the bytes are not one complete and valid definition.
    pub fn from_cbor(bytes: &Bytes) -> Result<Self, ProtocolError> {
        let mut reader = Reader::new(bytes);
        let definition = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(definition)
    }

    /// Encodes the definition as it is on the wire.
    #[must_use]
    pub fn to_cbor(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.write(&mut Writer::new(&mut out));
        out.freeze()
    }
}
