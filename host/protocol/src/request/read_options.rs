//! Which messages a read asks for (section 6.2).

use crate::cbor::{Reader, Writer};
use crate::{Bounded, ProtocolError, SequenceNumber};

/// A number of messages.
pub type MessageCount = Bounded<1, 2_147_483_647>;

/// How long a read waits, in milliseconds. The bound is that of the data model; a server has to cap
/// the wait below the 60 s after which clients give up (section 6.2).
pub type ReadTimeoutMillis = Bounded<0, 9_223_372_036_854>;

/// Which messages a read asks for, how many, and how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadMessagesOptions {
    /// The first message; if it is gone, the oldest that is there.
    pub desired_start_sequence_number: SequenceNumber,
    /// With fewer than this the read waits, and then fails.
    pub min_message_count: MessageCount,
    /// Not more than this, and not below `min_message_count` in options that were decoded.
    pub max_message_count: MessageCount,
    /// How long to wait for `min_message_count`.
    pub read_timeout_millis: ReadTimeoutMillis,
}

impl Default for ReadMessagesOptions {
    /// One message from the beginning, without waiting.
    fn default() -> Self {
        Self {
            desired_start_sequence_number: SequenceNumber::MIN,
            min_message_count: MessageCount::MIN,
            max_message_count: MessageCount::MIN,
            read_timeout_millis: ReadTimeoutMillis::MIN,
        }
    }
}

impl ReadMessagesOptions {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let mut options = Self::default();
        let mut max = None;
        reader.map(|reader, key| {
            match key {
                "desiredStartSequenceNumber" => {
                    options.desired_start_sequence_number = reader.bounded()?;
                }
                "minMessageCount" => options.min_message_count = reader.bounded()?,
                "maxMessageCount" => max = Some(reader.bounded()?),
                "readTimeoutMillis" => options.read_timeout_millis = reader.bounded()?,
                _ => reader.pass_over(key)?,
            }
            Ok(())
        })?;
        let min = options.min_message_count;
        // The documented default of 1 would contradict a greater minimum: official samples give
        // only that, and get as many.
        options.max_message_count = max.unwrap_or(min);
        if options.max_message_count < min {
            return Err(ProtocolError::value(format!(
                "must be at least minMessageCount, which is {min}, but it is {}",
                options.max_message_count
            ))
            .within("maxMessageCount"));
        }
        Ok(options)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer.map(|map| {
            map.key("desiredStartSequenceNumber")
                .uint(self.desired_start_sequence_number.get());
            map.key("minMessageCount")
                .uint(self.min_message_count.get());
            map.key("maxMessageCount")
                .uint(self.max_message_count.get());
            map.key("readTimeoutMillis")
                .uint(self.read_timeout_millis.get());
        });
    }
}
