//! From a batch to messages that the broker has acknowledged.
//!
//! As many messages are under way as broker and configuration allow, and each is settled by its own
//! acknowledgement. What has none when the time is up, or when the connection ends, is to be tried again.
//!
//! # A message that the broker does not like
//!
//! Brokers that speak 3.1.1 have no word for a message they do not take: they close the connection, and
//! so do some with version 5. To find the message, the next batch goes with one message under way at a
//! time (carefully). When the connection ends then, the message under way is the suspect. It steps aside
//! for this call, a new connection is made, and the others go on. So a bad message holds up nobody.
//!
//! A suspect is rejected only where there is no doubt: the broker named a reason that lies in the message,
//! or has closed the connection on it in [`PROOFS`] batches in each of which it took another message. A
//! broker that is restarted, or closes on everything, never makes a message rejected.

use std::collections::HashMap;
use std::time::Instant;

use millstream_plugin::{ExportContext, ExportError, Message, Undelivered};

use crate::config::Config;
use crate::packet::{Incoming, Publish, check_topic};
use crate::session::{Fault, Session};
use crate::verdict::{self, Outcome};

/// So many batches have to show that it is this message that ends the connection.
const PROOFS: u8 = 3;
/// Suspects that are remembered.
const MAX_SUSPECTS: usize = 1000;
/// In a careful batch, no more connections are made when so many in a row ended on their first message.
const MAX_FRUITLESS: usize = 3;

/// Delivers the batches of one export.
#[derive(Debug)]
pub(crate) struct Delivery {
    context: ExportContext,
    config: Config,
    session: Option<Session>,
    /// One message at a time.
    careful: bool,
    /// How often the connection ended on a message while others were taken, by sequence number.
    suspects: HashMap<u64, u8>,
}

/// A message of the batch.
struct Pending<'a> {
    message: &'a Message,
    topic: String,
    outcome: Option<Outcome>,
}

/// How a run over a connection ended.
struct End {
    error: ExportError,
    /// The place of the only message that was under way, if the broker may not like it.
    suspect: Option<usize>,
    /// Whether the broker has named a reason that lies in that message.
    is_final: bool,
}

impl Delivery {
    pub(crate) fn new(context: ExportContext, config: Config) -> Self {
        Self {
            context,
            config,
            session: None,
            careful: false,
            suspects: HashMap::new(),
        }
    }

    /// Delivers a batch; the messages that were not delivered, in order of their place.
    ///
    /// # Errors
    ///
    /// Nothing was delivered.
    pub(crate) fn deliver(&mut self, batch: &[Message]) -> Result<Vec<Undelivered>, ExportError> {
        let deadline = Instant::now() + self.config.timeout();
        let mut pending: Vec<_> = batch.iter().map(|message| self.prepare(message)).collect();
        let mut session = self.session(deadline)?;
        let mut suspects = Vec::new();
        let mut fruitless = 0;
        let unsettled = loop {
            let before = taken(&pending);
            let End {
                error,
                suspect,
                is_final,
            } = match self.run(&mut session, &mut pending) {
                Ok(()) => {
                    self.session = Some(session);
                    break None;
                }
                Err(end) => end,
            };
            let Some(place) = suspect else {
                break Some(error);
            };
            let Some(it) = pending.get_mut(place) else {
                break Some(error);
            };
            if is_final {
                it.outcome = Some(Outcome::Rejected(error.reason().to_owned()));
            } else {
                suspects.push(place);
                it.outcome = Some(Outcome::Failed(error.clone()));
            }
            fruitless = match taken(&pending) > before || is_final {
                true => 0,
                false => fruitless + 1,
            };
            if fruitless >= MAX_FRUITLESS {
                break Some(error);
            }
            session = match Session::open(&self.config, &self.context, deadline) {
                Ok(session) => session,
                Err(error) => break Some(error),
            };
        };
        self.judge(&mut pending, &suspects);
        self.careful = match &unsettled {
            // Without suspects nothing is left to be careful of.
            None => !suspects.is_empty(),
            Some(_) => self.careful,
        };
        settle(pending, unsettled)
    }

