//! The transforms of an export: what a batch becomes before its destination sees it.
//!
//! To the pipeline a destination behind transforms is a destination like any other: it is handed messages of
//! the stream and answers for them. In between, each piece that goes on knows from which messages of the
//! batch it comes, so that the answer of the destination to a piece becomes one to those messages:
//!
//! * A message is delivered when everything that was made of it is; one of which nothing was made is
//!   delivered at once.
//! * If a piece is to be tried again, so are all the messages it comes from. What else was made of them
//!   goes out again too, with the same numbers.
//! * If a piece is rejected, so are they, unless one of them is to be tried again first.
//!
//! A transform that crashes is like an exporter that does: the pipeline halves the batch until the message
//! that is at fault stands alone.

mod followed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use millstream_runtime::{
    BatchLimits, BoxFuture, CancelReason, Canceled, Disposition, ExportFailure, Exported, Message,
    RuntimeError, Traffic, Transformed, Undelivered,
};

use super::destination::Destination;

pub(super) use followed::FollowedTransform;

/// Changes batches.
pub(super) trait Transform: Send {
    /// What becomes of a batch; see [`Transformer::transform`](millstream_runtime::Transformer::transform).
    fn transform<'a>(
        &'a mut self,
        batch: &'a [Message],
    ) -> BoxFuture<'a, Result<Transformed, ExportFailure>>;

    /// The most outputs that have the same last source; at least 1.
    fn most_outputs(&self) -> u32;

    /// Gives back the memory that it needs only while it works.
    fn rest(&mut self);
}

/// The most sources that what a transform has made of a batch may have, added up. Two steps that each make
/// much of everything would multiply them, in the host's memory and time.
const MOST_SOURCES: usize = 1 << 20;

/// A destination behind transforms.
pub(super) struct TransformedDestination {
    transforms: Vec<Box<dyn Transform>>,
    destination: Box<dyn Destination>,
    /// The largest batch that the destination takes.
    limits: BatchLimits,
    /// Pieces, by their numbers, that are settled while longer work for others of the same messages goes on.
    /// They are not handed over again.
    settled: BTreeMap<u64, Settled>,
}

/// A piece that is settled.
struct Settled {
    /// Of a smaller batch, a transform may make other pieces with the same numbers: those are not settled.
    payload: Bytes,
    /// Why it is rejected; none if it is delivered.
    rejected: Option<String>,
}

/// A message on its way through the transforms.
struct Piece {
    /// The places in the batch of the messages it comes from, ascending.
    sources: Vec<usize>,
    message: Message,
}

/// What is known of the messages of a batch that are not delivered.
#[derive(Default)]
struct Verdicts(BTreeMap<usize, (Disposition, String)>);

impl Verdicts {
    /// Of the messages that a piece comes from. That one is to be tried again outweighs that it is
    /// rejected, and the first reason stays.
    fn judge(&mut self, sources: &[usize], disposition: Disposition, reason: &str) {
        for source in sources {
            let verdict = self
                .0
                .entry(*source)
                .or_insert_with(|| (disposition, reason.to_owned()));
            if (verdict.0, disposition) == (Disposition::Reject, Disposition::Retry) {
                *verdict = (disposition, reason.to_owned());
            }
        }
    }

    /// That pieces are to be tried again.
    fn retry(&mut self, pieces: &[Piece], reason: &str) {
        for piece in pieces {
            self.judge(&piece.sources, Disposition::Retry, reason);
        }
    }

    /// How many messages are to be tried again.
    fn retries(&self) -> usize {
        let verdicts = self.0.values();
        verdicts
            .filter(|(disposition, _)| *disposition == Disposition::Retry)
            .count()
    }

    fn into_undelivered(self) -> Vec<Undelivered> {
        let verdicts = self.0.into_iter();
        verdicts
            .map(|(index, (disposition, reason))| Undelivered {
                index,
                disposition,
                reason,
            })
            .collect()
    }
}

