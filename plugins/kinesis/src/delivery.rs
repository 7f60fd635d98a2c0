//! From a batch to calls, and from their answers to what was not delivered.
//!
//! Records leave in order, each call as full as the limits allow. The rules:
//!
//! * A record beyond the configured size is rejected without a call.
//! * A record that the answer names as failed is to be retried; so is one that the answer leaves out.
//! * A call that fails before any call succeeded fails the batch. After that, what has not been sent
//!   is to be retried: failing the batch would send the delivered part again.
//! * A call that the service calls invalid is halved until the record that is at fault stands alone.
//!   That record is rejected if the service has taken other calls with this configuration, or if it
//!   is larger than what every stream takes; else the configuration is more likely at fault, and
//!   rejecting would lose data.
//! * A call without an answer in time halves the size of the next calls, down to 64 KiB; each call
//!   that succeeds doubles it again. So a slow line carries small calls instead of nothing.
//! * No call starts late in a batch's time, so that the host does not end the instance in the middle.

mod record;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use millstream_plugin::{ExportError, Message, Undelivered, log};

use crate::config::{CLASSIC_RECORD_BYTES, Settings};
use crate::partition_key::{PartitionKey, Uuids};
use crate::refusal::CallError;
pub(crate) use record::{Answer, Record};

/// Records in one `PutRecords` call (API reference of `PutRecords`).
pub(crate) const MAX_RECORDS_A_CALL: u32 = 500;

/// The smallest size to which timeouts bring a call; a larger record still goes, alone.
const LEAST_CALL_BYTES: u64 = 64 << 10;

/// How far into a batch a further call may start. The host gives it 10 s to connect and 30 s for the
/// answer, so it ends within the 60 s that the host gives a batch.
const LAST_START: Duration = Duration::from_secs(15);

/// The one operation of the service that an export needs.
pub(crate) trait PutRecords {
    /// Makes one call with at least one record; an answer for each record, in their order.
    fn put_records(&mut self, records: &[Record]) -> Result<Vec<Answer>, CallError>;
}

/// Delivers the batches of one export.
#[derive(Debug)]
pub(crate) struct Delivery<S> {
    service: S,
    partition_key: PartitionKey,
    uuids: Uuids,
    max_record_bytes: u64,
    max_call_bytes: u64,
    /// The size of the next call: at most `max_call_bytes`.
    call_bytes: u64,
    last_start: Duration,
    /// The service has taken a call, so the configuration is right.
    proven: bool,
}

impl<S: PutRecords> Delivery<S> {
    pub(crate) fn new(service: S, settings: &Settings) -> Self {
        Self {
            service,
            partition_key: settings.partition_key.clone(),
            uuids: Uuids::default(),
            max_record_bytes: settings.max_record_bytes,
            max_call_bytes: settings.max_call_bytes,
            call_bytes: settings.max_call_bytes,
            last_start: LAST_START,
            proven: false,
        }
    }

    /// Delivers a batch; the messages that were not delivered, in order of their place.
    ///
    /// # Errors
    ///
    /// Nothing was delivered, for a reason that holds for all.
    pub(crate) fn deliver(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        let started = Instant::now();
        let (records, mut undelivered) = self.records(batch)?;
        let mut invalid = Vec::new();
        let mut answered = false;
        // What is still to be sent, the next part last.
        let mut waiting = vec![records.as_slice()];
        while let Some(part) = waiting.pop() {
            if part.is_empty() {
                continue;
            }
            if answered && started.elapsed() >= self.last_start {
                waiting.push(part);
                retry(
                    &waiting,
                    "The time for this batch was used up by earlier calls.",
                    &mut undelivered,
                );
                break;
            }
            let (call, rest) = part.split_at(self.fit(part));
            waiting.push(rest);
            match self.service.put_records(call) {
                Ok(answers) => {
                    answered = true;
                    self.succeeded();
                    settle(call, answers, &mut undelivered);
                }
                Err(CallError::Invalid(reason)) => match call {
                    [record] => invalid.push((record, reason)),
                    _ => {
                        let (first, second) = call.split_at(call.len() / 2);
                        waiting.extend([second, first]);
                    }
                },
                Err(error) => {
                    if matches!(error, CallError::TimedOut(_)) {
                        self.timed_out();
                    }
                    if !answered {
                        return Err(error.into_export_error());
                    }
                    waiting.push(call);
                    retry(&waiting, error.reason(), &mut undelivered);
                    break;
                }
            }
        }
        undelivered.extend(self.judge(invalid)?);
        undelivered.sort_by_key(|message| message.index);
        Ok(undelivered)
    }

