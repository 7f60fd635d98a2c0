//! From a batch to messages that the broker has acknowledged.
//!
//! As many messages are under way as broker and configuration allow, and each is settled by its own
//! acknowledgement. What has none when the time is up, or when the connection ends, is to be tried again.
//!
//! # A message that the broker does not like
//!
//! Brokers that speak 3.1.1 have no word for a message they do not take: they close the connection, and
//! so do some with version 5. To find the message, the next batch goes with one message under way at a
//! time (carefully). When the connection ends then, the message under way is sent again as the first on a
//! new connection, since the end may be about what came before it. If that ends too, the message is the
//! suspect: it steps aside for this call, a new connection is made, and the others go on. In later calls
//! it goes behind those that had no turn yet. So a bad message holds up none of its batch.
//!
//! A suspect is rejected only where there is no doubt: the broker named a reason that lies in the message,
//! or there is [proof](crate::suspicion).

use std::collections::HashMap;
use std::time::Instant;

use millstream_mqtt_packet::{Incoming, Publish, check_topic};
use millstream_plugin::{ExportContext, ExportError, Message, Outcome, Undelivered};

use crate::config::Config;
use crate::session::{Fault, Session};
use crate::suspicion::Suspicion;
use crate::verdict;

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
    suspicion: Suspicion,
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
    blame: Blame,
}

/// Which message the end of a connection is about, by its place.
enum Blame {
    /// None, or nobody knows which.
    Unknown,
    /// This one or what came before it on the connection: it has to be the first on a new one.
    Unclear,
    /// This one, if any: the broker does not say.
    Suspect(usize),
    /// This one, for a reason that an operator can mend.
    Denied(usize),
    /// This one, for a reason that lies in it.
    Invalid(usize),
}

impl Delivery {
    pub(crate) fn new(context: ExportContext, config: Config) -> Self {
        let suspicion = Suspicion::new(config.broker.0.to_string());
        Self {
            context,
            config,
            session: None,
            careful: false,
            suspicion,
        }
    }

    /// Delivers a batch; the messages that were not delivered, in order of their place.
    ///
    /// # Errors
    ///
    /// Nothing was delivered.
    pub(crate) fn deliver(&mut self, batch: &[Message]) -> Result<Vec<Undelivered>, ExportError> {
        let deadline = self.config.timeout_seconds.deadline();
        let mut pending: Vec<_> = batch.iter().map(|message| self.prepare(message)).collect();
        let is_here = |number| batch.iter().any(|it| it.sequence_number == number);
        self.suspicion.keep(is_here);
        let (mut session, mut is_new) = self.session(deadline)?;
        let mut has_suspects = false;
        let mut fruitless = 0;
        let unsettled = loop {
            let before = answered(&pending);
            let end = self.run(&mut session, is_new, &mut pending);
            let Err(End { error, blame }) = end else {
                self.session = Some(session);
                break None;
            };
            let place = match blame {
                Blame::Unknown => break Some(error),
                Blame::Unclear => None,
                Blame::Suspect(place) | Blame::Denied(place) | Blame::Invalid(place) => Some(place),
            };
            let is_answer = answered(&pending) > before || matches!(blame, Blame::Invalid(_));
            fruitless = match is_answer || !is_new {
                true => 0,
                false => fruitless + 1,
            };
            if let Some(it) = place.and_then(|place| pending.get_mut(place)) {
                it.outcome = Some(self.blamed(&blame, it, &error));
                has_suspects |= matches!(it.outcome, Some(Outcome::Failed(_)));
            }
            if fruitless >= MAX_FRUITLESS {
                break Some(error);
            }
            session = match Session::open(&self.config, &self.context, deadline) {
                Ok(session) => session,
                Err(error) => break Some(error),
            };
            is_new = true;
        };
        for it in &pending {
            if matches!(it.outcome, Some(Outcome::Failed(_))) {
                self.suspicion.note_tried(it.message.sequence_number);
            }
        }
        self.careful = match &unsettled {
            // Without suspects nothing is left to be careful of.
            None => has_suspects,
            Some(_) => self.careful,
        };
        settle(pending, unsettled)
    }

