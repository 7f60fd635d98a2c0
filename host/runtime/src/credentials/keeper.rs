//! Credentials that are held and renewed.
//!
//! The first request waits until credentials are there. After that a task renews them some minutes
//! before they expire, so that no request waits again. It ends when nobody has signed since the last
//! renewal, and the next request starts it anew.
//!
//! If they cannot be renewed, the old ones serve to their end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials as AwsCredentials;
#[cfg(test)]
use aws_credential_types::provider::ProvideCredentials;

use super::{AwsOptions, NoCredentials, Source};

/// When things happen. All of it is fixed; tests take other times.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Credentials that live no longer than this are renewed.
    renew_before: Duration,
    /// Those that live no longer than this are not signed with any more, if there are others.
    least: Duration,
    /// The least time between two questions. After a failure nobody asks again for this long: on a
    /// device without credentials each try waits for the instance metadata of a cloud that is not
    /// there.
    pause: Duration,
    /// The clock may be set while the task sleeps, so it looks again after this time.
    look_again: Duration,
    /// How long an answer may take, in all.
    limit: Duration,
}

impl Pace {
    const USUAL: Self = Self {
        renew_before: Duration::from_secs(5 * 60),
        least: Duration::from_secs(10),
        pause: Duration::from_secs(30),
        look_again: Duration::from_secs(5 * 60),
        limit: Duration::from_secs(25),
    };
}

/// The credentials of the host.
pub(crate) struct Credentials(Arc<Keeper>);

struct Keeper {
    source: Source,
    pace: Pace,
    /// One asks, the others wait for the answer.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<AwsCredentials>,
    failure: Option<(Instant, NoCredentials)>,
    /// Somebody has signed since the last renewal.
    used: bool,
    /// The task runs.
    renewing: bool,
}

impl Credentials {
    pub(crate) fn new(options: AwsOptions) -> Self {
        Self::with(Source::new(options), Pace::USUAL)
    }

    #[cfg(test)]
    pub(crate) fn of(provider: impl ProvideCredentials + 'static) -> Self {
        Self::with(Source::of(provider), Pace::USUAL)
    }

    fn with(source: Source, pace: Pace) -> Self {
        Self(Arc::new(Keeper {
            source,
            pace,
            turn: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        }))
    }

    /// Credentials to sign with now.
    pub(crate) async fn get(&self) -> Result<AwsCredentials, NoCredentials> {
        let keeper = &self.0;
        if keeper.source.is_switched_off() {
            return Err(NoCredentials::SwitchedOff);
        }
        if let Some(held) = keeper.usable() {
            return Ok(held);
        }
        let _turn = keeper.turn.lock().await;
        if let Some(held) = keeper.usable() {
            return Ok(held);
        }
        match keeper.ask().await {
            // Fresh ones that seem to be expired are used all the same: what the service says to them
            // tells how wrong the clock is.
            Ok(fresh) => Ok(keeper.usable().unwrap_or(fresh)),
            Err(failure) => keeper.held_for(Duration::ZERO).ok_or(failure),
        }
    }
}

impl Keeper {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_for(&self, time: Duration) -> Option<AwsCredentials> {
        let state = self.state();
        let held = state.held.as_ref();
        held.filter(|held| left(held).is_none_or(|left| left > time))
            .cloned()
    }

    /// What is held, if it can still be used; it will then be renewed in time.
    fn usable(self: &Arc<Self>) -> Option<AwsCredentials> {
        let held = self.held_for(self.pace.least)?;
        let mut state = self.state();
        state.used = true;
        if held.expiry().is_some() && !state.renewing {
            state.renewing = true;
            tokio::spawn(renew_ahead(Arc::downgrade(self)));
        }
        Some(held)
    }

    /// Asks the source, unless it has just failed. The caller holds the turn.
    async fn ask(&self) -> Result<AwsCredentials, NoCredentials> {
        if let Some((at, failure)) = self.state().failure.clone()
            && at.elapsed() < self.pace.pause
        {
            return Err(failure);
        }
        let limit = self.pace.limit;
        let asked = tokio::time::timeout(limit, self.source.ask()).await;
        let outcome = asked.unwrap_or(Err(NoCredentials::Silent(limit)));
        let mut state = self.state();
        match &outcome {
            Ok(fresh) => {
                state.failure = None;
                state.held = Some(fresh.clone());
            }
            Err(failure) => {
                tracing::warn!("{failure}");
                state.failure = Some((Instant::now(), failure.clone()));
            }
        }
        outcome
    }

    /// What the task does next.
    fn next_step(&self) -> Step {
        let mut state = self.state();
        let left = state.held.as_ref().and_then(left);
        let early = left.map(|left| left.saturating_sub(self.pace.renew_before));
        match early {
            Some(early) if !early.is_zero() => Step::Sleep(early.min(self.pace.look_again)),
            Some(_) if std::mem::take(&mut state.used) => Step::Renew,
            _ => {
                state.renewing = false;
                Step::End
            }
        }
    }
}

enum Step {
    Sleep(Duration),
    Renew,
    End,
}

/// Renews until nobody needs it.
async fn renew_ahead(keeper: Weak<Keeper>) {
    while let Some(strong) = keeper.upgrade() {
        let pause = match strong.next_step() {
            Step::Sleep(pause) => pause,
            Step::Renew => {
                let _turn = strong.turn.lock().await;
                // A failure is in the log, and the old ones serve on.
                let _ = strong.ask().await;
                strong.pace.pause
            }
            Step::End => return,
        };
        drop(strong);
        tokio::time::sleep(pause).await;
    }
}

/// How long credentials live; none if they do not expire.
fn left(credentials: &AwsCredentials) -> Option<Duration> {
    let expiry = credentials.expiry()?;
    let left = expiry.duration_since(SystemTime::now());
    Some(left.unwrap_or_default())
}

#[cfg(test)]
mod tests;