    /// Makes records of messages and rejects those that are too large.
    fn records(
        &mut self,
        batch: Vec<Message>,
    ) -> Result<(Vec<Record>, Vec<Undelivered>), ExportError> {
        let mut records = Vec::with_capacity(batch.len());
        let mut rejected = Vec::new();
        for (index, message) in batch.into_iter().enumerate() {
            let key = self.partition_key.of(&message.payload, &mut self.uuids)?;
            let record = Record {
                index,
                key,
                data: message.payload,
            };
            if record.bytes() <= self.max_record_bytes {
                records.push(record);
            } else {
                rejected.push(Undelivered::reject(
                    index,
                    format!(
                        "The record has {} bytes with its key, more than the {} of `maxRecordBytes`.",
                        record.bytes(),
                        self.max_record_bytes
                    ),
                ));
            }
        }
        Ok((records, rejected))
    }

    /// How many records from the front make the next call: at least one.
    fn fit(&self, records: &[Record]) -> usize {
        let mut room = self.call_bytes;
        let fitting = records
            .iter()
            .take(MAX_RECORDS_A_CALL as usize)
            .take_while(|record| match room.checked_sub(record.bytes()) {
                Some(rest) => {
                    room = rest;
                    true
                }
                None => false,
            })
            .count();
        fitting.clamp(1, records.len().max(1))
    }

    fn succeeded(&mut self) {
        self.proven = true;
        self.call_bytes = self.call_bytes.saturating_mul(2).min(self.max_call_bytes);
    }

    fn timed_out(&mut self) {
        let least = LEAST_CALL_BYTES.min(self.max_call_bytes);
        let smaller = (self.call_bytes / 2).max(least);
        if smaller < self.call_bytes {
            self.call_bytes = smaller;
            log::warn(&format!(
                "no answer from Kinesis in time; the next call carries {} KiB at most",
                smaller / 1024
            ));
        }
    }

    /// Decides about records that the service called invalid when they were alone.
    fn judge(&self, invalid: Vec<(&Record, String)>) -> Result<Vec<Undelivered>, ExportError> {
        let at_fault =
            |(record, _): &(&Record, String)| self.proven || record.bytes() > CLASSIC_RECORD_BYTES;
        if let Some((_, reason)) = invalid.iter().find(|record| !at_fault(record)) {
            return Err(ExportError::misconfigured(reason.clone()));
        }
        Ok(invalid
            .into_iter()
            .map(|(record, reason)| Undelivered::reject(record.index, reason))
            .collect())
    }
}

/// Marks everything that waits as to be retried.
fn retry(waiting: &[&[Record]], reason: &str, undelivered: &mut Vec<Undelivered>) {
    let records = waiting.iter().copied().flatten();
    undelivered.extend(records.map(|record| Undelivered::retry(record.index, reason)));
}

/// Joins the records of a call with the answers to them.
fn settle(call: &[Record], answers: Vec<Answer>, undelivered: &mut Vec<Undelivered>) {
    let answers = answers
        .into_iter()
        .map(Some)
        .chain(std::iter::repeat_with(|| None));
    for (record, answer) in call.iter().zip(answers) {
        let reason = match answer {
            Some(Answer::Taken) => continue,
            Some(Answer::Failed(reason)) => reason,
            None => "The answer of Kinesis leaves this record out.".to_owned(),
        };
        undelivered.push(Undelivered::retry(record.index, reason));
    }
}
