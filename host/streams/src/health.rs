//! Whether the store can still be written to.
//!
//! A failed engine does not heal: nobody knows what of the last commit is on the disk. Whoever
//! notices first (the writer at a commit, the upkeep at a probe) says so here, and from then on
//! everything that would change the store is refused with the same reason.

use tokio::sync::watch;

use crate::error::Error;

/// The first failure, for all who have to know of it.
#[derive(Debug)]
pub(crate) struct Health(watch::Sender<Option<Error>>);

impl Default for Health {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Health {
    /// Remembers a failure and returns the first one there was.
    pub(crate) fn fail(&self, error: Error) -> Error {
        self.0.send_if_modified(|known| {
            if known.is_some() {
                return false;
            }
            tracing::error!(%error, "storage failed; nothing more is accepted until a restart");
            *known = Some(error.clone());
            true
        });
        self.failure().unwrap_or(error)
    }

    /// Why nothing more can be written; none while all is well.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.0.borrow().clone()
    }

    /// # Errors
    ///
    /// The first failure.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.failure().map_or(Ok(()), Err)
    }

    /// Resolves with the first failure, and not before there is one.
    pub(crate) async fn failed(&self) -> Error {
        let mut state = self.0.subscribe();
        let found = state
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|found| found.clone());
        found.unwrap_or(Error::Closing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_stays_and_wakes_who_waits_for_it() {
        let health = std::sync::Arc::new(Health::default());
        assert_eq!(health.check(), Ok(()));
        let waiting = std::sync::Arc::clone(&health);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let waiter = runtime.spawn(async move { waiting.failed().await });
        let first = Error::failed("the disk is gone");
        assert_eq!(health.fail(first.clone()), first);
        assert_eq!(health.fail(Error::Closing), first, "the first one counts");
        assert_eq!(runtime.block_on(waiter).unwrap(), first);
        assert_eq!(health.failure(), Some(first));
    }
}
