//! Dead letters: what becomes of messages that can never be delivered.
//!
//! An export may name a stream for them. Each rejected message is appended there in an [`envelope`]
//! that says where it comes from and why it was rejected, before the export's cursor passes it: so
//! none is lost, and after a crash in between one may stand twice. The stream is like any other; its
//! retention bounds the letters, and whoever may read it reads them. [`reader`] finds those of one
//! export, and [`requeue`](super::requeue) sends them again.
//!
//! Where letters go is [`Routes`]. An export's own word goes before that of its plugin, and the
//! plugin's word does not count for exports of a stream that takes letters: so a letter can come back
//! to its own stream only by way of streams that the configuration names one after the other, and
//! those it refuses when it is read.

mod envelope;
mod reader;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use millstream_streams::{Error, Payloads, Store, Timestamp, message_size};

use super::settings::ExportSettings;
use super::settle::Rejected;
use crate::config::Config;

pub(crate) use envelope::{Envelope, Payload};
pub(crate) use reader::{DeadLetter, Letters};

/// Letters are appended together up to this many bytes, though never fewer than one.
const APPEND_BYTES: u64 = 1 << 20;

/// Which export's rejected messages go where.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    /// By the name of the plugin.
    defaults: BTreeMap<String, String>,
    /// Every stream that takes letters.
    taking: BTreeSet<String>,
}

impl Routes {
    /// What a configuration says.
    pub(crate) fn new(config: &Config) -> Self {
        let defaults = config.plugin.iter().filter_map(|(plugin, settings)| {
            Some((plugin.clone(), settings.dead_letters.clone()?))
        });
        Self {
            defaults: defaults.collect(),
            taking: config
                .dead_letter_streams()
                .map(|(_, stream)| stream.to_owned())
                .collect(),
        }
    }

    /// The stream for the rejected messages of an export; none if they are only logged and counted.
    pub(crate) fn of(&self, stream: &str, settings: &ExportSettings) -> Option<String> {
        let default = || {
            let default = self.defaults.get(&settings.plugin);
            default.filter(|_| !self.taking.contains(stream))
        };
        let target = settings.dead_letters.as_ref().or_else(default)?;
        (target != stream).then(|| target.clone())
    }
}

/// Appends the rejected messages of one export to its dead-letter stream.
pub(super) struct DeadLetters {
    store: Store,
    target: String,
    stream: String,
    export: String,
    plugin: String,
}

impl DeadLetters {
    /// For the export `from`: its stream, its identifier and its plugin.
    pub(super) fn new(store: Store, target: String, from: (&str, &str, &str)) -> Self {
        let (stream, export, plugin) = from;
        if store.handle(&target).is_err() {
            tracing::warn!(
                stream,
                export,
                dead_letters = target,
                "the dead-letter stream does not exist: the export will wait with the first message \
                 that is rejected; create the stream, or declare it under [[stream]]"
            );
        }
        Self {
            store,
            target,
            stream: stream.to_owned(),
            export: export.to_owned(),
            plugin: plugin.to_owned(),
        }
    }

    /// Appends letters for some of the first of these messages, at least one, and returns for how
    /// many. They are as safe then as the dead-letter stream's definition says.
    ///
    /// # Errors
    ///
    /// Why the stream took none of them; the same call may succeed later.
    pub(super) async fn append_some(
        &self,
        rejected: &[Rejected],
        now: Timestamp,
    ) -> Result<usize, Error> {
        let definition = self.store.describe(&self.target)?.definition;
        let (mut letters, mut bytes) = (Vec::new(), 0);
        for one in rejected {
            let letter = self.letter(one, now, definition.max_size);
            bytes += message_size(letter.len());
            if bytes > APPEND_BYTES.min(definition.max_size) && !letters.is_empty() {
                break;
            }
            letters.push(letter);
        }
        let count = letters.len();
        let appended = self.store.append(&self.target, Payloads::Many(letters));
        appended.await.map(|_| count)
    }

    /// What an operator sees while the stream takes nothing.
    pub(super) fn refusal(&self, error: &Error) -> String {
        format!(
            "a rejected message waits for the dead-letter stream {}: {error}",
            self.target
        )
    }

    /// The letter of one message; without its payload if the stream could never hold it.
    fn letter(&self, rejected: &Rejected, now: Timestamp, max_size: u64) -> Bytes {
        let message = &rejected.message;
        let mut envelope = Envelope::new(
            (&self.stream, &self.export, &self.plugin),
            message,
            now.as_millis(),
            &rejected.reason,
        );
        let whole = envelope.to_bytes();
        if message_size(whole.len()) <= max_size {
            return whole;
        }
        tracing::warn!(
            stream = self.stream,
            export = self.export,
            number = message.sequence_number,
            dead_letters = self.target,
            bytes = message.payload.len(),
            "a dead letter is larger than its stream and goes there without the payload; raise the \
             stream's max-size"
        );
        envelope.leave_payload_out(message.payload.len() as u64);
        envelope.to_bytes()
    }
}

#[cfg(test)]
pub(super) mod tests;
