//! From a batch to calls, and from their answers to what was not delivered.
//!
//! Entries leave in order, each call as full as the limits allow. The rules:
//!
//! * A message that can be no entry is rejected without a call.
//! * Entries that clash never share a call, and one that clashes with an entry that has to wait waits
//!   behind it.
//! * An entry that the answer names as failed is to be retried; so is one that the answer leaves out.
//!   Where it failed only because of another in the call, it is sent once more alone.
//! * A call that fails before anything of the batch was settled fails the batch. After that, what has
//!   not been sent is to be retried: failing the batch would send the delivered part again. A batch of
//!   which nothing was settled, entry by entry, fails as a whole too, so that an operator sees why.
//! * A call that the service calls invalid is halved until the entry that is at fault stands alone.
//!   That entry is rejected if the service has taken another with this configuration; else the
//!   configuration is more likely at fault, and rejecting would lose data.
//! * A call without an answer in time halves the size of the next calls, down to 64 KiB; each call
//!   that succeeds doubles it again. So a slow line carries small calls instead of nothing.
//! * No call starts late in a batch's time, so that the host does not end the instance in the middle.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use millstream_plugin::{ExportError, Message, Undelivered, log};

use crate::refusal::{CallError, Fault};

/// The smallest size to which timeouts bring a call; a larger entry still goes, alone.
const LEAST_CALL_BYTES: u64 = 64 << 10;

/// How far into a batch a further call may start. The host gives it 10 s to connect and 30 s for the
/// answer, so it ends within the 60 s that the host gives a batch.
const LAST_START: Duration = Duration::from_secs(15);

/// The one operation of a service that an export needs.
pub trait Operation {
    /// What a message becomes.
    type Entry;

    /// The largest call.
    fn limits(&self) -> CallLimits;

    /// Makes an entry of a message.
    ///
    /// # Errors
    ///
    /// A sentence, if the service can never take it.
    fn entry(&mut self, message: Message) -> Result<Self::Entry, String>;

    /// What an entry counts against [`CallLimits::bytes`].
    fn bytes(&self, entry: &Self::Entry) -> u64;

    /// Puts the entries of a batch into the order in which they leave; that of the stream, if it does
    /// nothing.
    fn arrange(&self, _entries: &mut [Placed<Self::Entry>]) {}

    /// Whether an entry must not share a call with these, which go before it.
    fn clashes(&self, _earlier: &[&Placed<Self::Entry>], _entry: &Self::Entry) -> bool {
        false
    }

    /// Makes one call with at least one entry; an outcome for each entry, in their order.
    ///
    /// # Errors
    ///
    /// The call as a whole came to nothing.
    fn send(&mut self, entries: &[Placed<Self::Entry>]) -> Result<Vec<Outcome>, CallError>;
}

/// The largest call of an operation.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// Entries.
    pub entries: usize,
    /// Bytes, as [`Operation::bytes`] counts them.
    pub bytes: u64,
}

/// What became of one entry of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The service has it.
    Taken,
    /// The service could not take it now.
    Failed(ExportError),
    /// The service could not take it together with another of the same call.
    InTheWay(ExportError),
    /// The service calls it wrong: it is rejected once the configuration has proved right.
    Invalid(String),
    /// It can never be taken, whatever the configuration is.
    Rejected(String),
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Passing(error) => Self::Failed(error),
            Fault::Content(reason) => Self::Invalid(reason),
        }
    }
}

/// An entry and the place of its message in the batch.
#[derive(Debug)]
pub struct Placed<E> {
    index: usize,
    /// What the message became.
    pub entry: E,
}

/// Delivers the batches of one export.
#[derive(Debug)]
pub struct Delivery<O> {
    operation: O,
    /// The most bytes of the next call.
    call_bytes: u64,
    last_start: Duration,
    /// The service has taken an entry, so the configuration is right.
    proven: bool,
}

