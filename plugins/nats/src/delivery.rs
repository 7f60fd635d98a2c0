//! From a batch to messages that JetStream has stored.
//!
//! All messages of a batch are published one behind the other, without waiting, and each is settled by
//! its own acknowledgement. So a message that fails neither holds up nor fails the others. What has no
//! acknowledgement when the time is up, or when the connection breaks, is to be tried again: perhaps
//! JetStream has it, and then it drops the repeat.

use std::time::Instant;

use millstream_plugin::{ExportContext, ExportError, Message, Outcome, Undelivered};

use crate::ack;
use crate::config::{Config, check_subject, is_header_value};
use crate::session::{Event, Fault, Session, refused};

/// Delivers the batches of one export.
#[derive(Debug)]
pub(crate) struct Delivery {
    context: ExportContext,
    config: Config,
    /// Headers that every message has, each a line.
    headers: String,
    session: Option<Session>,
    /// The server that is tried first.
    first: usize,
    /// Counts batches, so that a late acknowledgement is not taken for one of another batch.
    batches: u64,
}

/// A message on its way.
struct Pending {
    subject: String,
    outcome: Option<Outcome>,
}

impl Delivery {
    pub(crate) fn new(context: ExportContext, config: Config) -> Self {
        let expected = config.expected_stream.iter();
        let expected = expected.map(|stream| format!("Nats-Expected-Stream: {stream}\r\n"));
        let own = config.headers.iter();
        let own = own.map(|(name, value)| format!("{name}: {value}\r\n"));
        Self {
            headers: expected.chain(own).collect(),
            context,
            config,
            session: None,
            first: 0,
            batches: 0,
        }
    }

    /// Delivers a batch; the messages that were not delivered, in order of their place.
    ///
    /// # Errors
    ///
    /// Nothing was delivered.
    pub(crate) fn deliver(&mut self, batch: &[Message]) -> Result<Vec<Undelivered>, ExportError> {
        let deadline = self.config.timeout_seconds.deadline();
        let kept = self
            .session
            .take()
            .and_then(|mut session| session.is_alive(deadline).then_some(session));
        let mut session = match kept {
            Some(session) => session,
            None => self.connect(deadline)?,
        };
        self.batches = self.batches.wrapping_add(1);
        let mut pending = Vec::with_capacity(batch.len());
        let unsettled = match self.exchange(&mut session, batch, &mut pending) {
            Ok(()) => {
                self.session = Some(session);
                None
            }
            Err(error) => Some(error),
        };
        settle(batch.len(), pending, unsettled)
    }

    /// Publishes everything and waits for the acknowledgements.
    fn exchange(
        &self,
        session: &mut Session,
        batch: &[Message],
        pending: &mut Vec<Pending>,
    ) -> Result<(), ExportError> {
        let fault = |fault: Fault, session: &Session| fault.error(session.server());
        for message in batch {
            let prepared = self.prepare(session, message);
            let (subject, headers) = match prepared {
                Ok(prepared) => prepared,
                Err(reason) => {
                    pending.push(Pending {
                        subject: String::new(),
                        outcome: Some(Outcome::Rejected(reason)),
                    });
                    continue;
                }
            };
            let number = format!("{}-{}", self.batches, pending.len());
            let published = session.publish(&number, &subject, &headers, &message.payload);
            pending.push(Pending {
                subject,
                outcome: None,
            });
            published.map_err(|error| fault(error, session))?;
            // A server that cannot get rid of its answers would stop to take more.
            while let Some(event) = session.arrived().map_err(|error| fault(error, session))? {
                self.note(event, pending, session)?;
            }
        }
        session.flush().map_err(|error| fault(error, session))?;
        while pending.iter().any(|pending| pending.outcome.is_none()) {
            let event = session.next().map_err(|error| fault(error, session))?;
            self.note(event, pending, session)?;
        }
        Ok(())
    }

