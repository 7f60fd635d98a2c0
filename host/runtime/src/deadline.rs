//! Time limits that leave out what an instance waits for bandwidth.
//!
//! A ceiling on the bandwidth makes large requests take long. Were that time counted, a call whose
//! batch is larger than what the line carries within the limit would fail, and fail again, for ever.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Where the addition of times would overflow: as good as never.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How long the requests of one instance have waited for bandwidth. Where several waited at once, the
/// time counts once.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<Waited>);

#[derive(Debug, Default)]
struct Waited {
    total: Duration,
    /// The end of the latest wait.
    until: Option<Instant>,
}

impl Waits {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Adds a wait that begins now. Its end is known in advance, so it counts at once.
    pub(crate) fn add(&self, now: Instant, wait: Duration) {
        let mut waited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = now + wait;
        let from = waited.until.map_or(now, |until| until.max(now));
        waited.total += end.saturating_duration_since(from);
        waited.until = Some(from.max(end));
    }

    /// The sum of all waits.
    pub(crate) fn total(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

/// Ready when a time has passed, waits left out.
pub(crate) struct Deadline {
    limit: Duration,
    waits: Arc<Waits>,
    started: Instant,
    waited_before: Duration,
    sleep: Pin<Box<Sleep>>,
}

/// The time was up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

impl Deadline {
    /// The time runs from now.
    pub(crate) fn after(limit: Duration, waits: Arc<Waits>) -> Self {
        let started = Instant::now();
        Self {
            limit,
            started,
            waited_before: waits.total(),
            waits,
            sleep: Box::pin(tokio::time::sleep(limit)),
        }
    }

    /// Lets the whole time run from now.
    pub(crate) fn restart(&mut self) {
        self.started = Instant::now();
        self.waited_before = self.waits.total();
        let end = self.end();
        self.sleep.as_mut().reset(end);
    }

    /// Runs a future that must end in time.
    pub(crate) async fn cover<T>(self, work: impl Future<Output = T>) -> Result<T, Elapsed> {
        tokio::select! {
            biased;
            answer = work => Ok(answer),
            () = self => Err(Elapsed),
        }
    }

    /// When the time is up, by the waits so far.
    fn end(&self) -> Instant {
        let waited = self.waits.total().saturating_sub(self.waited_before);
        self.started + self.limit.saturating_add(waited).min(NEVER)
    }
}

impl Future for Deadline {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(context));
            let end = self.end();
            if end <= Instant::now() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn waits_at_the_same_time_count_once() {
        let (waits, now) = (Waits::default(), Instant::now());
        waits.add(now, ms(100));
        waits.add(now + ms(20), ms(50));
        assert_eq!(waits.total(), ms(100));
        waits.add(now + ms(50), ms(100));
        assert_eq!(waits.total(), ms(150));
        waits.add(now + ms(500), ms(7));
        assert_eq!(waits.total(), ms(157));
    }

    #[tokio::test]
    async fn a_wait_puts_the_end_off_and_earlier_ones_do_not() {
        let waits = Waits::new();
        waits.add(Instant::now(), ms(1000));
        let mut deadline = Deadline::after(ms(100), Arc::clone(&waits));
        assert_eq!(deadline.end(), deadline.started + ms(100));
        waits.add(Instant::now() + ms(2000), ms(30));
        assert_eq!(deadline.end(), deadline.started + ms(130));
        deadline.restart();
        assert_eq!(deadline.end(), deadline.started + ms(100));
    }

    #[tokio::test]
    async fn what_takes_too_long_is_cut_off_also_after_a_wait() {
        let waits = Waits::new();
        let never = Deadline::after(ms(5), Arc::clone(&waits)).cover(std::future::pending::<()>());
        waits.add(Instant::now(), ms(5));
        assert_eq!(never.await, Err(Elapsed));
        let deadline = Deadline::after(Duration::MAX, waits);
        assert_eq!(deadline.cover(std::future::ready(7)).await, Ok(7));
    }
}
