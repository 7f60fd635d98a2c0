//! Time limits that leave out what an instance waits for bandwidth.
//!
//! A ceiling on the bandwidth makes large requests take long. Were that time counted, a call whose
//! batch is larger than what the line carries within the limit would fail, and fail again, for ever.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Where the addition of times would overflow: as good as never.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How long the requests of one instance have waited for bandwidth. Where several waited at once, the
/// time counts once. A request that is given up has waited until then and no longer: an instance cannot put
/// its own deadline off by requests that it never sends.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<Waited>);

#[derive(Debug, Default)]
struct Waited {
    /// The sum of all that are over.
    over: Duration,
    under_way: usize,
    /// Since when there is one under way.
    since: Option<Instant>,
}

impl Waits {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A wait that begins now and ends when the value is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Waiting {
        self.lock().begin(Instant::now());
        Waiting(Arc::clone(self))
    }

    /// The sum of all waits.
    pub(crate) fn total(&self) -> Duration {
        self.lock().total(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, Waited> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waited {
    fn begin(&mut self, now: Instant) {
        self.under_way += 1;
        self.since.get_or_insert(now);
    }

    fn end(&mut self, now: Instant) {
        self.under_way = self.under_way.saturating_sub(1);
        if self.under_way == 0 {
            self.over = self.total(now);
            self.since = None;
        }
    }

    fn total(&self, now: Instant) -> Duration {
        let under_way = self.since.map(|since| now.saturating_duration_since(since));
        self.over + under_way.unwrap_or_default()
    }
}

/// A wait under way.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<Waits>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.lock().end(Instant::now());
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
        let (mut waits, now) = (Waited::default(), Instant::now());
        waits.begin(now);
        waits.begin(now + ms(20));
        assert_eq!(waits.total(now + ms(50)), ms(50));
        waits.end(now + ms(70));
        waits.end(now + ms(100));
        assert_eq!(waits.total(now + ms(400)), ms(100));
        waits.begin(now + ms(500));
        waits.end(now + ms(507));
        assert_eq!(waits.total(now + ms(600)), ms(107));
    }

    #[tokio::test]
    async fn a_wait_puts_the_end_off_and_earlier_ones_do_not() {
        let waits = Waits::new();
        waits.lock().over = ms(1000);
        let mut deadline = Deadline::after(ms(100), Arc::clone(&waits));
        assert_eq!(deadline.end(), deadline.started + ms(100));
        waits.lock().over += ms(30);
        assert_eq!(deadline.end(), deadline.started + ms(130));
        deadline.restart();
        assert_eq!(deadline.end(), deadline.started + ms(100));
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_puts_nothing_off_any_more() {
        let waits = Waits::new();
        let deadline = Deadline::after(ms(100), Arc::clone(&waits));
        drop(waits.begin());
        let end = deadline.end();
        tokio::time::sleep(ms(5)).await;
        assert_eq!(deadline.end(), end);
    }

    #[tokio::test]
    async fn what_takes_too_long_is_cut_off_also_after_a_wait() {
        let waits = Waits::new();
        let never = Deadline::after(ms(5), Arc::clone(&waits)).cover(std::future::pending::<()>());
        drop(waits.begin());
        assert_eq!(never.await, Err(Elapsed));
        let deadline = Deadline::after(Duration::MAX, waits);
        assert_eq!(deadline.cover(std::future::ready(7)).await, Ok(7));
    }

    #[tokio::test]
    async fn nothing_is_cut_off_while_it_waits() {
        let waits = Waits::new();
        let waiting = waits.begin();
        let work = async {
            tokio::time::sleep(ms(50)).await;
            drop(waiting);
        };
        assert_eq!(Deadline::after(ms(10), waits).cover(work).await, Ok(()));
    }
}