    /// Subject and headers of a message; or why it can never be published.
    fn prepare(&self, session: &Session, message: &Message) -> Result<(String, String), String> {
        let subject = self.config.subject.render(&self.context, message)?;
        let subject = check_subject(subject)?;
        let id = self.config.message_id.render(&self.context, message)?;
        if id.is_empty() || !is_header_value(&id) {
            return Err(
                "The message id that `messageId` makes is empty or not one line.".to_owned(),
            );
        }
        let headers = format!("Nats-Msg-Id: {id}\r\n{}", self.headers);
        let size = crate::protocol::Publish {
            subject: &subject,
            reply: "",
            headers: &headers,
            payload: &message.payload,
        }
        .size() as u64;
        match session.max_payload() {
            most if size > most => Err(format!(
                "The message has {size} bytes with its headers; the server takes {most} at most \
                 (max_payload)."
            )),
            _ => Ok((subject, headers)),
        }
    }

    /// Settles what an event is about; an error if it ends the connection.
    fn note(
        &self,
        event: Event,
        pending: &mut [Pending],
        session: &Session,
    ) -> Result<(), ExportError> {
        match event {
            Event::Answer(number, answer) => {
                let place = number.split_once('-').and_then(|(batch, place)| {
                    let is_now = batch.parse() == Ok(self.batches);
                    place.parse::<usize>().ok().filter(|_| is_now)
                });
                if let Some(pending) = place.and_then(|place| pending.get_mut(place)) {
                    pending.outcome = Some(ack::outcome(&answer, &pending.subject));
                }
                Ok(())
            }
            Event::Refusal(words) => match forbidden_subject(&words) {
                Some(subject) => {
                    let denied = refused(&words, session.server());
                    pending
                        .iter_mut()
                        .filter(|it| it.outcome.is_none() && it.subject == subject)
                        .for_each(|it| it.outcome = Some(Outcome::Failed(denied.clone())));
                    Ok(())
                }
                None => Err(refused(&words, session.server())),
            },
        }
    }

    /// Connects to the first server that lets us in.
    fn connect(&mut self, deadline: Instant) -> Result<Session, ExportError> {
        let count = self.config.servers.len();
        let mut errors = Vec::new();
        for tries in 0..count {
            let place = (self.first + tries) % count;
            let Some(server) = self.config.servers.get(place) else {
                continue;
            };
            let now = Instant::now();
            // Each server has a fair part of the time that is left.
            let left = u32::try_from(count - tries).unwrap_or(u32::MAX).max(1);
            let until = now + deadline.saturating_duration_since(now) / left;
            match Session::open(&self.config, &self.context, &server.0, until) {
                Ok(mut session) => {
                    self.first = place;
                    session.set_deadline(deadline);
                    return Ok(session);
                }
                Err(error) => errors.push(error),
            }
        }
        Err(gravest(errors))
    }
}

/// The subject in `Permissions Violation for Publish to "subject"`.
fn forbidden_subject(words: &str) -> Option<&str> {
    let lower = words.to_ascii_lowercase();
    let rest = lower
        .find("violation for publish to")
        .and_then(|at| words.get(at..))?;
    rest.split('"').nth(1)
}

/// Of the errors of all servers, the one that an operator has to do something about; otherwise all.
fn gravest(errors: Vec<ExportError>) -> ExportError {
    let needs_operator = |error: &ExportError| {
        matches!(
            error,
            ExportError::Denied(_) | ExportError::Misconfigured(_)
        )
    };
    match errors.iter().find(|error| needs_operator(error)) {
        Some(error) => error.clone(),
        None => {
            let reasons: Vec<_> = errors.iter().map(ExportError::reason).collect();
            ExportError::unavailable(reasons.join(" "))
        }
    }
}

/// What the host is told. `unsettled` is why some messages have no outcome.
fn settle(
    count: usize,
    pending: Vec<Pending>,
    unsettled: Option<ExportError>,
) -> Result<Vec<Undelivered>, ExportError> {
    let unknown = unsettled.unwrap_or_else(|| ExportError::unavailable("It was not published."));
    let unknown = Outcome::Failed(unknown);
    let outcomes = pending.into_iter().map(|it| it.outcome);
    let outcomes = outcomes.chain(std::iter::repeat(None)).take(count);
    let outcomes = outcomes.map(|outcome| outcome.unwrap_or_else(|| unknown.clone()));
    Outcome::settle(outcomes.collect())
}

#[cfg(test)]
mod tests;
