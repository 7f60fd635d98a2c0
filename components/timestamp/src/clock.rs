//! The two clocks that the series of messages needs.

use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use millstream_plugin::stop;

/// Time as the series sees it.
pub(crate) trait Clock {
    /// The time of day.
    fn time(&self) -> Timestamp;
    /// Time since some fixed moment; it never goes back.
    fn elapsed(&self) -> Duration;
    /// Waits; true if the host wants the series to end.
    fn sleep(&mut self, pause: Duration) -> bool;
}

/// The host's clocks.
#[derive(Debug)]
pub(crate) struct SystemClock(Instant);

impl SystemClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn time(&self) -> Timestamp {
        Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&mut self, pause: Duration) -> bool {
        stop::wait(pause)
    }
}