impl TransformedDestination {
    /// A destination that takes batches of this size at most, behind transforms in their order.
    pub(super) fn new(
        transforms: Vec<Box<dyn Transform>>,
        destination: Box<dyn Destination>,
        limits: BatchLimits,
    ) -> Self {
        Self {
            transforms,
            destination,
            limits,
            settled: BTreeMap::new(),
        }
    }

    /// The batch that is handed over may be larger than what the destination takes: what it becomes is
    /// what counts. The number of messages stays, so that a batch takes no longer to fill.
    pub(super) fn batch_limits(&self) -> BatchLimits {
        /// More than any message has (protocol specification, section 3.4).
        const ANY_MESSAGE: u64 = 16 << 20;
        BatchLimits {
            max_messages: self.limits.max_messages,
            max_batch_bytes: self.limits.max_batch_bytes.max(ANY_MESSAGE),
            max_message_bytes: ANY_MESSAGE,
        }
    }

    async fn export_transformed(&mut self, batch: &[Message]) -> Result<Exported, ExportFailure> {
        let mut verdicts = Verdicts::default();
        let mut pieces = self.transform(batch, &mut verdicts).await?;
        pieces.retain(|piece| {
            let settled = self.settled.get(&piece.message.sequence_number);
            let settled = settled.filter(|settled| settled.payload == piece.message.payload);
            if let Some(reason) = settled.and_then(|settled| settled.rejected.as_ref()) {
                verdicts.judge(&piece.sources, Disposition::Reject, reason);
            }
            settled.is_none()
        });
        let mut settled = BTreeMap::new();
        let mut exported = Exported::default();
        let mut rest = pieces.as_slice();
        let mut has_called = false;
        while !rest.is_empty() {
            let (call, later) = rest.split_at(self.fit(rest));
            let messages: Vec<_> = call.iter().map(|piece| piece.message.clone()).collect();
            match self.destination.export(&messages).await {
                Ok(answer) => {
                    settled.extend(messages.into_iter().map(|message| {
                        let delivered = Settled {
                            payload: message.payload,
                            rejected: None,
                        };
                        (message.sequence_number, delivered)
                    }));
                    for one in answer.undelivered {
                        let Some(piece) = call.get(one.index) else {
                            continue;
                        };
                        verdicts.judge(&piece.sources, one.disposition, &one.reason);
                        let number = piece.message.sequence_number;
                        match one.disposition {
                            Disposition::Retry => drop(settled.remove(&number)),
                            Disposition::Reject => {
                                if let Some(settled) = settled.get_mut(&number) {
                                    settled.rejected = Some(one.reason);
                                }
                            }
                        }
                    }
                    if answer.in_progress.is_some() {
                        // Its work goes on with the same messages: nothing may come in between.
                        verdicts.retry(later, "it waits for work that goes before it");
                        exported.in_progress = answer.in_progress;
                        break;
                    }
                }
                Err(failure) => {
                    verdicts.retry(rest, &failure.to_string());
                    // Unless what went out before it has settled something, it was all for nothing.
                    if !has_called || verdicts.retries() == batch.len() {
                        return Err(failure);
                    }
                    break;
                }
            }
            has_called = true;
            rest = later;
        }
        match exported.in_progress {
            Some(_) => self.settled.extend(settled),
            None => self.settled.clear(),
        }
        exported.undelivered = verdicts.into_undelivered();
        Ok(exported)
    }

    /// Leads a batch through all transforms; what cannot go on is judged.
    async fn transform(
        &mut self,
        batch: &[Message],
        verdicts: &mut Verdicts,
    ) -> Result<Vec<Piece>, ExportFailure> {
        let mut pieces: Vec<Piece> = batch
            .iter()
            .enumerate()
            .map(|(place, message)| Piece {
                sources: vec![place],
                message: message.clone(),
            })
            .collect();
        for transform in &mut self.transforms {
            let messages: Vec<_> = pieces.iter().map(|piece| piece.message.clone()).collect();
            let transformed = transform.transform(&messages).await?;
            for (index, reason) in &transformed.rejected {
                if let Some(piece) = pieces.get(*index) {
                    verdicts.judge(&piece.sources, Disposition::Reject, reason);
                }
            }
            pieces = combine(&pieces, transformed, transform.most_outputs().into())?;
        }
        let most = self.limits.max_message_bytes;
        pieces.retain(|piece| {
            let size = piece.message.payload.len() as u64;
            if size > most {
                let reason = format!(
                    "it becomes a message of {size} bytes, more than the plugin takes ({most})"
                );
                verdicts.judge(&piece.sources, Disposition::Reject, &reason);
            }
            size <= most
        });
        Ok(pieces)
    }

