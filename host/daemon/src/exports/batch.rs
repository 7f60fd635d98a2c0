//! Filling a batch: what goes to the plugin with the next call.

use std::ops::Range;
use std::time::Duration;

use millstream_runtime::{BatchLimits, Message};
use millstream_streams::{Error, ReadOptions, SequenceNumber, Store, Watch};

use super::settle::Rejected;
use crate::time::Time;

/// When a batch is complete.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchRule {
    /// Messages of a full batch: what the export asks for, within what the plugin takes.
    pub(crate) messages: u64,
    /// Bytes of payload of a full batch.
    pub(crate) bytes: u64,
    /// A message with a larger payload is rejected by the host.
    pub(crate) message_bytes: u64,
    /// An incomplete batch leaves when its oldest message has waited this long.
    pub(crate) linger: Duration,
}

/// However large a batch a plugin takes: one that asks for everything would otherwise have the backlog of
/// an outage in the host's memory, twice while the next batch is read ahead. A batch of small messages
/// takes more for each than its payload.
const MOST_MESSAGES: u64 = 100_000;
/// As much as one append carries.
const MOST_BYTES: u64 = 16 << 20;

impl BatchRule {
    /// The rule of a plugin's limits, within what the host itself bears.
    pub(crate) fn new(limits: BatchLimits, batch_size: Option<u64>, linger: Duration) -> Self {
        let most = u64::from(limits.max_messages).clamp(1, MOST_MESSAGES);
        Self {
            messages: batch_size.map_or(most, |size| size.clamp(1, most)),
            bytes: limits.max_batch_bytes.min(MOST_BYTES),
            message_bytes: limits.max_message_bytes,
            linger,
        }
    }

    /// Rejects a message that is larger than the plugin takes.
    pub(crate) fn admit(&self, message: Message) -> Result<Message, Rejected> {
        let size = message.payload.len() as u64;
        if size <= self.message_bytes {
            return Ok(message);
        }
        let reason = format!(
            "its {size} bytes are more than the plugin takes ({})",
            self.message_bytes
        );
        Err(Rejected { message, reason })
    }
}

/// Messages for the next call, and what happened to those that are not among them.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) messages: Vec<Message>,
    /// Larger than the plugin takes.
    pub(crate) too_large: Vec<Rejected>,
    /// Numbers of messages that were gone before they could be exported: trimmed, or damaged on disk.
    pub(crate) gaps: Vec<Range<u64>>,
    /// The number behind the batch.
    pub(crate) end: SequenceNumber,
}

/// While a batch fills, it is looked at again after this time at the latest: on a full stream that
/// overwrites its oldest messages, neither count nor bytes may ever be reached.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Waits until a batch is due, and reads it.
///
/// # Errors
///
/// [`Error::NotFound`] when the stream is deleted, [`Error::Damaged`] where messages cannot be read,
/// and what else keeps the stream from being read.
pub(crate) async fn next(
    store: &Store,
    time: &dyn Time,
    watch: &mut Watch,
    name: &str,
    from: SequenceNumber,
    rule: &BatchRule,
) -> Result<Batch, Error> {
    watch.reach(from).await?;
    let mut there = watch.position().tail;
    let mut batch = read(store, watch, name, from, rule).await?;
    while !is_full(&batch, there, rule) {
        let age = batch.messages.first().map_or(0, |oldest| {
            time.now().as_millis().saturating_sub(oldest.ingest_time)
        });
        let Some(rest) = rule.linger.checked_sub(Duration::from_millis(age)) else {
            break;
        };
        if rest.is_zero() {
            break;
        }
        let position = watch.position();
        let room = rule.bytes.saturating_sub(payload_bytes(&batch));
        let full = watch.reach_or_grow(from + (rule.messages - 1), position.bytes + room);
        if let Some(found) = time.limit(rest.min(LOOK_AGAIN), full).await {
            found?;
        }
        there = watch.position().tail;
        batch = read(store, watch, name, from, rule).await?;
    }
    Ok(batch)
}

