//! Log events.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_plugin::Message;
use serde::Serialize;

use crate::config::Binary;

/// What the service counts for each event beside its text (API reference of `PutLogEvents`).
pub(crate) const EVENT_BYTES: u64 = 26;
/// The largest sum of events in a call, and the largest event (the same page).
pub(crate) const MAX_CALL_BYTES: u64 = 1 << 20;
/// The largest event that the service took before 2025 everywhere, and takes in each Region.
pub(crate) const CLASSIC_EVENT_BYTES: u64 = 256 << 10;

/// One log event, as the service takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Event {
    /// In milliseconds since the epoch.
    pub(crate) timestamp: u64,
    pub(crate) message: String,
}

impl Event {
    /// Makes an event of a message.
    ///
    /// # Errors
    ///
    /// A sentence, if the message cannot be one.
    pub(crate) fn new(message: Message, binary: Binary) -> Result<Self, String> {
        let text = match (String::from_utf8(message.payload), binary) {
            (Ok(text), _) => text,
            (Err(error), Binary::Base64) => STANDARD.encode(error.as_bytes()),
            (Err(error), Binary::Reject) => {
                return Err(format!(
                    "The payload is not text in UTF-8 from byte {} on, and `binary` is `reject`.",
                    error.utf8_error().valid_up_to()
                ));
            }
        };
        Ok(Self {
            timestamp: message.ingest_time,
            message: text,
        })
    }

    /// What it counts against [`MAX_CALL_BYTES`].
    pub(crate) fn bytes(&self) -> u64 {
        self.message.len() as u64 + EVENT_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(payload: &[u8], binary: Binary) -> Result<Event, String> {
        let message = Message {
            sequence_number: 7,
            ingest_time: 1_767_225_600_000,
            payload: payload.to_vec(),
        };
        Event::new(message, binary)
    }

    #[test]
    fn text_stays_as_it_is() {
        for binary in [Binary::Base64, Binary::Reject] {
            let event = event("21.5 °C\n\0".as_bytes(), binary).unwrap();
            assert_eq!(event.message, "21.5 °C\n\0");
            assert_eq!(event.timestamp, 1_767_225_600_000);
            assert_eq!(event.bytes(), 10 + 26);
        }
    }

    #[test]
    fn what_is_no_text_becomes_base64_or_is_rejected() {
        assert_eq!(event(b"\0\xff", Binary::Base64).unwrap().message, "AP8=");
        let reason = event(b"ab\xff", Binary::Reject).unwrap_err();
        assert!(reason.contains("from byte 2 on"), "{reason}");
    }
}
