//! The call that carries events, and what became of each.
//!
//! The service wants the events of a call in the order of their time, and within 24 hours. The time is
//! that at which the host took a message. It follows the stream's order but where the device's clock was
//! set back; there events leave in the order of time.

#[cfg(test)]
mod tests;

use millstream_aws::endpoint::Endpoint;
use millstream_aws::{CallError, CallLimits, Fault, Operation, Outcome, Placed, Service, Target};
use millstream_plugin::http::Transport;
use millstream_plugin::{ConfigError, Message};
use serde::Serialize;
use serde_json::{Value, json};

use crate::config::{Create, Settings};
use crate::event::{CLASSIC_EVENT_BYTES, Event, MAX_CALL_BYTES};

/// Events in one call (API reference of `PutLogEvents`).
pub(crate) const MAX_EVENTS: u32 = 10_000;
/// The longest time between the first and the last event of a call, in milliseconds (the same page).
const MAX_SPAN: u64 = 24 * 60 * 60 * 1000;

/// `PutLogEvents` to one log stream.
#[derive(Debug)]
pub(crate) struct Events<T> {
    service: Service<T>,
    settings: Settings,
}

/// The body of a call.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Call<'a> {
    log_group_name: &'a str,
    log_stream_name: &'a str,
    log_events: Vec<&'a Event>,
}

impl<T: Transport> Events<T> {
    pub(crate) fn new(transport: T, settings: Settings) -> Result<Self, ConfigError> {
        let target = Target {
            name: format!(
                "Log stream `{}` of the log group `{}` in `{}`",
                settings.stream,
                settings.group,
                settings.place.region().as_str()
            ),
            keys: "`logGroupName`, `logStreamName`, `region` and the account",
            permission: "`logs:PutLogEvents` (and `logs:CreateLogStream` and `logs:CreateLogGroup`, \
                         where it is to create them)",
        };
        let service = Service::new(transport, Endpoint::CloudWatchLogs, &settings.place, target)?;
        Ok(Self { service, settings })
    }

    fn put(&mut self, events: &[Placed<Event>]) -> Result<Value, CallError> {
        let call = Call {
            log_group_name: &self.settings.group,
            log_stream_name: &self.settings.stream,
            log_events: events.iter().map(|placed| &placed.entry).collect(),
        };
        self.service.json("Logs_20140328.PutLogEvents", &call)
    }

    /// Creates what is missing, as far as the configuration wants it.
    fn create_missing(&mut self) -> Result<(), CallError> {
        let Settings { group, stream, .. } = &self.settings;
        let group = json!({ "logGroupName": group });
        let stream = json!({ "logGroupName": group["logGroupName"], "logStreamName": stream });
        match self.create("Logs_20140328.CreateLogStream", &stream) {
            Err(error) if is_missing(&error) && self.settings.create == Create::GroupAndStream => {
                self.create("Logs_20140328.CreateLogGroup", &group)?;
                self.create("Logs_20140328.CreateLogStream", &stream)
            }
            other => other,
        }
    }

    fn create(&mut self, operation: &'static str, body: &Value) -> Result<(), CallError> {
        match self.service.json(operation, body) {
            // Somebody else was faster.
            Err(error) if error.is("ResourceAlreadyExistsException") => Ok(()),
            // Whatever is wrong with it, no event is at fault.
            Err(error) if !is_missing(&error) => Err(CallError::Failed(error.into_export_error())),
            other => other.map(drop),
        }
    }
}

fn is_missing(error: &CallError) -> bool {
    error.is("ResourceNotFoundException")
}

impl<T: Transport> Operation for Events<T> {
    type Entry = Event;

    fn limits(&self) -> CallLimits {
        CallLimits {
            entries: MAX_EVENTS as usize,
            bytes: MAX_CALL_BYTES,
        }
    }

    fn entry(&mut self, message: Message) -> Result<Event, String> {
        Event::new(message, self.settings.binary)
    }

    fn bytes(&self, event: &Event) -> u64 {
        event.bytes()
    }

    fn arrange(&self, events: &mut [Placed<Event>]) {
        events.sort_by_key(|placed| placed.entry.timestamp);
    }

    fn clashes(&self, earlier: &[&Placed<Event>], event: &Event) -> bool {
        earlier
            .first()
            .is_some_and(|first| event.timestamp.saturating_sub(first.entry.timestamp) > MAX_SPAN)
    }

    fn send(&mut self, events: &[Placed<Event>]) -> Result<Vec<Outcome>, CallError> {
        let answer = match self.put(events) {
            Err(error) if is_missing(&error) && self.settings.create != Create::Nothing => {
                self.create_missing()?;
                self.put(events)
            }
            answer => answer,
        };
        match (answer, events) {
            (Ok(answer), _) if answer.is_object() => Ok(outcomes(&answer, events.len())),
            (Ok(_), _) => Err(self.service.not_understood()),
            // Only such an event depends on where the service is.
            (
                Err(CallError::Refused {
                    fault: Fault::Content(reason),
                    ..
                }),
                [one],
            ) if one.entry.bytes() > CLASSIC_EVENT_BYTES => Ok(vec![Outcome::Rejected(reason)]),
            (Err(error), _) => Err(error),
        }
    }
}

/// What became of each event of a call, by `rejectedLogEventsInfo`.
fn outcomes(answer: &Value, count: usize) -> Vec<Outcome> {
    let info = &answer["rejectedLogEventsInfo"];
    let place = |key: &str| {
        let place = info.get(key)?.as_u64()?;
        Some(usize::try_from(place).unwrap_or(usize::MAX))
    };
    let too_old = place("tooOldLogEventEndIndex").unwrap_or(0);
    let expired = place("expiredLogEventEndIndex").unwrap_or(0);
    let too_new = place("tooNewLogEventStartIndex").unwrap_or(usize::MAX);
    let outcome = |place| {
        let reason = if place < too_old {
            "CloudWatch Logs takes no event older than 14 days."
        } else if place < expired {
            "The event is older than the retention of its log group."
        } else if place >= too_new {
            "CloudWatch Logs takes no event that is more than 2 hours ahead of its clock; the device's \
             clock was wrong when the message was appended."
        } else {
            return Outcome::Taken;
        };
        Outcome::Rejected(reason.to_owned())
    };
    (0..count).map(outcome).collect()
}
