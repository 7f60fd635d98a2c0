//! What a stream holds, counted in segments: the unit in which retention deletes.
//!
//! The ledger of a stream belongs to the writer thread alone. Everybody else sees the [`Position`]
//! that is published after each commit.

use std::collections::VecDeque;

use crate::types::{SequenceNumber, Timestamp};

/// A run of messages that retention deletes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The number of its first message.
    pub(crate) base: SequenceNumber,
    /// The number behind its last message. Less than the next segment's base only where damage has
    /// taken messages away.
    pub(crate) end: SequenceNumber,
    /// Its size, see `message_size`.
    pub(crate) bytes: u64,
    /// When its last message was taken, by the clock as it is now: where that was corrected, this was
    /// too.
    pub(crate) newest: Timestamp,
}

/// Where a stream begins and ends, as readers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The oldest message that can be read; equal to `tail` if there is none.
    pub head: SequenceNumber,
    /// The number that the next message will get.
    pub tail: SequenceNumber,
    /// The stream's size, see `message_size`.
    pub bytes: u64,
}

/// The segments of one stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    segments: VecDeque<Segment>,
    tail: SequenceNumber,
    bytes: u64,
    /// The next message opens a segment even if the last one has room.
    sealed: bool,
}

/// Whether a message went into the segment that was last, or opened one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    InLast,
    /// It opened a segment; the one before is complete.
    InNew {
        completed: Option<Segment>,
    },
}

impl Ledger {
    /// A ledger as it was found on disk. `segments` are in order; `tail` is at or behind their end.
    pub(crate) fn restore(segments: VecDeque<Segment>, tail: SequenceNumber) -> Self {
        let bytes = segments.iter().map(|segment| segment.bytes).sum();
        // Behind a gap numbering goes on in a segment of its own.
        let sealed = segments.back().is_none_or(|last| last.end != tail);
        Self {
            segments,
            tail,
            bytes,
            sealed,
        }
    }

    pub(crate) fn position(&self) -> Position {
        let head = self
            .segments
            .front()
            .map_or(self.tail, |segment| segment.base);
        Position {
            head,
            tail: self.tail,
            bytes: self.bytes,
        }
    }

    pub(crate) fn tail(&self) -> SequenceNumber {
        self.tail
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn last(&self) -> Option<&Segment> {
        self.segments.back()
    }

    /// Takes one message of `size` bytes; a segment takes messages up to `segment_size`, and one
    /// message of any size.
    pub(crate) fn push(&mut self, size: u64, time: Timestamp, segment_size: u64) -> Placed {
        let base = self.tail;
        self.tail = self.tail + 1;
        self.bytes += size;
        if let Some(last) = self.segments.back_mut()
            && !self.sealed
            && last.bytes.saturating_add(size) <= segment_size
        {
            last.end = self.tail;
            last.bytes += size;
            last.newest = last.newest.max(time);
            return Placed::InLast;
        }
        let completed = self.segments.back().copied();
        self.segments.push_back(Segment {
            base,
            end: self.tail,
            bytes: size,
            newest: time,
        });
        self.sealed = false;
        Placed::InNew { completed }
    }

    /// Deletes the oldest segment.
    pub(crate) fn drop_oldest(&mut self) -> Option<Segment> {
        let oldest = self.segments.pop_front()?;
        self.bytes -= oldest.bytes;
        Some(oldest)
    }

    /// Follows a clock that was put forward by so many milliseconds, or back if negative, and shows
    /// `now`. Nothing was taken later than that.
    pub(crate) fn follow_clock(&mut self, step: i64, now: Timestamp) {
        for segment in &mut self.segments {
            segment.newest = segment.newest.shifted(step).min(now);
        }
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter()
    }

    /// The oldest segment, if all its messages are older than `time_to_live_millis`.
    pub(crate) fn expired(&self, now: Timestamp, time_to_live_millis: u64) -> Option<&Segment> {
        self.segments
            .front()
            .filter(|oldest| oldest.newest.plus_millis(time_to_live_millis) < now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1000);

    #[test]
    fn a_segment_takes_messages_up_to_its_size() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.push(60, NOW, 100), Placed::InNew { completed: None });
        assert_eq!(ledger.push(40, NOW, 100), Placed::InLast);
        let first = Segment {
            base: SequenceNumber::ZERO,
            end: SequenceNumber::new(2),
            bytes: 100,
            newest: NOW,
        };
        assert_eq!(
            ledger.push(1, NOW, 100),
            Placed::InNew {
                completed: Some(first)
            }
        );
        assert_eq!(ledger.drop_oldest(), Some(first));
        assert_eq!(ledger.position().head, SequenceNumber::new(2));
        assert_eq!(ledger.bytes(), 1);
    }

    #[test]
    fn an_emptied_stream_goes_on_with_its_numbers() {
        let mut ledger = Ledger::default();
        ledger.push(10, NOW, 100);
        ledger.drop_oldest();
        let position = ledger.position();
        assert_eq!(
            (position.head, position.tail, position.bytes),
            (SequenceNumber::new(1), SequenceNumber::new(1), 0)
        );
        assert_eq!(ledger.push(10, NOW, 100), Placed::InNew { completed: None });
        assert_eq!(ledger.position().head, SequenceNumber::new(1));
    }

    #[test]
    fn behind_a_gap_a_new_segment_begins() {
        let segment = Segment {
            base: SequenceNumber::ZERO,
            end: SequenceNumber::new(2),
            bytes: 20,
            newest: NOW,
        };
        let mut ledger = Ledger::restore([segment].into(), SequenceNumber::new(5));
        assert!(matches!(
            ledger.push(10, NOW, 100),
            Placed::InNew { completed: Some(_) }
        ));
        assert_eq!(ledger.position().tail, SequenceNumber::new(6));
    }

    #[test]
    fn a_segment_expires_with_its_newest_message() {
        let mut ledger = Ledger::default();
        ledger.push(10, NOW, 100);
        ledger.push(10, NOW.plus_millis(50), 100);
        assert!(ledger.expired(NOW.plus_millis(150), 100).is_none());
        assert!(ledger.expired(NOW.plus_millis(151), 100).is_some());
    }

    #[test]
    fn ages_stay_as_they_are_when_the_clock_is_corrected() {
        let mut ledger = Ledger::default();
        ledger.push(10, NOW, 10);
        ledger.push(10, NOW.plus_millis(50), 10);
        let newest = |ledger: &Ledger| -> Vec<_> {
            let times = ledger.segments().map(|segment| segment.newest.as_millis());
            times.collect()
        };
        ledger.follow_clock(5000, NOW.plus_millis(5060));
        assert_eq!(newest(&ledger), [6000, 6050]);
        ledger.follow_clock(-5900, Timestamp::from_millis(160));
        assert_eq!(newest(&ledger), [100, 150]);
        ledger.follow_clock(0, Timestamp::from_millis(120));
        assert_eq!(newest(&ledger), [100, 120], "nothing is from the future");
    }
}
