//! Handing over a batch, and what becomes of it.

use std::time::Duration;

use bytes::Bytes;
use millstream_runtime::{Disposition, ExportFailure, Exported, Exporter, Message};

use super::Subject;
use crate::streams::now;
use crate::words::{count, quoted};

/// What messages are unless their author says otherwise: JSON, so that those who look into payloads find
/// what they can read.
const PAYLOAD: &str = r#"{"source":"millstream-kit","number":{{number}}}"#;
/// Where the number of the message goes.
const NUMBER: &str = "{{number}}";
/// Steps of one batch, for exporters that work in steps. A host sets no limit.
const MAX_STEPS: usize = 1000;

/// What became of a batch.
#[derive(Debug)]
pub(super) enum Fate {
    /// Every message is delivered or rejected, these for these reasons.
    Settled { rejected: Vec<String> },
    /// A part of it or all comes again later.
    Waits {
        reason: String,
        rejected: Vec<String>,
        pause: Option<Duration>,
    },
    /// The exporter crashed, was cut off, or gave an answer that makes no sense.
    Broken(String),
}

impl Fate {
    /// Whether every message is delivered; else what happened instead, as the end of a sentence.
    pub(super) fn delivered(&self) -> Result<(), String> {
        match self {
            Self::Settled { rejected } => match rejected.first() {
                None => Ok(()),
                Some(reason) => Err(format!(
                    "it rejects {}, {}",
                    count(rejected.len() as u64, "message"),
                    quoted(reason)
                )),
            },
            Self::Waits { reason, .. } => Err(format!("it is to come again, {}", quoted(reason))),
            Self::Broken(reason) => Err(reason.trim_end_matches('.').to_owned()),
        }
    }
}

/// A message of the kit, padded with spaces to a size if it is shorter.
fn payload(subject: &Subject<'_>, number: u64, size: usize) -> Bytes {
    let template = subject.stage.options.payload.as_deref().unwrap_or(PAYLOAD);
    let mut text = template.replace(NUMBER, &number.to_string());
    // Spaces behind JSON, and behind most else, mean nothing.
    text.extend(std::iter::repeat_n(' ', size.saturating_sub(text.len())));
    text.into()
}

/// Messages in order, from a number on, of at least this size each.
pub(super) fn messages(subject: &Subject<'_>, first: u64, count: u64, size: usize) -> Vec<Message> {
    let numbers = first..first.saturating_add(count);
    numbers
        .map(|number| message(number, payload(subject, number, size)))
        .collect()
}

pub(super) fn message(sequence_number: u64, payload: Bytes) -> Message {
    Message {
        sequence_number,
        ingest_time: now(),
        payload,
    }
}

/// Hands over a batch as a host does: what an exporter works on in steps comes again at once.
pub(super) async fn deliver(exporter: &mut Exporter, batch: &[Message]) -> Fate {
    let mut rest = batch.to_vec();
    let mut rejected = Vec::new();
    for _ in 0..MAX_STEPS {
        let exported = match exporter.export(&rest).await {
            Ok(exported) => exported,
            Err(failure) => return failed(failure, rejected),
        };
        let Exported {
            undelivered,
            in_progress,
        } = exported;
        let mut again = Vec::new();
        let mut first_reason = None;
        for one in undelivered {
            match one.disposition {
                Disposition::Reject => rejected.push(one.reason),
                Disposition::Retry => {
                    first_reason.get_or_insert(one.reason);
                    again.extend(rest.get(one.index).cloned());
                }
            }
        }
        match (first_reason, in_progress) {
            (None, _) => return Fate::Settled { rejected },
            (Some(_), Some(_)) => rest = again,
            (Some(reason), None) => {
                return Fate::Waits {
                    reason,
                    rejected,
                    pause: None,
                };
            }
        }
    }
    Fate::Broken(format!(
        "it said {MAX_STEPS} times that the work is in progress, and did not end"
    ))
}

fn failed(failure: ExportFailure, rejected: Vec<String>) -> Fate {
    let reason = failure.to_string();
    match failure {
        ExportFailure::Unavailable { retry_after, .. }
        | ExportFailure::Throttled { retry_after, .. } => Fate::Waits {
            reason,
            rejected,
            pause: retry_after,
        },
        ExportFailure::Denied { .. } | ExportFailure::Misconfigured { .. } => Fate::Waits {
            reason,
            rejected,
            pause: None,
        },
        _ => Fate::Broken(reason),
    }
}
