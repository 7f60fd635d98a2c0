//! Connections that are shaking hands.
//!
//! Until then a peer is a stranger, and strangers have few places: whatever they do (say nothing,
//! try tokens, come by the thousand), it costs no more than these. Further ones wait in the queue of
//! the operating system. While places are short a handshake has to be quick.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::greeting::Greeted;

/// Handshakes at the same time.
const PLACES: usize = 64;
/// How long one may take while others wait for a place.
const CROWDED: Duration = Duration::from_secs(1);

/// Those who are shaking hands.
#[derive(Default)]
pub(super) struct Lobby {
    greetings: JoinSet<Option<Greeted>>,
    /// When each began, the oldest first. Some have ended since.
    begun: VecDeque<(Instant, AbortHandle)>,
}

impl Lobby {
    pub(super) fn has_room(&self) -> bool {
        self.greetings.len() < PLACES
    }

    /// Lets a stranger in.
    pub(super) fn enter(
        &mut self,
        greeting: impl Future<Output = Option<Greeted>> + Send + 'static,
    ) {
        while self.begun.front().is_some_and(|(_, one)| one.is_finished()) {
            self.begun.pop_front();
        }
        let handle = self.greetings.spawn(greeting);
        self.begun.push_back((Instant::now(), handle));
    }

    /// Waits until somebody leaves, and returns the connection if there is one.
    pub(super) async fn leave(&mut self) -> Option<Greeted> {
        while self.begun.front().is_some_and(|(_, one)| one.is_finished()) {
            self.begun.pop_front();
        }
        let oldest = self
            .begun
            .front()
            .filter(|_| self.greetings.len() >= PLACES);
        let patience = async {
            match oldest {
                Some((begun, _)) => tokio::time::sleep_until(*begun + CROWDED).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(ended) = self.greetings.join_next() => ended.ok().flatten(),
            () = patience => {
                if let Some((_, oldest)) = self.begun.pop_front() {
                    oldest.abort();
                }
                None
            }
            else => std::future::pending().await,
        }
    }
}