    /// How many pieces from the front make the next call: at least one, for none is too large alone.
    fn fit(&self, pieces: &[Piece]) -> usize {
        let most = usize::try_from(self.limits.max_messages).unwrap_or(usize::MAX);
        let mut room = self.limits.max_batch_bytes;
        let fitting = pieces.iter().take(most).take_while(|piece| {
            match room.checked_sub(piece.message.payload.len() as u64) {
                Some(left) => {
                    room = left;
                    true
                }
                None => false,
            }
        });
        fitting.count().max(1)
    }
}

/// The pieces that a transform has made of others. Where it may make several of one, their numbers are
/// spread (`wit/transform.wit`), so that none comes twice and a repeat has the same.
///
/// # Errors
///
/// A crash, if they come from more messages, added up, than [`MOST_SOURCES`].
fn combine(
    pieces: &[Piece],
    transformed: Transformed,
    most_outputs: u64,
) -> Result<Vec<Piece>, ExportFailure> {
    let outputs = transformed.outputs.iter();
    let from = outputs.flat_map(|output| &output.sources);
    let sources: usize = from
        .filter_map(|index| pieces.get(*index))
        .map(|piece| piece.sources.len())
        .sum();
    if sources > MOST_SOURCES {
        return Err(ExportFailure::TransformCrashed(RuntimeError::Trapped {
            component: "the transforms".to_owned(),
            reason: format!(
                "what they make comes from {sources} messages, added up, more than {MOST_SOURCES}"
            ),
        }));
    }
    let mut made: Vec<Piece> = Vec::with_capacity(transformed.outputs.len());
    let (mut last_before, mut place) = (usize::MAX, 0);
    for output in transformed.outputs {
        let from = || output.sources.iter().filter_map(|index| pieces.get(*index));
        let (Some(last), Some(index)) = (from().next_back(), output.sources.last()) else {
            continue;
        };
        place = if *index == last_before { place + 1 } else { 0 };
        last_before = *index;
        let mut sources: Vec<_> = from()
            .flat_map(|piece| piece.sources.iter().copied())
            .collect();
        sources.sort_unstable();
        sources.dedup();
        let number = last.message.sequence_number;
        made.push(Piece {
            sources,
            message: Message {
                sequence_number: number.saturating_mul(most_outputs).saturating_add(place),
                ingest_time: last.message.ingest_time,
                payload: output.payload,
            },
        });
    }
    Ok(made)
}

impl Destination for TransformedDestination {
    fn export<'a>(
        &'a mut self,
        batch: &'a [Message],
    ) -> BoxFuture<'a, Result<Exported, ExportFailure>> {
        Box::pin(self.export_transformed(batch))
    }

    /// The destination has never seen the messages as they stand in the stream, so it is told their
    /// numbers only.
    fn cancel<'a>(
        &'a mut self,
        messages: &'a [Canceled],
        reason: CancelReason,
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let unseen: Vec<_> = messages
                .iter()
                .map(|message| Canceled {
                    sequence_number: message.sequence_number,
                    payload: None,
                })
                .collect();
            self.destination.cancel(&unseen, reason).await
        })
    }

    fn rest(&mut self) {
        for transform in &mut self.transforms {
            transform.rest();
        }
        self.destination.rest();
    }

    fn remembered(&self) -> Option<&Arc<[u8]>> {
        self.destination.remembered()
    }

    fn traffic(&self) -> Traffic {
        self.destination.traffic()
    }
}
