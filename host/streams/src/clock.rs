//! The time, as a part that can be exchanged.
//!
//! A device's clock gets corrected, by years when it had no battery. What is stored must not be deleted
//! for that, nor stay for as long as the clock was wrong. So the age of a message, for its time to live,
//! grows with a clock that only runs: where the time of day makes a step that this one does not, the
//! times of what is stored make it too ([`Steps`]). The ingest time that a reader sees stays as it was.
//!
//! While the store is closed there is only the time of day. A message from the future of that clock
//! counts as taken when the store opened; a clock that was put forward meanwhile cannot be told from a
//! device that was off for long, and what its time of day calls old goes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::types::Timestamp;

/// Tells the time. Retention and ingest times hang on it.
pub trait Clock: Send + Sync + 'static {
    /// The time of day, which may be earlier than the answer before: device clocks get corrected.
    fn now(&self) -> Timestamp;

    /// A clock that only runs: it is never corrected, and its moments mean nothing by themselves.
    fn steady(&self) -> Instant;
}

/// The device's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // Before 1970 the difference is negative; such a clock has never been set.
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn steady(&self) -> Instant {
        Instant::now()
    }
}

/// A clock that stands still until it is moved, for tests of what depends on time.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
    began: Instant,
    ran_millis: AtomicU64,
}

impl ManualClock {
    /// A clock that shows this time.
    pub fn new(now: Timestamp) -> Self {
        Self {
            now: AtomicU64::new(now.as_millis()),
            began: Instant::now(),
            ran_millis: AtomicU64::new(0),
        }
    }

    /// Lets time pass.
    pub fn advance_millis(&self, millis: u64) {
        self.ran_millis.fetch_add(millis, Ordering::SeqCst);
        self.now.fetch_add(millis, Ordering::SeqCst);
    }

    /// Corrects the time of day, while no time passes.
    pub fn set(&self, now: Timestamp) {
        self.now.store(now.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn steady(&self) -> Instant {
        self.began + Duration::from_millis(self.ran_millis.load(Ordering::SeqCst))
    }
}

/// A difference between the two clocks below this is drift, or the pause between asking one and the
/// other. It is well below the least time to live.
const TOLERANCE: Duration = Duration::from_secs(10);

/// Tells steps of the time of day from its running.
#[derive(Debug)]
pub(crate) struct Steps {
    now: Timestamp,
    steady: Instant,
}

impl Steps {
    /// Steps from now on.
    pub(crate) fn since(clock: &dyn Clock) -> Self {
        Self {
            now: clock.now(),
            steady: clock.steady(),
        }
    }

    /// The time of day, and the milliseconds by which it was put forward, or back if negative, since
    /// this was asked last; none if it was let run.
    pub(crate) fn look(&mut self, clock: &dyn Clock) -> (Timestamp, Option<i64>) {
        let seen = Self::since(clock);
        let ran = seen.steady.saturating_duration_since(self.steady);
        let expected = self
            .now
            .plus_millis(u64::try_from(ran.as_millis()).unwrap_or(u64::MAX));
        *self = seen;
        let step = signed(self.now).saturating_sub(signed(expected));
        let is_step = u128::from(step.unsigned_abs()) > TOLERANCE.as_millis();
        (self.now, is_step.then_some(step))
    }
}

fn signed(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_is_no_step_and_a_correction_is_one_once() {
        let clock = ManualClock::new(Timestamp::from_millis(1_000_000));
        let mut steps = Steps::since(&clock);
        let mut step = || steps.look(&clock).1;
        clock.advance_millis(86_400_000);
        assert_eq!(step(), None);
        clock.set(clock.now().plus_millis(10_000));
        assert_eq!(step(), None, "drift");
        clock.advance_millis(500);
        clock.set(clock.now().plus_millis(3_600_000));
        assert_eq!(step(), Some(3_600_000));
        assert_eq!(step(), None);
        clock.set(Timestamp::from_millis(7));
        clock.advance_millis(3);
        assert_eq!(step(), Some(7 - 91_010_500));
    }
}
