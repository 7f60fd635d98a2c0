//! The letters of one export, out of a stream that may have those of others and anything else too.

use std::time::Duration;

use millstream_streams::{Error, ReadOptions, SequenceNumber, Store};
use serde::{Deserialize, Serialize};

use super::Envelope;

/// Messages that are looked through at a time.
const PAGE: u64 = 500;
/// Their bytes, though never fewer than one message.
const PAGE_BYTES: u64 = 1 << 20;

/// A letter and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLetter {
    /// Its number in the dead-letter stream.
    pub(crate) dead_letter: u64,
    #[serde(flatten)]
    pub(crate) envelope: Envelope,
}

/// The letters of one export that are there when the reading begins, in the order of their stream.
pub(crate) struct Letters {
    store: Store,
    target: String,
    stream: String,
    export: String,
    next: SequenceNumber,
    end: SequenceNumber,
}

impl Letters {
    /// Begins with the oldest letter that is there.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such dead-letter stream.
    pub(crate) fn new(
        store: Store,
        target: String,
        stream: &str,
        export: &str,
    ) -> Result<Self, Error> {
        let position = store.describe(&target)?.position;
        Ok(Self {
            store,
            target,
            stream: stream.to_owned(),
            export: export.to_owned(),
            next: position.head,
            end: position.tail,
        })
    }

    /// Some of the next letters, possibly none of them; none at all when there are no more.
    ///
    /// # Errors
    ///
    /// What keeps the stream from being read. Letters that are damaged on the disk are passed over.
    pub(crate) async fn page(&mut self) -> Result<Option<Vec<DeadLetter>>, Error> {
        if self.next >= self.end {
            return Ok(None);
        }
        let options = ReadOptions {
            start: self.next,
            min: 1,
            max: PAGE,
            max_bytes: PAGE_BYTES,
            wait: Duration::ZERO,
        };
        let messages = match self.store.read(&self.target, options).await {
            Ok(messages) => messages,
            // Retention has taken the rest meanwhile.
            Err(Error::NotEnoughMessages | Error::BeyondEnd) => return Ok(None),
            Err(Error::Damaged { first, last }) => {
                let stream = &self.target;
                tracing::warn!(stream, %first, %last, "dead letters are damaged and are passed over");
                self.next = last + 1;
                return Ok(Some(Vec::new()));
            }
            Err(error) => return Err(error),
        };
        let Some(last) = messages.last() else {
            return Ok(None);
        };
        self.next = last.sequence_number + 1;
        let letters = messages.into_iter().filter_map(|message| {
            let envelope = Envelope::read(&message.payload)?;
            let is_wanted = message.sequence_number < self.end
                && envelope.stream == self.stream
                && envelope.export == self.export;
            is_wanted.then(|| DeadLetter {
                dead_letter: message.sequence_number.get(),
                envelope,
            })
        });
        Ok(Some(letters.collect()))
    }
}
