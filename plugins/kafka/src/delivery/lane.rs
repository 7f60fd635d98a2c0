//! What waits for one partition, in order.
//!
//! A partition gets one batch of records at a time, and after a failure none for the rest of the call: so
//! no record overtakes an earlier one of its partition.

use std::collections::VecDeque;

use millstream_plugin::ExportError;

use crate::record::{BATCH_BYTES, Outgoing};

/// Records for one partition.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) partition: i32,
    /// In pieces of which each makes a batch at most; none is empty.
    waiting: VecDeque<Vec<Outgoing>>,
    /// Why nothing more goes there in this call.
    pub(super) failure: Option<ExportError>,
}

impl Lane {
    pub(super) fn new(partition: i32) -> Self {
        Self {
            partition,
            waiting: VecDeque::new(),
            failure: None,
        }
    }

    /// Puts a record behind the others.
    pub(super) fn push(&mut self, record: Outgoing) {
        match self.waiting.back_mut() {
            Some(last) => last.push(record),
            None => self.waiting.push_back(vec![record]),
        }
    }

    /// Whether there is something to send.
    pub(super) fn is_ready(&self) -> bool {
        self.failure.is_none() && !self.waiting.is_empty()
    }

    /// Takes as many records from the front as make a batch of at most so many bytes: at least one, if
    /// there is one.
    pub(super) fn take(&mut self, most_bytes: u64) -> Vec<Outgoing> {
        let Some(mut batch) = self.waiting.pop_front() else {
            return Vec::new();
        };
        let mut room = most_bytes.saturating_sub(BATCH_BYTES);
        let fitting = batch
            .iter()
            .take_while(|record| match room.checked_sub(record.bytes()) {
                Some(rest) => {
                    room = rest;
                    true
                }
                None => false,
            })
            .count();
        let rest = batch.split_off(fitting.clamp(1, batch.len()));
        self.put_back(rest);
        batch
    }

    /// Puts records in front of the others.
    pub(super) fn put_back(&mut self, records: Vec<Outgoing>) {
        if !records.is_empty() {
            self.waiting.push_front(records);
        }
    }

    /// Puts records in front of the others, to go in two batches.
    pub(super) fn put_back_halved(&mut self, mut records: Vec<Outgoing>) {
        let second = records.split_off(records.len() / 2);
        self.put_back(second);
        self.put_back(records);
    }

    /// All that still waits, by their places.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.waiting.iter().flatten().map(|record| record.place)
    }
}

#[cfg(test)]
mod tests {
    use millstream_plugin::Message;

    use super::*;
    use crate::key::Key;
    use crate::record::Records;

    fn lane(count: usize, bytes: usize) -> Lane {
        let records = Records::new("s", Key::None);
        let mut lane = Lane::new(0);
        for place in 0..count {
            let message = Message {
                sequence_number: 0,
                ingest_time: 0,
                payload: vec![b'x'; bytes],
            };
            lane.push(records.of(place, message));
        }
        lane
    }

    fn places(records: &[Outgoing]) -> Vec<usize> {
        records.iter().map(|record| record.place).collect()
    }

    #[test]
    fn batches_are_as_full_as_they_may_be_and_in_order() {
        let mut lane = lane(5, 1000);
        assert_eq!(places(&lane.take(2500)), [0, 1]);
        assert_eq!(places(&lane.take(2500)), [2, 3]);
        assert_eq!(places(&lane.take(2500)), [4]);
        assert!(lane.take(2500).is_empty() && !lane.is_ready());
    }

    #[test]
    fn a_record_that_never_fits_goes_alone() {
        let mut lane = lane(2, 1000);
        assert_eq!(places(&lane.take(10)), [0]);
        assert_eq!(places(&lane.take(0)), [1]);
    }

    #[test]
    fn halves_go_one_after_the_other() {
        let mut lane = lane(5, 10);
        let all = lane.take(u64::MAX);
        lane.put_back_halved(all);
        assert_eq!(places(&lane.take(u64::MAX)), [0, 1]);
        assert_eq!(lane.places().collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn a_lane_that_failed_sends_nothing_more() {
        let mut lane = lane(1, 10);
        assert!(lane.is_ready());
        lane.failure = Some(ExportError::unavailable("as told"));
        assert!(!lane.is_ready());
        assert_eq!(lane.places().count(), 1);
    }
}
