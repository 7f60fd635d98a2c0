//! Numbers that carry their bounds.

use std::fmt;

use crate::ProtocolError;

/// The largest integer of the protocol, 2^63 - 1: its integers are signed (section 1.2).
pub(crate) const MAX_INTEGER: u64 = i64::MAX.unsigned_abs();

/// An integer from `MIN` to `MAX`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bounded<const MIN: u64, const MAX: u64>(u64);

/// The place of a message in its stream: 0 for the first.
pub type SequenceNumber = Bounded<0, MAX_INTEGER>;

impl<const MIN: u64, const MAX: u64> Bounded<MIN, MAX> {
    /// The least value.
    pub const MIN: Self = Self(MIN);
    /// The greatest value.
    pub const MAX: Self = Self(MAX);

    /// The value, if it lies within the bounds.
    ///
    /// # Errors
    /// [`ProtocolError::Field`], whose sentence names the bounds.
    pub fn new(value: u64) -> Result<Self, ProtocolError> {
        if (MIN..=MAX).contains(&value) {
            Ok(Self(value))
        } else {
            Err(ProtocolError::outside(MIN, MAX, value))
        }
    }

    /// The value, or the bound that is nearest to it.
    #[must_use]
    pub const fn clamped(value: u64) -> Self {
        if value < MIN {
            Self(MIN)
        } else if value > MAX {
            Self(MAX)
        } else {
            Self(value)
        }
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The value as a count of things in memory; beyond what a small device can address, the
    /// greatest count.
    #[must_use]
    pub fn to_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<const MIN: u64, const MAX: u64> TryFrom<u64> for Bounded<MIN, MAX> {
    type Error = ProtocolError;

    fn try_from(value: u64) -> Result<Self, ProtocolError> {
        Self::new(value)
    }
}

impl<const MIN: u64, const MAX: u64> fmt::Display for Bounded<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_outside_its_bounds_is_refused_or_clamped() {
        type Priority = Bounded<1, 10>;
        assert_eq!(Priority::new(10).unwrap().get(), 10);
        assert!(Priority::new(0).is_err());
        assert!(Priority::new(11).is_err());
        assert_eq!(Priority::clamped(0).get(), 1);
        assert_eq!(Priority::clamped(99).get(), 10);
        assert_eq!(SequenceNumber::MAX.get(), 9_223_372_036_854_775_807);
    }
}
