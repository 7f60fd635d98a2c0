//! What the log says of requests that fail.
//!
//! Anybody may send a request, and each may fail: without a bound, the log would be as long as they like.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Different reasons in [`WINDOW`]; further ones, and repeats, are counted.
const MOST: usize = 10;
const WINDOW: Duration = Duration::from_secs(60);

/// The reasons of one webhook within a minute.
pub(super) struct Complaints {
    start: Instant,
    said: BTreeSet<String>,
    left_out: u64,
}

impl Complaints {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            start: now,
            said: BTreeSet::new(),
            left_out: 0,
        }
    }

    /// Whether a reason is to be written; if so, how many were left out in the minute before.
    pub(super) fn admit(&mut self, reason: &str, now: Instant) -> Option<u64> {
        let mut left_out = 0;
        if now.saturating_duration_since(self.start) >= WINDOW {
            left_out = self.left_out;
            *self = Self::new(now);
        }
        if self.said.len() < MOST && self.said.insert(reason.to_owned()) {
            Some(left_out)
        } else {
            self.left_out += 1;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_said_once_a_minute_and_ten_different_ones() {
        let start = Instant::now();
        let mut complaints = Complaints::new(start);
        assert_eq!(complaints.admit("0", start), Some(0));
        assert_eq!(complaints.admit("0", start), None);
        let others = (1..50).filter(|other| complaints.admit(&other.to_string(), start).is_some());
        assert_eq!(others.count(), MOST - 1);
        assert_eq!(complaints.admit("0", start + WINDOW), Some(41));
        assert_eq!(complaints.admit("1", start + WINDOW), Some(0));
    }
}
