//! From batches to objects, each message in exactly one, whatever crashes.
//!
//! After a crash the host makes batches anew from the last message it knows to be settled. They begin
//! where a batch began before, and may end elsewhere: more messages have come. A key made of the new
//! batch would then be another one, and the same messages would stand in two objects.
//!
//! So an object is written in two calls. The first settles nothing: it remembers a [`Plan`], which says
//! where the object begins and ends, and the host keeps that together with the export's place in the
//! stream before it calls again. The second writes what the plan says, and nothing more of the batch;
//! the rest is planned anew. What follows from it:
//!
//! * A plan is there before its object, and holds until the host has kept that the object is written. A
//!   repeat finds it, and so has the same key and the same messages: it overwrites.
//! * No other object has messages of the plan: they come behind it, or the plan is forgotten together
//!   with the settling of its messages.
//! * A batch may end before its plan does: the host halves one on which this component crashed. It goes
//!   to the key of the plan, over what may be there, and the messages that it lacks come in an object of
//!   their own. That is planned first, too: the plan's end is moved.
//! * A batch may begin behind the beginning of its plan: the stream has lost messages in the meantime.
//!   The object may be there with them, and then it is left as it is ([`Write::Missing`]), unless it may
//!   also have been cut.
//!
//! A call of the host costs nothing and a request to S3 does: an object is one request.

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::ops::Range;

use millstream_plugin::{ExportError, Message, Undelivered};

use crate::format::{Encoded, Encoder, Object};
use crate::plan::Plan;
use crate::template::Keys;

/// How an object is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// In the place of what is there.
    Over,
    /// Only if nothing is there. It counts as written if something is.
    Missing,
}

/// Where objects are kept.
pub(crate) trait Storage {
    /// Writes an object. When it returns without an error, an object is there under the key.
    ///
    /// # Errors
    ///
    /// It is not known to be written.
    fn put(&mut self, key: &str, object: &Object, write: Write) -> Result<(), ExportError>;
}

/// What an export remembers together with its place in the stream.
pub(crate) trait Memory {
    /// What the last call that returned has left.
    fn recall(&self) -> Option<Vec<u8>>;

    /// Remembers bytes, or nothing.
    ///
    /// # Errors
    ///
    /// They are too many; why, in a sentence.
    fn remember(&mut self, bytes: Option<&[u8]>) -> Result<(), String>;

    /// Says how far the work is, and that it goes on at once.
    fn in_progress(&mut self, text: &str);
}

/// Archives the messages of one export.
#[derive(Debug)]
pub(crate) struct Archive<S, M> {
    keys: Keys,
    encoder: Encoder,
    storage: S,
    memory: M,
}

impl<S: Storage, M: Memory> Archive<S, M> {
    pub(crate) fn new(keys: Keys, encoder: Encoder, storage: S, memory: M) -> Self {
        Self {
            keys,
            encoder,
            storage,
            memory,
        }
    }

    /// Takes one step with a batch: plans an object, or writes the one that is planned.
    ///
    /// # Errors
    ///
    /// The object is not known to be written. The plan stays.
    pub(crate) fn step(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else {
            return Ok(Vec::new());
        };
        let (first, last) = (first.sequence_number, last.sequence_number);
        let remembered = self.memory.recall();
        let remembered = remembered.and_then(|bytes| Plan::decode(&bytes));
        let Some(plan) = remembered.filter(|plan| plan.may_hold(first)) else {
            self.plan(&batch)?;
            return Ok(again(0..batch.len()).collect());
        };
        let fitted = plan.fit(first, last);
        if fitted != plan {
            self.remember(Some(fitted))?;
            return Ok(again(0..batch.len()).collect());
        }
        self.write(plan, first, batch)
    }

    /// Writes the messages of the batch that belong to a planned object, and plans the next one.
    fn write(
        &mut self,
        plan: Plan,
        first: u64,
        mut batch: Vec<Message>,
    ) -> Result<Vec<Undelivered>, ExportError> {
        let count = batch.partition_point(|message| message.sequence_number <= plan.end);
        let later = batch.split_off(count);
        let Encoded { object, rejected } = self.encoder.encode(batch)?;
        if let Some(object) = object {
            let write = match first == plan.first || plan.was_cut {
                true => Write::Over,
                false => Write::Missing,
            };
            self.storage.put(&self.keys.key(&plan), &object, write)?;
        }
        self.plan(&later)?;
        let mut undelivered = rejected;
        undelivered.extend(again(count..count + later.len()));
        Ok(undelivered)
    }

    /// Plans the object that these messages begin; none if there are none.
    fn plan(&mut self, messages: &[Message]) -> Result<(), ExportError> {
        let fitting = self.encoder.fit(messages);
        let fitting = messages.get(..fitting).unwrap_or_default();
        let plan = fitting.first().zip(fitting.last()).map(|(first, last)| {
            Plan::new(
                first.sequence_number,
                last.sequence_number,
                first.ingest_time,
            )
        });
        self.remember(plan)
    }

    fn remember(&mut self, plan: Option<Plan>) -> Result<(), ExportError> {
        let bytes = plan.map(|plan| plan.encode());
        self.memory
            .remember(bytes.as_deref())
            .map_err(|why| ExportError::unavailable(format!("No object can be planned: {why}")))?;
        if let Some(plan) = plan {
            let text = format!("writing messages {} to {}", plan.first, plan.end);
            self.memory.in_progress(&text);
        }
        Ok(())
    }
}

/// The messages at these places are to come again.
fn again(places: Range<usize>) -> impl Iterator<Item = Undelivered> {
    places.map(|place| Undelivered::retry(place, "Its object is about to be written."))
}
