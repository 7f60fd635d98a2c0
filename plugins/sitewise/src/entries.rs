//! The call that carries entries, and what became of each.
//!
//! SiteWise answers for each entry. What an error means for it:
//!
//! * it is wrong, or its time is out of range: rejected, and never sent again (so Stream Manager since
//!   2.1.8, protocol specification, section 7.3);
//! * its asset or property does not exist: rejected, once another entry was taken; before that the Region
//!   or the account is more likely wrong;
//! * it is in conflict with another: sent once more alone (section 7.3, 2.1.4), and rejected if it is in
//!   conflict with itself;
//! * everything else passes.
//!
//! An error of the whole call that can only be meant for an entry has every entry sent alone.

#[cfg(test)]
mod tests;

use millstream_aws::endpoint::Endpoint;
use millstream_aws::{
    CallError, CallLimits, Fault, Operation, Outcome, Place, Placed, Refusal, Service, Target,
};
use millstream_plugin::http::Transport;
use millstream_plugin::{ConfigError, ExportError, Message};
use serde_json::Value;

use crate::entry::{Entry, MAX_ENTRY_BYTES};

/// Entries in one call (API reference of `BatchPutAssetPropertyValue`).
pub(crate) const MAX_ENTRIES: u32 = 10;

/// Two values for one property and time, or another operation on the property.
const CONFLICT: &str = "ConflictingOperationException";
/// There is no such asset or property.
const MISSING: &str = "ResourceNotFoundException";

/// `BatchPutAssetPropertyValue`.
#[derive(Debug)]
pub(crate) struct Entries<T> {
    service: Service<T>,
    meanings: Meanings,
}

/// What errors mean for an entry, in words for an operator.
#[derive(Debug)]
struct Meanings {
    service: Target,
    /// What is meant by an error that says that something does not exist.
    property: Target,
}

impl<T: Transport> Entries<T> {
    pub(crate) fn new(transport: T, place: &Place) -> Result<Self, ConfigError> {
        let region = place.region().as_str();
        let target = |name: &str| Target {
            name: format!("{name} in `{region}`"),
            keys: "the entry, `region` and the account",
            permission: "`iotsitewise:BatchPutAssetPropertyValue`",
        };
        let service = target("SiteWise");
        Ok(Self {
            service: Service::new(transport, Endpoint::SiteWise, place, service.clone())?,
            meanings: Meanings {
                service,
                property: target("The asset or property of an entry"),
            },
        })
    }
}

impl<T: Transport> Operation for Entries<T> {
    type Entry = Entry;

    fn limits(&self) -> CallLimits {
        CallLimits {
            entries: MAX_ENTRIES as usize,
            bytes: MAX_ENTRY_BYTES * u64::from(MAX_ENTRIES),
        }
    }

    fn entry(&mut self, message: Message) -> Result<Entry, String> {
        Entry::read(message.payload)
    }

    fn bytes(&self, entry: &Entry) -> u64 {
        entry.json.len() as u64
    }

    fn clashes(&self, earlier: &[&Placed<Entry>], entry: &Entry) -> bool {
        earlier.iter().any(|other| other.entry.clashes(entry))
    }

    fn send(&mut self, entries: &[Placed<Entry>]) -> Result<Vec<Outcome>, CallError> {
        let answer = match self.service.rest_json("/properties", body(entries)) {
            Err(CallError::Refused {
                code: Some(code),
                fault,
            }) if is_about_an_entry(&code) => {
                return Ok(match entries {
                    [one] => {
                        let said = "the call as a whole is refused";
                        let fault = match code.as_str() {
                            MISSING => self.meanings.fault(&code, said),
                            _ => fault,
                        };
                        vec![outcome(&code, fault, &one.entry)]
                    }
                    _ => {
                        let failure = ExportError::unavailable(fault.reason());
                        let in_the_way = || Outcome::InTheWay(failure.clone());
                        entries.iter().map(|_| in_the_way()).collect()
                    }
                });
            }
            answer => answer?,
        };
        let Some(errors) = answer.get("errorEntries").and_then(Value::as_array) else {
            return Err(self.service.not_understood());
        };
        let is_of = |error: &Value, placed: &Placed<Entry>| error["entryId"] == placed.entry.id;
        if errors
            .iter()
            .any(|error| !entries.iter().any(|placed| is_of(error, placed)))
        {
            return Err(self.service.not_understood());
        }
        Ok(entries
            .iter()
            .map(
                |placed| match errors.iter().find(|error| is_of(error, placed)) {
                    Some(error) => self.meanings.worst(error, &placed.entry),
                    None => Outcome::Taken,
                },
            )
            .collect())
    }
}

/// The body of a call.
fn body(entries: &[Placed<Entry>]) -> Vec<u8> {
    let mut body = br#"{"entries":["#.to_vec();
    for (place, placed) in entries.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&placed.entry.json);
    }
    body.extend_from_slice(b"]}");
    body
}

/// Codes that speak of what is in an entry, where they come for a whole call.
fn is_about_an_entry(code: &str) -> bool {
    matches!(
        code,
        CONFLICT
            | MISSING
            | "InvalidRequestException"
            | "TimestampOutOfRangeException"
            | "ValidationException"
    )
}

impl Meanings {
    /// What became of an entry that has errors: a final one goes before one that passes.
    fn worst(&self, error: &Value, entry: &Entry) -> Outcome {
        let errors = error["errors"].as_array().map_or(&[][..], Vec::as_slice);
        let rank = |outcome: &Outcome| match outcome {
            Outcome::Rejected(_) => 0,
            Outcome::Invalid(_) => 1,
            Outcome::InTheWay(_) => 2,
            Outcome::Failed(_) | Outcome::Taken => 3,
        };
        errors
            .iter()
            .map(|error| {
                let text = |key| error[key].as_str().unwrap_or_default();
                let code = text("errorCode");
                outcome(code, self.fault(code, text("errorMessage")), entry)
            })
            .min_by_key(rank)
            .unwrap_or_else(|| {
                Outcome::Failed(ExportError::unavailable(
                    "SiteWise did not take the entry, and does not say why.",
                ))
            })
    }

    /// What an error says of an entry.
    fn fault(&self, code: &str, message: &str) -> Fault {
        let target = match code {
            MISSING => &self.property,
            _ => &self.service,
        };
        Refusal::of_entry(code, message).fault(target)
    }
}

/// What became of an entry with this error.
fn outcome(code: &str, fault: Fault, entry: &Entry) -> Outcome {
    let reason = || fault.reason().to_owned();
    match code {
        "InvalidRequestException" | "ValidationException" | "TimestampOutOfRangeException" => {
            Outcome::Rejected(reason())
        }
        MISSING => Outcome::Invalid(reason()),
        CONFLICT if entry.clashes_with_itself() => Outcome::Rejected(format!(
            "The entry has two values for one time: {}",
            reason()
        )),
        CONFLICT => Outcome::InTheWay(ExportError::unavailable(reason())),
        _ => Outcome::Failed(fault.into_export_error()),
    }
}
