//! Pauses between failed tries.

use std::time::Duration;

/// Doubles from the first pause to the longest. Each pause is shortened by up to a half at random,
/// so that a thousand devices that lost the same server do not come back as one.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// The pause after one more failure, not shorter than what the destination asked for.
    pub(crate) fn pause(&mut self, at_least: Option<Duration>) -> Duration {
        let doubled = self
            .first
            .saturating_mul(2_u32.saturating_pow(self.failures.min(31)));
        self.failures = self.failures.saturating_add(1);
        let jitter = 0.5 + fastrand::f64() / 2.0;
        let pause = doubled.min(self.longest).mul_f64(jitter);
        // A destination that asks for hours is tried again after the longest pause all the same.
        pause.max(at_least.unwrap_or_default().min(self.longest))
    }

    /// Begins again with the first pause.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_begin_again_after_a_success() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(2));
        let mut backoff = Backoff::new(first, longest);
        for expected in [100, 200, 400, 800, 1600, 2000, 2000] {
            let expected = Duration::from_millis(expected);
            let pause = backoff.pause(None);
            assert!(
                pause <= expected && pause * 2 >= expected,
                "{pause:?} {expected:?}"
            );
        }
        for _ in 0..100 {
            assert!(backoff.pause(None) <= longest);
        }
        backoff.reset();
        assert!(backoff.pause(None) <= first);
    }

    #[test]
    fn a_destination_can_ask_for_more_but_not_for_ever() {
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_secs(300));
        let asked = Duration::from_secs(30);
        assert_eq!(backoff.pause(Some(asked)), asked);
        assert_eq!(backoff.pause(Some(asked * 1000)), Duration::from_secs(300));
    }
}
