//! What is remembered of an object before it is written.

use serde::{Deserialize, Serialize};

/// An object that is being written: all that its key is made of, and which messages it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Plan {
    /// The number of its first message.
    pub(crate) first: u64,
    /// The number of its last message, as its key says; not below `first`.
    pub(crate) last: u64,
    /// The last number that it gets; below `last` if the host hands over fewer messages than before.
    pub(crate) end: u64,
    /// Whether it may ever have got fewer messages than its key says.
    pub(crate) was_cut: bool,
    /// When the host took the first message, in milliseconds since the epoch.
    pub(crate) first_time: u64,
}

impl Plan {
    /// The plan for messages from `first` to `last`, of which the first was taken at `first_time`.
    pub(crate) fn new(first: u64, last: u64, first_time: u64) -> Self {
        Self {
            first,
            last,
            end: last,
            was_cut: false,
            first_time,
        }
    }

    /// Whether the object may have a message already.
    pub(crate) fn may_hold(&self, number: u64) -> bool {
        (self.first..=self.last).contains(&number)
    }

    /// The plan for a batch that begins and ends with these numbers and of which the first may be in the
    /// object.
    pub(crate) fn fit(self, first: u64, last: u64) -> Self {
        let most = match first <= self.end {
            true => self.end,
            false => self.last,
        };
        match most.min(last) {
            end if end == self.end => self,
            end => Self {
                end,
                was_cut: true,
                ..self
            },
        }
    }

    /// The bytes to remember.
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads remembered bytes; none if they are not a plan.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let plan: Self = serde_json::from_slice(bytes).ok()?;
        (plan.first <= plan.end && plan.end <= plan.last).then_some(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_remembered_as_it_was() {
        for plan in [
            Plan::new(7, u64::MAX, 1_767_225_600_000),
            Plan::new(7, u64::MAX, 0).fit(7, 9),
        ] {
            assert_eq!(Plan::decode(&plan.encode()), Some(plan));
        }
    }

    #[test]
    fn a_plan_follows_batches_that_end_before_it_or_begin_behind_its_end() {
        let whole = Plan::new(10, 20, 0);
        assert!(
            !whole.may_hold(9) && whole.may_hold(10) && whole.may_hold(20) && !whole.may_hold(21)
        );
        for (first, last) in [(10, 20), (10, 99), (15, 20), (15, 99)] {
            assert_eq!(whole.fit(first, last), whole);
        }
        let cut = whole.fit(10, 14);
        assert_eq!((cut.end, cut.was_cut), (14, true));
        assert_eq!(cut.fit(12, 99), cut);
        let behind = cut.fit(16, 99);
        assert_eq!((behind.end, behind.was_cut), (20, true));
    }

    #[test]
    fn bytes_of_something_else_are_no_plan() {
        for bytes in [
            &b""[..],
            b"{}",
            b"\xff",
            br#"{"first":2,"last":2,"end":1,"wasCut":true,"firstTime":0}"#,
            br#"{"first":2,"last":2,"end":3,"wasCut":true,"firstTime":0}"#,
        ] {
            assert_eq!(Plan::decode(bytes), None);
        }
    }
}
