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

    use tokio::sync::{Notify, oneshot};

    use super::*;

    /// A time that stands still until a test moves it. Clones mean the same one.
    #[derive(Clone)]
    pub(crate) struct ManualTime(Arc<Shared>);

    struct Shared {
        state: Mutex<State>,
        changed: Notify,
    }

    struct State {
        now: u64,
        sleepers: Vec<(u64, oneshot::Sender<()>)>,
    }

    impl ManualTime {
        /// It begins at some time in the past.
        pub(crate) fn new() -> Self {
            let state = State {
                now: 1_700_000_000_000,
                sleepers: Vec::new(),
            };
            Self(Arc::new(Shared {
                state: Mutex::new(state),
                changed: Notify::new(),
            }))
        }

        /// Moves it on, and wakes whoever has waited long enough.
        pub(crate) fn advance(&self, length: Duration) {
            let mut state = self.0.state.lock().unwrap();
            state.now += u64::try_from(length.as_millis()).unwrap();
            let now = state.now;
            for (_, sleeper) in state.sleepers.extract_if(.., |(until, _)| *until <= now) {
                let _ = sleeper.send(());
            }
        }

        /// Waits until somebody sleeps, and says how long the first to wake will.
        pub(crate) async fn next_alarm(&self) -> Duration {
            self.alarm(|_| true).await
        }

        /// Waits until somebody sleeps whose rest fulfils a condition, and says how long it is.
        pub(crate) async fn alarm(&self, wanted: impl Fn(Duration) -> bool) -> Duration {
            let found = async {
                loop {
                    let changed = self.0.changed.notified();
                    if let Some(rest) = self.rests().find(|rest| wanted(*rest)) {
                        return rest;
                    }
                    changed.await;
                }
            };
            let limit = Duration::from_secs(30);
            tokio::time::timeout(limit, found)
                .await
                .expect("somebody sleeps")
        }

        /// How long those who sleep have still to wait, shortest first.
        fn rests(&self) -> impl Iterator<Item = Duration> + use<> {
            let mut state = self.0.state.lock().unwrap();
            state.sleepers.retain(|(_, sleeper)| !sleeper.is_closed());
            let mut rests: Vec<_> = state
                .sleepers
                .iter()
                .map(|(until, _)| Duration::from_millis(until - state.now))
                .collect();
            rests.sort();
            rests.into_iter()
        }
    }

    impl Clock for ManualTime {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.state.lock().unwrap().now)
        }
    }

    impl Time for ManualTime {
        fn now(&self) -> Timestamp {
            Clock::now(self)
        }

        fn sleep(&self, length: Duration) -> Sleep {
            let (sleeper, awake) = oneshot::channel();
            let mut state = self.0.state.lock().unwrap();
            let until = state.now + u64::try_from(length.as_millis()).unwrap();
            if until <= state.now {
                return Box::pin(std::future::ready(()));
            }
            state.sleepers.push((until, sleeper));
            drop(state);
            self.0.changed.notify_waiters();
            Box::pin(async {
                let _ = awake.await;
            })
        }
    }
}