/// Reads a full batch if there is one already, for the time while a call is under way.
pub(crate) async fn ahead(
    store: &Store,
    watch: &Watch,
    name: &str,
    from: SequenceNumber,
    rule: &BatchRule,
) -> Option<Batch> {
    if watch.position().tail < from + rule.messages {
        return None;
    }
    read(store, watch, name, from, rule).await.ok()
}

async fn read(
    store: &Store,
    watch: &Watch,
    name: &str,
    from: SequenceNumber,
    rule: &BatchRule,
) -> Result<Batch, Error> {
    let options = ReadOptions {
        start: from,
        min: 1,
        max: rule.messages,
        max_bytes: rule.bytes,
        wait: Duration::ZERO,
    };
    let found = match store.read(name, options).await {
        Ok(found) => found,
        // Retention has taken everything before its turn came.
        Err(Error::NotEnoughMessages | Error::BeyondEnd) => {
            let head = watch.position().head.max(from);
            return Ok(Batch {
                messages: Vec::new(),
                too_large: Vec::new(),
                gaps: std::iter::once(from.get()..head.get()).collect(),
                end: head,
            });
        }
        Err(error) => return Err(error),
    };
    let mut batch = Batch {
        messages: Vec::with_capacity(found.len()),
        too_large: Vec::new(),
        gaps: Vec::new(),
        end: from,
    };
    for message in found {
        if message.sequence_number > batch.end {
            batch
                .gaps
                .push(batch.end.get()..message.sequence_number.get());
        }
        batch.end = message.sequence_number + 1;
        let message = Message {
            sequence_number: message.sequence_number.get(),
            ingest_time: message.ingest_time.as_millis(),
            payload: message.payload,
        };
        match rule.admit(message) {
            Ok(message) => batch.messages.push(message),
            Err(rejected) => batch.too_large.push(rejected),
        }
    }
    Ok(batch)
}

/// Whether waiting cannot add to a batch, or must not: it has all it may have, or something in it is
/// to be settled without the plugin. `there` is the number behind the messages that were there before
/// the batch was read.
fn is_full(batch: &Batch, there: SequenceNumber, rule: &BatchRule) -> bool {
    batch.messages.is_empty()
        || batch.messages.len() as u64 + batch.too_large.len() as u64 >= rule.messages
        // What was there and is not in the batch did not fit into its bytes. What has come since says
        // nothing.
        || there > batch.end
}

fn payload_bytes(batch: &Batch) -> u64 {
    batch
        .messages
        .iter()
        .map(|message| message.payload.len() as u64)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(numbers: std::ops::Range<u64>) -> Batch {
        let end = SequenceNumber::new(numbers.end);
        let message = |sequence_number| Message {
            sequence_number,
            ingest_time: 0,
            payload: vec![0].into(),
        };
        Batch {
            messages: numbers.map(message).collect(),
            too_large: Vec::new(),
            gaps: Vec::new(),
            end,
        }
    }

    #[test]
    fn a_plugin_that_takes_any_batch_gets_one_that_the_host_can_hold() {
        let limits = BatchLimits {
            max_messages: u32::MAX,
            max_batch_bytes: u64::MAX,
            max_message_bytes: u64::MAX,
        };
        for batch_size in [None, Some(u64::MAX)] {
            let rule = BatchRule::new(limits, batch_size, Duration::ZERO);
            assert_eq!((rule.messages, rule.bytes), (100_000, 16 << 20));
        }
        let small = BatchRule::new(limits, Some(7), Duration::ZERO);
        assert_eq!(small.messages, 7);
    }

    #[test]
    fn a_batch_is_full_when_what_was_there_did_not_fit_and_not_when_more_has_come() {
        let rule = BatchRule {
            messages: 10,
            bytes: 100,
            message_bytes: 100,
            linger: Duration::from_secs(60),
        };
        let there = SequenceNumber::new;
        assert!(!is_full(&batch(3..8), there(8), &rule));
        // Some of the batch came after the look.
        assert!(!is_full(&batch(3..8), there(5), &rule));
        assert!(is_full(&batch(3..8), there(9), &rule));
        assert!(is_full(&batch(3..13), there(13), &rule));
        assert!(is_full(&batch(3..3), there(3), &rule));
    }
}