/// What is known of a batch so far.
struct Settling<'a, E> {
    undelivered: Vec<Undelivered>,
    /// Entries that have to wait, for those that must not overtake them.
    held: Vec<&'a Placed<E>>,
    /// Something was delivered or rejected: the batch cannot fail as a whole any more.
    settled: bool,
    /// The first reason why an entry has to wait.
    first_failure: Option<ExportError>,
}

impl<O: Operation> Delivery<O> {
    /// An export through this operation.
    pub fn new(operation: O) -> Self {
        Self {
            call_bytes: operation.limits().bytes,
            operation,
            last_start: LAST_START,
            proven: false,
        }
    }

    /// Delivers a batch; the messages that were not delivered, in order of their place.
    ///
    /// # Errors
    ///
    /// Nothing was delivered, for a reason that the host is to know.
    pub fn deliver(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        let started = Instant::now();
        let (mut entries, rejected) = self.entries(batch);
        self.operation.arrange(&mut entries);
        let mut settling = Settling {
            settled: !rejected.is_empty(),
            undelivered: rejected,
            held: Vec::new(),
            first_failure: None,
        };
        let mut called = false;
        // What is still to be sent, the next part last.
        let mut waiting = vec![entries.as_slice()];
        while let Some(part) = waiting.pop() {
            let Some(first) = part.first() else { continue };
            if self.operation.clashes(&settling.held, &first.entry) {
                let reason = "A message before it, for the same place, has to be sent first.";
                settling.hold(first, reason);
                waiting.extend(part.get(1..));
                continue;
            }
            if called && started.elapsed() >= self.last_start {
                let reason = "The time for this batch was used up by earlier calls.";
                if !settling.settled {
                    // Only halving took so long: the next batch begins with less.
                    self.too_large();
                    return Err(ExportError::unavailable(reason));
                }
                waiting.push(part);
                settling.hold_all(&waiting, reason);
                break;
            }
            called = true;
            let (call, rest) = part.split_at(self.fit(part, &settling.held));
            waiting.push(rest);
            match self.operation.send(call) {
                Ok(outcomes) => {
                    self.succeeded();
                    waiting.extend(self.settle(call, outcomes, &mut settling));
                }
                Err(CallError::Refused {
                    fault: Fault::Content(reason),
                    ..
                }) => match call {
                    [entry] => self.refused_alone(entry, reason, &mut settling),
                    _ => {
                        let (first, second) = call.split_at(call.len() / 2);
                        waiting.extend([second, first]);
                    }
                },
                Err(error) => {
                    if matches!(error, CallError::TimedOut(_)) {
                        self.too_large();
                    }
                    let error = error.into_export_error();
                    if !settling.settled {
                        return Err(error);
                    }
                    waiting.push(call);
                    settling.hold_all(&waiting, error.reason());
                    break;
                }
            }
        }
        settling.answer()
    }

