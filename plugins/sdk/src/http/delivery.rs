//! From a batch to requests, and from their answers to what was not delivered: what all exporters do
//! whose requests carry messages in order.
//!
//! A plugin makes a [`Delivery`], and for each batch hands it the messages with a function that sends some
//! of them in one request and says what became of it ([`Sent`]). Messages leave in order, one request after
//! the other, so that what is not settled is always the end of the batch. The rules:
//!
//! * A request that is refused is halved until the message at fault stands alone. That message is rejected.
//! * The first failure that is not about a message ends the batch. If nothing was settled before it, the
//!   batch fails as a whole; otherwise what is left is to be retried, since failing the batch would
//!   send the settled part again.
//! * A retry cannot carry the pause that a server asks for. So it is remembered, and the next batch
//!   fails with the rest of it before a request is made; once, because the host decides how long to
//!   wait in the end.
//! * No request starts late in a batch's time, so that the host does not end the instance in the middle
//!   of one.

mod room;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant, SystemTime};

use super::{Address, Advice, Answer, Unanswered, Verdict};
use crate::{ExportError, Failure, Message, Undelivered};
use room::Room;

/// How far into a batch a further request may start. The host gives it 10 s to connect and 30 s for the
/// answer, so it ends within the minute that the host gives a batch.
const LAST_START: Duration = Duration::from_secs(15);

/// What a request carries several of.
pub trait Parcel {
    /// What it adds to the size of a request, in bytes, more or less.
    fn bytes(&self) -> u64;
}

impl Parcel for Message {
    fn bytes(&self) -> u64 {
        self.payload.len() as u64
    }
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Sent {
    /// The server has all that it carried.
    Taken,
    /// The server has what it carried, but for the parcels at these places, which it gave up for ever; each
    /// with a reason.
    TakenBut(Vec<(usize, String)>),
    /// The server has nothing of it, since at least one parcel can never be delivered; why.
    Refused(String),
    /// It is not about the parcels: they are to be sent again.
    Failed(ExportError),
    /// The same, and there was not time enough; fewer at once may do.
    TooSlow(ExportError),
}

impl Sent {
    /// What an answer means, or its absence, to a request that carried all or nothing. `finals` are the
    /// statuses that refuse what was sent, [`FINAL`](super::FINAL) unless an operator chooses.
    pub fn all_or_nothing(
        outcome: Result<Answer, Unanswered>,
        address: &Address,
        advice: &Advice,
        finals: &[u16],
    ) -> Self {
        match outcome {
            Ok(answer) => answer
                .verdict_by(finals, address, advice, SystemTime::now())
                .into(),
            Err(unanswered) => Self::unanswered(&unanswered, address),
        }
    }

    /// What the absence of an answer means.
    pub fn unanswered(unanswered: &Unanswered, address: &Address) -> Self {
        let error = unanswered.error(address);
        match unanswered {
            Unanswered::TimedOut => Self::TooSlow(error),
            _ => Self::Failed(error),
        }
    }
}

impl From<Verdict> for Sent {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Delivered => Self::Taken,
            Verdict::Refused(reason) => Self::Refused(reason),
            Verdict::Failed(error) => Self::Failed(error),
        }
    }
}

/// Delivers the batches of one export.
#[derive(Debug)]
pub struct Delivery {
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

impl Delivery {
    /// Each request carries one parcel.
    pub fn one_by_one() -> Self {
        Self::with(Room::One)
    }

    /// Requests carry many parcels, of this many bytes together at most.
    pub fn in_lists(max_bytes: u64) -> Self {
        Self::with(Room::of(max_bytes))
    }

    fn with(room: Room) -> Self {
        Self {
            room,
            last_start: LAST_START,
            postponed: None,
        }
    }

    /// Delivers a batch with `send`, which is never called without a parcel; the parcels that were not
    /// delivered, by their places in the batch and in that order.
    ///
    /// # Errors
    ///
    /// Nothing was delivered, for a reason that holds for all.
    pub fn deliver<P: Parcel>(
        &mut self,
        batch: &[P],
        mut send: impl FnMut(&[P]) -> Sent,
    ) -> Result<Vec<Undelivered>, ExportError> {
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
            match send(sent) {
                Sent::Taken => {
                    self.room.taken(sent);
                    next += sent.len();
                }
                Sent::TakenBut(lost) => {
                    let lost = lost.into_iter().filter(|(place, _)| *place < sent.len());
                    undelivered
                        .extend(lost.map(|(place, why)| Undelivered::reject(next + place, why)));
                    next += sent.len();
                }
                Sent::Refused(reason) if sent.len() == 1 => {
                    undelivered.push(Undelivered::reject(next, reason));
                    next += 1;
                }
                Sent::Refused(_) => ends.extend([next + sent.len(), next + sent.len() / 2]),
                Sent::Failed(error) => return self.fail(error, next, batch.len(), undelivered),
                Sent::TooSlow(error) => {
                    self.room.too_large(sent);
                    return self.fail(error, next, batch.len(), undelivered);
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

    /// Ends a batch of which the parcels before `next` are settled.
    fn fail(
        &mut self,
        error: ExportError,
        next: usize,
        end: usize,
        mut undelivered: Vec<Undelivered>,
    ) -> Result<Vec<Undelivered>, ExportError> {
        if next == 0 {
            return Err(error);
        }
        retry(next..end, error.reason(), &mut undelivered);
        self.postponed = Postponed::by(error);
        Ok(undelivered)
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

/// Marks the parcels at these places as to be retried.
fn retry(places: std::ops::Range<usize>, reason: &str, undelivered: &mut Vec<Undelivered>) {
    undelivered.extend(places.map(|place| Undelivered::retry(place, reason)));
}