    /// What becomes of a message that is to blame for the end of a connection.
    fn blamed(&mut self, blame: &Blame, it: &Pending<'_>, error: &ExportError) -> Outcome {
        let proof = match blame {
            Blame::Invalid(_) => return Outcome::Rejected(error.reason().to_owned()),
            Blame::Suspect(_) => self.suspicion.note_end(it.message.sequence_number),
            Blame::Denied(_) | Blame::Unclear | Blame::Unknown => None,
        };
        match proof {
            Some(proof) => Outcome::Rejected(format!(
                "The broker closes the connection on this message for `{}`, {proof}: it is too large for \
                 the broker, or forbidden.",
                it.topic
            )),
            None => Outcome::Failed(error.clone()),
        }
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

    /// The connection of the last call, or a new one, and which of the two.
    fn session(&mut self, deadline: Instant) -> Result<(Session, bool), ExportError> {
        let kept = self.session.take();
        match kept.and_then(|mut it| it.is_alive(&self.config, deadline).then_some(it)) {
            Some(session) => Ok((session, false)),
            None => Session::open(&self.config, &self.context, deadline).map(|it| (it, true)),
        }
    }

    /// The places of what has no outcome, in the order in which it goes: that of the stream, and in a
    /// careful batch those that had no turn yet before the others.
    fn order(&self, pending: &[Pending<'_>]) -> Vec<usize> {
        let places = pending.iter().enumerate();
        let mut open: Vec<usize> = places
            .filter_map(|(place, it)| it.outcome.is_none().then_some(place))
            .collect();
        if self.careful {
            let number = |place: &usize| pending.get(*place).map(|it| it.message.sequence_number);
            open.sort_by_key(|place| {
                number(place).is_some_and(|number| self.suspicion.was_tried(number))
            });
        }
        open
    }

    /// Publishes what has no outcome, until everything has one or the connection ends.
    fn run(
        &mut self,
        session: &mut Session,
        is_new: bool,
        pending: &mut [Pending<'_>],
    ) -> Result<(), End> {
        let window = match self.careful {
            true => 1,
            false => session
                .receive_maximum()
                .min(self.config.max_in_flight)
                .into(),
        };
        // By packet identifier, the place of each message under way.
        let mut under_way: HashMap<u16, usize> = HashMap::new();
        let mut order = self.order(pending).into_iter();
        let mut sent = 0_usize;
        loop {
            while under_way.len() < window
                && let Some(place) = order.next()
                && let Some(it) = pending.get_mut(place)
            {
                let id = session.new_id();
                match self.packet(session, id, it) {
                    Ok(packet) => {
                        under_way.insert(id, place);
                        sent += 1;
                        session
                            .send(&packet)
                            .map_err(|fault| self.end(&fault, session, is_new, sent, &under_way))?;
                    }
                    Err(reason) => it.outcome = Some(Outcome::Rejected(reason)),
                }
            }
            if under_way.is_empty() {
                return Ok(());
            }
            let incoming = session
                .flush()
                .and_then(|()| session.next())
                .map_err(|fault| self.end(&fault, session, is_new, sent, &under_way))?;
            if note(&incoming, &mut under_way, pending) {
                self.suspicion.note_taken();
            }
        }
    }

    fn packet(&self, session: &Session, id: u16, it: &Pending<'_>) -> Result<Vec<u8>, String> {
        let number = it.message.sequence_number.to_string();
        let packet = session.packet(&Publish {
            id,
            topic: &it.topic,
            retain: self.config.retain,
            // By these a receiver knows a repeat.
            user_properties: &[
                ("millstream-stream", &self.context.stream_name),
                ("millstream-sequence-number", &number),
            ],
            payload: &it.message.payload,
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

    /// What the end of a connection means on which so many messages were sent; the next batch is a careful
    /// one if it may be about a message.
    fn end(
        &mut self,
        fault: &Fault,
        session: &Session,
        is_new: bool,
        sent: usize,
        under_way: &HashMap<u16, usize>,
    ) -> End {
        let is_suspicious = fault.may_be_about_a_message();
        let only = match under_way.len() {
            1 if self.careful && is_suspicious => under_way.values().next().copied(),
            _ => None,
        };
        self.careful |= is_suspicious;
        let blame = match (only, fault) {
            (None, _) => Blame::Unknown,
            (Some(place), Fault::Disconnected(code)) if verdict::is_final(code) => {
                Blame::Invalid(place)
            }
            (Some(_), _) if !is_new || sent > 1 => Blame::Unclear,
            (Some(place), Fault::Disconnected(code)) if verdict::is_denied(code) => {
                Blame::Denied(place)
            }
            (Some(place), _) => Blame::Suspect(place),
        };
        End {
            error: fault.error(session.server()),
            blame,
        }
    }
}

/// How many messages have an outcome.
fn answered(pending: &[Pending<'_>]) -> usize {
    pending.iter().filter(|it| it.outcome.is_some()).count()
}

/// Settles what an acknowledgement is about; true if a message was taken.
fn note(
    incoming: &Incoming,
    under_way: &mut HashMap<u16, usize>,
    pending: &mut [Pending<'_>],
) -> bool {
    let Incoming::Acknowledged(id, code) = incoming else {
        return false;
    };
    let place = under_way.remove(id);
    let Some(it) = place.and_then(|place| pending.get_mut(place)) else {
        return false;
    };
    let outcome = verdict::acknowledged(code, &it.topic);
    let is_taken = outcome == Outcome::Delivered;
    it.outcome = Some(outcome);
    is_taken
}

/// What the host is told. `unsettled` is why some messages have no outcome.
fn settle(
    pending: Vec<Pending<'_>>,
    unsettled: Option<ExportError>,
) -> Result<Vec<Undelivered>, ExportError> {
    let unknown = unsettled.unwrap_or_else(|| ExportError::unavailable("It was not published."));
    let unknown = Outcome::Failed(unknown);
    let outcomes = pending.into_iter().map(|it| it.outcome);
    let outcomes = outcomes.map(|outcome| outcome.unwrap_or_else(|| unknown.clone()));
    Outcome::settle(outcomes.collect())
}

#[cfg(test)]
mod tests;
