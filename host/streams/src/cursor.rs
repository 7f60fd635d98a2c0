//! How far an export has come, and how it fares.

use serde::{Deserialize, Serialize};

use crate::types::{SequenceNumber, Timestamp};

/// The state of one export of one stream. It survives the end of the process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cursor {
    /// The lowest message that is not settled: everything below was delivered, rejected, or deleted
    /// by retention before its turn came.
    pub next: SequenceNumber,
    /// Messages delivered so far.
    pub delivered_messages: u64,
    /// Bytes of payload delivered so far.
    pub delivered_bytes: u64,
    /// Messages that the destination or the plugin can never take.
    pub rejected_messages: u64,
    /// Messages that retention or damage took away before they were exported.
    pub missed_messages: u64,
    /// When a delivery was last tried.
    pub last_attempt: Option<Timestamp>,
    /// Why the last try failed; none if it did not.
    pub last_error: Option<String>,
}

impl Cursor {
    /// The cursor of an export that begins at `start`.
    pub fn starting_at(start: SequenceNumber) -> Self {
        Self {
            next: start,
            ..Self::default()
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        // Numbers and text: there is nothing in a cursor that JSON cannot hold.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_of_an_earlier_version_reads_with_defaults() {
        let cursor = Cursor::decode(br#"{"next":5,"something_new":1}"#).unwrap();
        assert_eq!(cursor, Cursor::starting_at(SequenceNumber::new(5)));
    }
}
