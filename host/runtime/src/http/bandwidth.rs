//! The ceiling on what all components send together: a token bucket.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// What may go out at once after a pause, as time at the ceiling. Timers that are late by less lose
/// nothing of the bandwidth.
const BURST: Duration = Duration::from_millis(100);
/// The least that is sent at once, in bytes: below it the headers of packets outweigh the data.
const LEAST_PIECE: usize = 1 << 10;

/// The most that all components together send over HTTP, on average.
///
/// It is a ceiling on what exports upload (specification 4.2 and 6.7): the heads of requests, by
/// estimate, and their bodies. What is received, TLS and TCP themselves, sockets of `wasi:sockets`
/// and the host's own requests for credentials do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bandwidth {
    kilobits: NonZeroU32,
}

impl Bandwidth {
    /// Kilobits a second, of 1000 bits each.
    pub const fn from_kilobits(kilobits: NonZeroU32) -> Self {
        Self { kilobits }
    }

    /// Kilobits a second.
    pub const fn kilobits(self) -> NonZeroU32 {
        self.kilobits
    }

    /// How long the line is busy with this many bytes.
    fn time_for(self, bytes: usize) -> Duration {
        /// Nanoseconds for a byte at one kilobit a second.
        const NANOS: u64 = 8_000_000;
        let nanos = (bytes as u64).saturating_mul(NANOS) / u64::from(self.kilobits.get());
        Duration::from_nanos(nanos)
    }

    /// The most bytes that are let through at once, so that the line is used evenly and requests
    /// take turns.
    pub(super) fn piece(self) -> usize {
        // A kilobit a second is 125 bytes a second.
        let burst = u128::from(self.kilobits.get()) * 125 * BURST.as_millis() / 1000;
        usize::try_from(burst)
            .unwrap_or(usize::MAX)
            .max(LEAST_PIECE)
    }
}

/// Says how long each piece has to wait, first come, first served.
#[derive(Debug)]
pub(super) struct TokenBucket {
    bandwidth: Bandwidth,
    /// When a burst may go out again. Each piece pushes it back by the time that it takes.
    full_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub(super) fn new(bandwidth: Bandwidth, now: Instant) -> Self {
        Self {
            bandwidth,
            full_at: now,
        }
    }

    /// Reserves the line for a number of bytes, and returns how long to wait before they are sent.
    pub(super) fn take(&mut self, now: Instant, bytes: usize) -> Duration {
        self.full_at = self.full_at.max(now) + self.bandwidth.time_for(bytes);
        self.full_at
            .saturating_duration_since(now)
            .saturating_sub(BURST)
    }

    /// Takes back a reservation of bytes that will not be sent.
    pub(super) fn give_back(&mut self, bytes: usize) {
        let time = self.bandwidth.time_for(bytes);
        self.full_at = self.full_at.checked_sub(time).unwrap_or(self.full_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn kilobits(kilobits: u32) -> Bandwidth {
        Bandwidth::from_kilobits(NonZeroU32::new(kilobits).unwrap())
    }

    /// 10,000 bytes a second, so a burst of 1000 bytes.
    const SLOW: Bandwidth = kilobits(80);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_goes_at_once_and_what_follows_at_the_pace_of_the_line() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(SLOW, now);
        assert_eq!(bucket.take(now, 1000), ms(0));
        assert_eq!(bucket.take(now, 500), ms(50));
        assert_eq!(bucket.take(now, 500), ms(100));
        assert_eq!(bucket.take(now + ms(100), 100), ms(10));
    }

    #[test]
    fn a_piece_beyond_the_burst_waits_for_the_rest_of_itself() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(SLOW, now);
        assert_eq!(bucket.take(now, 11_000), ms(1000));
    }

    #[test]
    fn a_pause_saves_up_one_burst_and_no_more() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(SLOW, now);
        bucket.take(now, 1000);
        assert_eq!(bucket.take(now + ms(50), 1000), ms(50));
        let later = now + Duration::from_secs(3600);
        assert_eq!(bucket.take(later, 2000), ms(100));
    }

    #[test]
    fn late_senders_still_get_the_whole_line() {
        let mut now = Instant::now();
        let mut bucket = TokenBucket::new(SLOW, now);
        let start = now;
        for _ in 0..100 {
            let wait = bucket.take(now, 1000);
            now += wait + ms(7);
        }
        // 100,000 bytes, of which the first 1000 went at once.
        let sent_in = now - start;
        assert!(
            (ms(9900)..ms(10_000)).contains(&sent_in),
            "100 kB in {sent_in:?}"
        );
    }

    #[test]
    fn no_amount_overflows() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(kilobits(1), now);
        assert!(bucket.take(now, usize::MAX) > Duration::from_secs(1 << 30));
        assert_eq!(kilobits(1).piece(), LEAST_PIECE);
        assert_eq!(kilobits(u32::MAX).piece(), 53_687_091_187);
        assert_eq!(kilobits(1000).piece(), 12_500);
    }
}