    fn prepare<'a>(&self, message: &'a Message) -> Pending<'a> {
        let topic = self.config.topic.render(&self.context, message);
        let topic = topic.and_then(|topic| check_topic(&topic).map(|()| topic));
        let (topic, outcome) = match topic {
            Ok(topic) => (topic, None),
            Err(reason) => (String::new(), Some(Outcome::Rejected(reason))),
        };
        Pending {
            message,
            topic,
            outcome,
        }
    }

    /// The connection of the last call, or a new one.
    fn session(&mut self, deadline: Instant) -> Result<Session, ExportError> {
        let kept = self.session.take();
        match kept.and_then(|mut it| it.is_alive(&self.config, deadline).then_some(it)) {
            Some(session) => Ok(session),
            None => Session::open(&self.config, &self.context, deadline),
        }
    }

    /// Publishes what has no outcome, until everything has one or the connection ends.
    fn run(&mut self, session: &mut Session, pending: &mut [Pending<'_>]) -> Result<(), End> {
        let window = match self.careful {
            true => 1,
            false => session
                .receive_maximum()
                .min(self.config.max_in_flight)
                .into(),
        };
        // By packet identifier, the place of each message under way.
        let mut under_way: HashMap<u16, usize> = HashMap::new();
        let mut next = 0;
        loop {
            while under_way.len() < window
                && let Some(it) = pending.get_mut(next)
            {
                if it.outcome.is_none() {
                    let id = session.new_id();
                    match self.packet(session, id, it) {
                        Ok(packet) => {
                            under_way.insert(id, next);
                            session
                                .send(&packet)
                                .map_err(|fault| self.end(&fault, session, &under_way))?;
                        }
                        Err(reason) => it.outcome = Some(Outcome::Rejected(reason)),
                    }
                }
                next += 1;
            }
            if under_way.is_empty() {
                return Ok(());
            }
            session
                .flush()
                .and_then(|()| session.next())
                .map(|incoming| note(&incoming, &mut under_way, pending))
                .map_err(|fault| self.end(&fault, session, &under_way))?;
        }
    }

    fn packet(&self, session: &Session, id: u16, it: &Pending<'_>) -> Result<Vec<u8>, String> {
        let packet = session.packet(&Publish {
            id,
            topic: &it.topic,
            retain: self.config.retain,
            stream: &self.context.stream_name,
            message: it.message,
        })?;
        match session.maximum_packet_size() {
            Some(most) if packet.len() as u64 > u64::from(most) => Err(format!(
                "The message makes a packet of {} bytes; the broker takes {most} at most (maximum packet \
                 size).",
                packet.len()
            )),
            _ => Ok(packet),
        }
    }

    /// What the end of a connection means; the next batch is a careful one if it may be about a message.
    fn end(&mut self, fault: &Fault, session: &Session, under_way: &HashMap<u16, usize>) -> End {
        let is_suspicious = fault.may_be_about_a_message();
        let only = match under_way.len() {
            1 if self.careful && is_suspicious => under_way.values().next().copied(),
            _ => None,
        };
        self.careful |= is_suspicious;
        End {
            error: fault.error(session.server()),
            suspect: only,
            is_final: matches!(fault, Fault::Disconnected(code) if verdict::is_final(code)),
        }
    }

    /// Remembers suspects, and rejects those of which there is proof.
    fn judge(&mut self, pending: &mut [Pending<'_>], suspects: &[usize]) {
        if suspects.is_empty() || taken(pending) == 0 {
            return;
        }
        let is_here = |number: &u64| {
            pending
                .iter()
                .any(|it| it.message.sequence_number == *number)
        };
        // Whoever is not handed over any more has been settled.
        self.suspects.retain(|number, _| is_here(number));
        for place in suspects {
            let Some(it) = pending.get_mut(*place) else {
                continue;
            };
            let number = it.message.sequence_number;
            if self.suspects.len() >= MAX_SUSPECTS && !self.suspects.contains_key(&number) {
                continue;
            }
            let proofs = self.suspects.entry(number).or_default();
            *proofs += 1;
            if *proofs >= PROOFS {
                self.suspects.remove(&number);
                it.outcome = Some(Outcome::Rejected(format!(
                    "The broker closes the connection on this message for `{}`, {PROOFS} times now, while \
                     it takes others: it is too large for the broker, or forbidden.",
                    it.topic
                )));
            }
        }
    }
}

/// How many messages the broker has taken.
fn taken(pending: &[Pending<'_>]) -> usize {
    let taken = |it: &&Pending<'_>| it.outcome == Some(Outcome::Delivered);
    pending.iter().filter(taken).count()
}

/// Settles what an acknowledgement is about.
fn note(incoming: &Incoming, under_way: &mut HashMap<u16, usize>, pending: &mut [Pending<'_>]) {
    let Incoming::Acknowledged(id, code) = incoming else {
        return;
    };
    let place = under_way.remove(id);
    if let Some(it) = place.and_then(|place| pending.get_mut(place)) {
        it.outcome = Some(verdict::acknowledged(code, &it.topic));
    }
}

/// What the host is told. `unsettled` is why some messages have no outcome.
fn settle(
    pending: Vec<Pending<'_>>,
    unsettled: Option<ExportError>,
) -> Result<Vec<Undelivered>, ExportError> {
    let unknown = unsettled.unwrap_or_else(|| ExportError::unavailable("It was not published."));
    let outcomes: Vec<Outcome> = pending
        .into_iter()
        .map(|it| {
            it.outcome
                .unwrap_or_else(|| Outcome::Failed(unknown.clone()))
        })
        .collect();
    let is_settled = |outcome: &Outcome| !matches!(outcome, Outcome::Failed(_));
    if let (false, Some(Outcome::Failed(error))) =
        (outcomes.iter().any(is_settled), outcomes.first())
    {
        return Err(error.clone());
    }
    let undelivered = outcomes.into_iter().enumerate();
    Ok(undelivered
        .filter_map(|(place, outcome)| match outcome {
            Outcome::Delivered => None,
            Outcome::Rejected(reason) => Some(Undelivered::reject(place, reason)),
            Outcome::Failed(error) => Some(Undelivered::retry(place, error.reason())),
        })
        .collect())
}

#[cfg(test)]
mod tests;
