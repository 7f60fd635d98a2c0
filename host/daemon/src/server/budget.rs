//! How much the host holds for its clients.
//!
//! Whatever is held for a connection counts: a request while it arrives and until it is answered, a
//! result until it is sent. Two rules keep it bounded, and everybody served:
//!
//! * Each connection has a little of its own: [`OWN_INPUT`] for requests, [`RESULTS`] times
//!   [`OWN_RESULT`] for answers. So a client with little requests is served whatever the others do,
//!   and an idle one costs nothing.
//! * What is larger is claimed before it is held: out of the connection's share
//!   (`server.max-in-flight`) and out of what all have together (`server.max-in-flight-total`). Who
//!   can do with less takes less at once; who cannot waits in line, first come, first served.
//!
//! A claim is given back when it is dropped. While messages are read from the disk more than is
//! claimed may be in memory for a moment, in [`READERS`] places at the same time: how long a message
//! is shows only when it is there.

use std::sync::Arc;
use std::time::Duration;

use millstream_protocol::{Failure, ResponseStatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::config;

/// Bytes of requests that a connection holds without a claim.
pub(super) const OWN_INPUT: usize = 4 << 10;
/// Bytes of a result that need no claim.
pub(super) const OWN_RESULT: usize = 8 << 10;
/// Results of one connection that are in memory at the same time.
const RESULTS: usize = 2;
/// Reads from the disk at the same time.
const READERS: usize = 4;
/// How long a claim waits for others to give something back.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What all connections share.
pub(super) struct Budget {
    total: Arc<Semaphore>,
    share: usize,
    readers: Semaphore,
    waiting_reads: Arc<Semaphore>,
    max_waiting_reads: usize,
}

/// What one connection may hold.
#[derive(Clone)]
pub(super) struct Account {
    total: Arc<Semaphore>,
    share: Arc<Semaphore>,
    input: Arc<Semaphore>,
    results: Arc<Semaphore>,
}

/// Bytes that may be held until this is dropped.
pub(super) struct Claim {
    /// Of the connection's share, or of its own room for requests.
    own: OwnedSemaphorePermit,
    /// Of what all have together.
    total: Option<OwnedSemaphorePermit>,
}

/// There was no room for something that can do with no less.
pub(super) struct Exhausted;

/// A result's place among the few of its connection, and its claim if it is large.
pub(super) struct Held {
    _place: Option<OwnedSemaphorePermit>,
    claim: Option<Claim>,
}

fn permits(bytes: u64) -> usize {
    usize::try_from(bytes).map_or(Semaphore::MAX_PERMITS, |bytes| {
        bytes.min(Semaphore::MAX_PERMITS)
    })
}

/// Single claims are frames, which have less than 4 GiB.
fn count(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl Budget {
    pub(super) fn new(options: &config::Server) -> Self {
        Self {
            total: Arc::new(Semaphore::new(permits(options.max_in_flight_total.0))),
            share: permits(options.max_in_flight.0),
            readers: Semaphore::new(READERS),
            waiting_reads: Arc::new(Semaphore::new(options.max_waiting_reads)),
            max_waiting_reads: options.max_waiting_reads,
        }
    }

    /// The account of a new connection.
    pub(super) fn account(&self) -> Account {
        Account {
            total: Arc::clone(&self.total),
            share: Arc::new(Semaphore::new(self.share)),
            input: Arc::new(Semaphore::new(OWN_INPUT)),
            results: Arc::new(Semaphore::new(RESULTS)),
        }
    }

    /// A place to read from the disk, in the order of asking.
    pub(super) async fn reader(&self) -> Option<SemaphorePermit<'_>> {
        self.readers.acquire().await.ok()
    }

    /// A place for a read that may wait.
    ///
    /// # Errors
    ///
    /// The answer, if there is none left.
    pub(super) fn waiting_read(&self) -> Result<OwnedSemaphorePermit, Failure> {
        Arc::clone(&self.waiting_reads)
            .try_acquire_owned()
            .map_err(|_| {
                let reason = format!(
                    "the host has {} reads waiting, as many as server.max-waiting-reads allows",
                    self.max_waiting_reads
                );
                Failure::new(ResponseStatusCode::OutOfMemoryError, reason)
            })
    }
}

impl Account {
    /// The connection's own room for requests, if there are none in it.
    pub(super) fn try_own_input(&self) -> Option<Claim> {
        let all = Arc::clone(&self.input).try_acquire_many_owned(count(OWN_INPUT));
        all.ok().map(|own| Claim { own, total: None })
    }

    /// The connection's own room for requests, once its requests before are answered.
    pub(super) async fn own_input(&self) -> Option<Claim> {
        let all = Arc::clone(&self.input).acquire_many_owned(count(OWN_INPUT));
        let own = all.await.ok()?;
        Some(Claim { own, total: None })
    }

    /// Claims bytes if they are free.
    pub(super) fn try_claim(&self, bytes: usize) -> Option<Claim> {
        let take = |from: &Arc<Semaphore>| Arc::clone(from).try_acquire_many_owned(count(bytes));
        let own = take(&self.share).ok()?;
        let total = take(&self.total).ok()?;
        Some(Claim {
            own,
            total: Some(total),
        })
    }

    /// Claims bytes for something that could be smaller: only if as much again stays free, so that
    /// a few that take much and give nothing back cannot have everything.
    pub(super) fn try_claim_modestly(&self, bytes: usize) -> Option<Claim> {
        let free = self.total.available_permits();
        (free / 2 >= bytes).then(|| self.try_claim(bytes))?
    }

    /// Claims bytes, in the order of asking, and waits for what the connection itself has to give
    /// back, however long; for what others have, until a time.
    pub(super) async fn claim(&self, bytes: usize, until: Instant) -> Result<Claim, Exhausted> {
        let take = |from: &Arc<Semaphore>| Arc::clone(from).acquire_many_owned(count(bytes));
        let own = take(&self.share).await.map_err(|_| Exhausted)?;
        let until = until.max(Instant::now() + PATIENCE);
        match tokio::time::timeout_at(until, take(&self.total)).await {
            Ok(Ok(total)) => Ok(Claim {
                own,
                total: Some(total),
            }),
            _ => Err(Exhausted),
        }
    }

    /// A place for a result, once those before it are sent.
    pub(super) async fn result(&self) -> Held {
        // The semaphore is never closed, so there is always a place in the end.
        let place = Arc::clone(&self.results).acquire_owned().await.ok();
        Held {
            _place: place,
            claim: None,
        }
    }
}

impl Claim {
    /// Takes a part out, which is given back by itself.
    pub(super) fn split(&mut self, bytes: usize) -> Option<Self> {
        let bytes = bytes.min(self.own.num_permits());
        let own = self.own.split(bytes)?;
        let total = self.total.as_mut().and_then(|total| total.split(bytes));
        Some(Self { own, total })
    }

    /// Gives back what is beyond so many bytes.
    pub(super) fn shrink(&mut self, bytes: usize) {
        drop(self.split(self.bytes().saturating_sub(bytes)));
    }

    pub(super) fn bytes(&self) -> usize {
        self.own.num_permits()
    }
}

impl Held {
    /// Bytes that may be held.
    pub(super) fn bytes(&self) -> usize {
        self.claim.as_ref().map_or(OWN_RESULT, Claim::bytes)
    }

    /// Puts another claim in the place of the one before.
    pub(super) fn claim(&mut self, claim: Option<Claim>) {
        self.claim = claim;
    }

    /// Gives back what is beyond so many bytes.
    pub(super) fn shrink(&mut self, bytes: usize) {
        if bytes <= OWN_RESULT {
            self.claim = None;
        } else if let Some(claim) = &mut self.claim {
            claim.shrink(bytes);
        }
    }
}

impl Exhausted {
    /// The answer.
    pub(super) fn failure(&self, bytes: usize) -> Failure {
        Failure::new(
            ResponseStatusCode::OutOfMemoryError,
            format!(
                "the host has no memory for {bytes} bytes now: its clients together use all of \
                 server.max-in-flight-total; try again, or raise it"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Server;

    /// A budget of so many bytes, 1000 for one connection.
    fn budget(text: &str) -> Budget {
        let size = |text: &str| text.parse().unwrap();
        Budget::new(&Server {
            max_in_flight: size("1000"),
            max_in_flight_total: size(text),
            max_waiting_reads: 1,
            ..Server::default()
        })
    }

    #[test]
    fn a_connection_gets_its_share_and_no_more_while_others_find_the_rest() {
        let budget = budget("1500");
        let (one, other) = (budget.account(), budget.account());
        let held = one.try_claim(900).unwrap();
        assert!(one.try_claim(200).is_none(), "beyond its share");
        assert!(other.try_claim(700).is_none(), "beyond what all have");
        let more = other.try_claim(600).unwrap();
        drop(held);
        assert!(one.try_claim(900).is_some());
        drop(more);
    }

    #[test]
    fn a_part_of_a_claim_is_given_back_by_itself() {
        let budget = budget("1000");
        let account = budget.account();
        let mut claim = account.try_claim(1000).unwrap();
        let part = claim.split(400).unwrap();
        assert_eq!((claim.bytes(), part.bytes()), (600, 400));
        claim.shrink(100);
        assert!(account.try_claim(500).is_some());
        drop(part);
        assert!(account.try_claim(900).is_some());
        drop(claim);
        assert!(account.try_claim(1000).is_some());
    }

    #[test]
    fn who_could_do_with_less_leaves_as_much_again() {
        let budget = budget("1000");
        let (one, other) = (budget.account(), budget.account());
        assert!(one.try_claim_modestly(600).is_none());
        let _held = one.try_claim_modestly(500).unwrap();
        assert!(other.try_claim_modestly(300).is_none());
        assert!(other.try_claim_modestly(250).is_some());
    }

    #[test]
    fn the_room_of_a_connection_for_requests_does_not_count() {
        let budget = budget("1000");
        let (one, other) = (budget.account(), budget.account());
        let _all = other.try_claim(1000).unwrap();
        let own = one.try_own_input().unwrap();
        assert_eq!(own.bytes(), OWN_INPUT);
        assert!(one.try_own_input().is_none());
        drop(own);
        assert!(one.try_own_input().is_some());
    }

    #[tokio::test]
    async fn those_who_wait_get_their_turn_in_the_order_of_asking() {
        let budget = budget("1000");
        let (holder, large, small) = (budget.account(), budget.account(), budget.account());
        let held = holder.try_claim(600).unwrap();
        let now = Instant::now();
        let mut first = std::pin::pin!(large.claim(800, now));
        let mut second = std::pin::pin!(small.claim(300, now));
        // Both ask; the second would find room, and does not go before the first.
        tokio::select! {
            biased;
            _ = &mut first => panic!("there is no room yet"),
            _ = &mut second => panic!("it is not its turn yet"),
            () = std::future::ready(()) => {}
        }
        drop(held);
        let first = first.await.ok().unwrap();
        assert_eq!(first.bytes(), 800);
        drop(first);
        assert!(second.await.is_ok());
    }

    #[test]
    fn waiting_reads_are_counted_over_all() {
        let budget = budget("1000");
        let place = budget.waiting_read().unwrap();
        let failure = budget.waiting_read().unwrap_err();
        assert!(failure.message.contains("max-waiting-reads"), "{failure}");
        drop(place);
        assert!(budget.waiting_read().is_ok());
    }
}
