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
    /// What whoever exports remembers of work that is longer than one try, in words of its own; none
    /// if nothing.
    pub work: Option<String>,
}

impl Cursor {
    /// The cursor of an export that begins at `start`.
    pub fn starting_at(start: SequenceNumber) -> Self {
        Self {
            next: start,
            ..Self::default()
        }
    }
}

/// A cursor as it is stored: with the start of the export that it was for. An export that was given
/// another start begins anew, even if a crash has kept the record from being replaced; 0 means that
/// none was given.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    start: Option<SequenceNumber>,
    #[serde(flatten)]
    pub(crate) cursor: Cursor,
}

impl Record {
    pub(crate) fn new(start: SequenceNumber, cursor: Cursor) -> Self {
        Self {
            start: Some(start),
            cursor,
        }
    }

    /// The cursor, if it belongs to an export with this start.
    pub(crate) fn cursor_from(&self, start: SequenceNumber) -> Option<Cursor> {
        let kept = start == SequenceNumber::ZERO || self.start.is_none_or(|known| known == start);
        kept.then(|| self.cursor.clone())
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

    const START: SequenceNumber = SequenceNumber::new(3);

    #[test]
    fn a_cursor_of_an_earlier_version_reads_with_defaults() {
        let record = Record::decode(br#"{"next":5,"something_new":1}"#).unwrap();
        let expected = Cursor::starting_at(SequenceNumber::new(5));
        assert_eq!(record.cursor_from(START), Some(expected));
    }

    #[test]
    fn a_cursor_counts_only_for_the_start_it_was_saved_with() {
        let cursor = Cursor {
            delivered_messages: 4,
            last_error: Some("no route".into()),
            ..Cursor::starting_at(SequenceNumber::new(7))
        };
        let record = Record::new(START, cursor.clone());
        let record = Record::decode(&record.encode()).unwrap();
        assert_eq!(record.cursor_from(START).as_ref(), Some(&cursor));
        assert_eq!(record.cursor_from(SequenceNumber::ZERO), Some(cursor));
        assert_eq!(record.cursor_from(START + 1), None);
    }
}
