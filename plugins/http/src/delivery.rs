//! From a batch to requests, and from their answers to what was not delivered.
//!
//! Messages leave in order, one request after the other, so that what is not settled is always the end
//! of the batch. The rules:
//!
//! * A list that is refused is halved until the message at fault stands alone. That message is rejected.
//! * The first failure that is not about a message ends the batch. If nothing was settled before it, the
//!   batch fails as a whole; otherwise what is left is to be retried, since failing the batch would
//!   send the settled part again.
//! * A retry cannot carry the pause that a server asks for. So it is remembered, and the next batch
//!   fails with the rest of it before a request is made; once, because the host decides how long to
//!   wait in the end.
//! * No request starts late in a batch's time, so that the host does not end the instance in the middle
//!   of one.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant, SystemTime};

use millstream_plugin::http::{Address, Advice, Answer, Unanswered, Verdict};
use millstream_plugin::{ExportError, Failure, Message, Undelivered};

use crate::request::{Request, Requests};
use crate::room::Room;

/// How far into a batch a further request may start. The host gives it 10 s to connect and 30 s for the
/// answer, so it ends within the minute that the host gives a batch.
const LAST_START: Duration = Duration::from_secs(15);

/// Where an operator looks when a server refuses.
const ADVICE: Advice = Advice {
    credentials: "`headers`",
    address: "`uri`",
    request: "`uri`, `method` and `headers`",
};

/// What carries a request to the server.
pub(crate) trait Client {
    /// Sends one request, and reads the answer.
    fn send(&mut self, request: &Request<'_>) -> Result<Answer, Unanswered>;
}

/// Delivers the batches of one export.
#[derive(Debug)]
pub(crate) struct Delivery<C> {
    client: C,
    address: Address,
    requests: Requests,
    room: Room,
    last_start: Duration,
    postponed: Option<Postponed>,
}

/// A pause that the server asked for when a part of a batch had been settled.
#[derive(Debug)]
struct Postponed {
    error: ExportError,
    until: Instant,
}

impl<C: Client> Delivery<C> {
    pub(crate) fn new(client: C, address: Address, requests: Requests) -> Self {
        Self {
            client,
            address,
            room: Room::new(requests.format()),
            requests,
            last_start: LAST_START,
            postponed: None,
        }
    }

    /// Delivers a batch; the messages that were not delivered, in order of their place.
    ///
    /// # Errors
    ///
    /// Nothing was delivered, for a reason that holds for all.
    pub(crate) fn deliver(&mut self, batch: &[Message]) -> Result<Vec<Undelivered>, ExportError> {
        self.wait_as_asked()?;
        let started = Instant::now();
        let mut undelivered = Vec::new();
        // Everything before this place is settled.
        let mut next = 0;
        // Where parts of the batch end, the next part's last: a refused list is cut into two.
        let mut ends = vec![batch.len()];
        while let Some(&end) = ends.last() {
            let part = batch.get(next..end).unwrap_or_default();
            let sent = part.get(..self.room.fit(part)).unwrap_or_default();
            if sent.is_empty() {
                ends.pop();
                continue;
            }
            match self.send(sent) {
                Verdict::Delivered => {
                    self.room.taken(sent);
                    next += sent.len();
                }
                Verdict::Refused(reason) if sent.len() == 1 => {
                    undelivered.push(Undelivered::reject(next, reason));
                    next += 1;
                }
                Verdict::Refused(_) => ends.extend([next + sent.len(), next + sent.len() / 2]),
                Verdict::Failed(error) if next == 0 => return Err(error),
                Verdict::Failed(error) => {
                    retry(next..batch.len(), error.reason(), &mut undelivered);
                    self.postponed = Postponed::by(error);
                    break;
                }
            }
            if next < batch.len() && started.elapsed() >= self.last_start {
                if next == 0 {
                    // Only halving took so long: the next call begins with less.
                    self.room.too_large(sent);
                }
                let reason = "The time for this batch was used up by earlier requests.";
                retry(next..batch.len(), reason, &mut undelivered);
                break;
            }
        }
        Ok(undelivered)
    }

    fn send(&mut self, messages: &[Message]) -> Verdict {
        let Some(request) = self.requests.carrying(messages) else {
            return Verdict::Delivered;
        };
        match self.client.send(&request) {
            Ok(answer) => answer.verdict(&self.address, &ADVICE, SystemTime::now()),
            Err(unanswered) => {
                if unanswered == Unanswered::TimedOut {
                    self.room.too_large(messages);
                }
                Verdict::Failed(unanswered.error(&self.address))
            }
        }
    }

    fn wait_as_asked(&mut self) -> Result<(), ExportError> {
        self.postponed
            .take()
            .and_then(Postponed::rest)
            .map_or(Ok(()), Err)
    }
}

impl Postponed {
    /// Remembers an error, if it asks for a pause.
    fn by(error: ExportError) -> Option<Self> {
        let (ExportError::Unavailable(Failure { retry_after_ms, .. })
        | ExportError::Throttled(Failure { retry_after_ms, .. })) = &error
        else {
            return None;
        };
        let pause = Duration::from_millis((*retry_after_ms)?);
        let until = Instant::now().checked_add(pause)?;
        Some(Self { error, until })
    }

    /// The same error with what is left of the pause; none when it is over.
    fn rest(self) -> Option<ExportError> {
        let rest = self.until.checked_duration_since(Instant::now())?;
        match self.error {
            ExportError::Unavailable(failure) => {
                Some(ExportError::Unavailable(failure.retry_after(rest)))
            }
            ExportError::Throttled(failure) => {
                Some(ExportError::Throttled(failure.retry_after(rest)))
            }
            ExportError::Denied(_) | ExportError::Misconfigured(_) => None,
        }
    }
}

/// Marks the messages at these places as to be retried.
fn retry(places: std::ops::Range<usize>, reason: &str, undelivered: &mut Vec<Undelivered>) {
    undelivered.extend(places.map(|place| Undelivered::retry(place, reason)));
}