    /// Decides about an entry that the service calls wrong when it is alone. What was refused before the
    /// service had taken anything may have been refused for the configuration, which is mended meanwhile
    /// if others are taken after it: it comes once more.
    fn refused_alone<'a>(
        &self,
        placed: &'a Placed<O::Entry>,
        reason: String,
        settling: &mut Settling<'a, O::Entry>,
    ) {
        if self.proven {
            settling.reject(placed, reason);
        } else {
            settling.hold(placed, &reason);
            let error = ExportError::misconfigured(reason);
            settling.first_failure.get_or_insert(error);
        }
    }

    /// Makes entries of messages and rejects those that can be none.
    fn entries(&mut self, batch: Vec<Message>) -> (Vec<Placed<O::Entry>>, Vec<Undelivered>) {
        let most = self.operation.limits().bytes;
        let mut entries = Vec::with_capacity(batch.len());
        let mut rejected = Vec::new();
        for (index, message) in batch.into_iter().enumerate() {
            match self.operation.entry(message) {
                Ok(entry) if self.operation.bytes(&entry) <= most => {
                    entries.push(Placed { index, entry });
                }
                Ok(entry) => rejected.push(Undelivered::reject(
                    index,
                    format!(
                        "The message counts {} bytes, more than the {most} of a call.",
                        self.operation.bytes(&entry)
                    ),
                )),
                Err(reason) => rejected.push(Undelivered::reject(index, reason)),
            }
        }
        (entries, rejected)
    }

    /// How many entries from the front make the next call: at least one.
    fn fit(&self, entries: &[Placed<O::Entry>], held: &[&Placed<O::Entry>]) -> usize {
        let mut room = self.call_bytes;
        let mut before: Vec<&Placed<O::Entry>> = held.to_vec();
        let mut count = 0;
        for placed in entries.iter().take(self.operation.limits().entries) {
            let Some(rest) = room.checked_sub(self.operation.bytes(&placed.entry)) else {
                break;
            };
            if self.operation.clashes(&before, &placed.entry) {
                break;
            }
            room = rest;
            before.push(placed);
            count += 1;
        }
        count.clamp(1, entries.len().max(1))
    }

    /// Joins the entries of a call with the answers to them; the parts of the call that are to be sent
    /// again, the next last.
    fn settle<'a>(
        &mut self,
        call: &'a [Placed<O::Entry>],
        outcomes: Vec<Outcome>,
        settling: &mut Settling<'a, O::Entry>,
    ) -> Vec<&'a [Placed<O::Entry>]> {
        let mut again = Vec::new();
        self.proven |= outcomes
            .iter()
            .take(call.len())
            .any(|outcome| matches!(outcome, Outcome::Taken));
        let mut outcomes = outcomes.into_iter();
        for part in call.chunks(1) {
            let [placed] = part else { continue };
            match outcomes.next() {
                Some(Outcome::Taken) => settling.settled = true,
                Some(Outcome::InTheWay(_)) if call.len() > 1 => again.push(part),
                Some(Outcome::Failed(error) | Outcome::InTheWay(error)) => {
                    settling.hold(placed, error.reason());
                    settling.first_failure.get_or_insert(error);
                }
                Some(Outcome::Invalid(reason)) => self.refused_alone(placed, reason, settling),
                Some(Outcome::Rejected(reason)) => settling.reject(placed, reason),
                None => {
                    let reason = "The answer of the service leaves this message out.";
                    settling.hold(placed, reason);
                    let error = ExportError::unavailable(reason);
                    settling.first_failure.get_or_insert(error);
                }
            }
        }
        again.reverse();
        again
    }

    fn succeeded(&mut self) {
        let most = self.operation.limits().bytes;
        self.call_bytes = self.call_bytes.saturating_mul(2).min(most);
    }

    fn too_large(&mut self) {
        let least = LEAST_CALL_BYTES.min(self.operation.limits().bytes);
        let smaller = (self.call_bytes / 2).max(least);
        if smaller < self.call_bytes {
            self.call_bytes = smaller;
            log::warn(&format!(
                "calls take too long; the next one carries {} KiB at most",
                smaller / 1024
            ));
        }
    }
}

impl<'a, E> Settling<'a, E> {
    /// What the host is told of the batch.
    fn answer(mut self) -> Result<Vec<Undelivered>, ExportError> {
        match self.first_failure {
            Some(error) if !self.settled => Err(error),
            _ => {
                self.undelivered
                    .sort_by_key(|undelivered| undelivered.index);
                Ok(self.undelivered)
            }
        }
    }

    fn reject(&mut self, placed: &Placed<E>, reason: String) {
        self.settled = true;
        self.undelivered
            .push(Undelivered::reject(placed.index, reason));
    }

    fn hold(&mut self, placed: &'a Placed<E>, reason: &str) {
        self.undelivered
            .push(Undelivered::retry(placed.index, reason));
        self.held.push(placed);
    }

    /// Holds everything that waits.
    fn hold_all(&mut self, waiting: &[&'a [Placed<E>]], reason: &str) {
        for placed in waiting.iter().copied().flatten() {
            self.hold(placed, reason);
        }
    }
}
