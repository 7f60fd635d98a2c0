//! The time that exports go by: the device's, or one that a test owns.

use std::pin::Pin;
use std::time::Duration;

use millstream_streams::{Clock, SystemClock, Timestamp};

/// Ends when a length of time has passed.
pub(crate) type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tells the time and waits for it.
pub(crate) trait Time: Send + Sync {
    /// Now, which may be earlier than the answer before: device clocks get corrected.
    fn now(&self) -> Timestamp;

    /// Waits, independent of corrections of the clock.
    fn sleep(&self, length: Duration) -> Sleep;
}

impl dyn Time + '_ {
    /// Waits for something, but not longer than this; none if the time is up.
    pub(crate) async fn limit<T>(
        &self,
        length: Duration,
        wanted: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::select! {
            biased;
            found = wanted => Some(found),
            () = self.sleep(length) => None,
        }
    }
}

/// The device's own time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemTime;

impl Time for SystemTime {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn sleep(&self, length: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(length))
    }
}

#[cfg(test)]
pub(crate) use manual::ManualTime;

#[cfg(test)]
mod manual {
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    use millstream_streams::ManualClock;
    use tokio::sync::{Notify, oneshot};

    use super::*;

    /// A time that stands still until a test moves it. Clones mean the same one.
    #[derive(Clone)]
    pub(crate) struct ManualTime(Arc<Shared>);

    struct Shared {
        clock: Arc<ManualClock>,
        sleepers: Mutex<Vec<(Instant, oneshot::Sender<()>)>>,
        changed: Notify,
    }

    impl ManualTime {
        /// It begins at some time in the past.
        pub(crate) fn new() -> Self {
            let began = Timestamp::from_millis(1_700_000_000_000);
            Self(Arc::new(Shared {
                clock: Arc::new(ManualClock::new(began)),
                sleepers: Mutex::default(),
                changed: Notify::new(),
            }))
        }

        /// The clock of this time, for a store.
        pub(crate) fn clock(&self) -> Arc<ManualClock> {
            Arc::clone(&self.0.clock)
        }

        /// Moves it on, and wakes whoever has waited long enough.
        pub(crate) fn advance(&self, length: Duration) {
            let mut sleepers = self.0.sleepers.lock().unwrap();
            let millis = length.as_millis().try_into().unwrap();
            self.0.clock.advance_millis(millis);
            let now = self.0.clock.steady();
            for (_, sleeper) in sleepers.extract_if(.., |(until, _)| *until <= now) {
                let _ = sleeper.send(());
            }
        }

        /// Waits until somebody sleeps, and says how long the first to wake will.
        pub(crate) async fn next_alarm(&self) -> Duration {
            let found = async {
                loop {
                    let changed = self.0.changed.notified();
                    if let Some(rest) = self.shortest_rest() {
                        return rest;
                    }
                    changed.await;
                }
            };
            let limit = Duration::from_secs(30);
            let found = tokio::time::timeout(limit, found).await;
            found.expect("somebody sleeps")
        }

        fn shortest_rest(&self) -> Option<Duration> {
            let mut sleepers = self.0.sleepers.lock().unwrap();
            sleepers.retain(|(_, sleeper)| !sleeper.is_closed());
            let now = self.0.clock.steady();
            sleepers.iter().map(|(until, _)| *until - now).min()
        }
    }

    impl Time for ManualTime {
        fn now(&self) -> Timestamp {
            self.0.clock.now()
        }

        fn sleep(&self, length: Duration) -> Sleep {
            // A test moves the time by whole milliseconds.
            let millis = length.as_nanos().div_ceil(1_000_000).try_into().unwrap();
            if millis == 0 {
                return Box::pin(std::future::ready(()));
            }
            let (sleeper, awake) = oneshot::channel();
            let mut sleepers = self.0.sleepers.lock().unwrap();
            let until = self.0.clock.steady() + Duration::from_millis(millis);
            sleepers.push((until, sleeper));
            drop(sleepers);
            self.0.changed.notify_waiters();
            Box::pin(async {
                let _ = awake.await;
            })
        }
    }
}
