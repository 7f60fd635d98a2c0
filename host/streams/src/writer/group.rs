//! Appends and cursors that share a commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{Append, Appended, Open, Payloads, Writer, disk_id};
use crate::chunk::{Builder, Chunk};
use crate::cursor::{Cursor, Record};
use crate::definition::StrategyOnFull;
use crate::engine::Commit;
use crate::error::Error;
use crate::keys;
use crate::memory;
use crate::segment::{Placed, Segment};
use crate::stream::Stream;
use crate::types::{SequenceNumber, Timestamp, message_size};

/// A chunk in the making, with the place where it belongs.
struct Draft {
    segment_base: SequenceNumber,
    segment_bytes: u64,
    builder: Builder,
}

/// What a group does to one stream.
#[derive(Default)]
struct Touched {
    drafts: Vec<Draft>,
    /// Messages that this group brings, and the bytes of their payloads.
    messages: u64,
    payload_bytes: u64,
    /// Bytes that this group deletes by moving the head.
    trimmed: u64,
}

struct AppendReply {
    results: Appended,
    reply: oneshot::Sender<Appended>,
    _room: OwnedSemaphorePermit,
}

struct CursorReply {
    stream: Arc<Stream>,
    identifier: String,
    cursor: Cursor,
    reply: oneshot::Sender<Result<(), Error>>,
}

/// Everything that the next commit carries, and who waits for it.
pub(super) struct Group {
    now: Timestamp,
    touched: BTreeMap<u64, Touched>,
    meta: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: u64,
    sync: bool,
    appends: Vec<AppendReply>,
    cursors: Vec<CursorReply>,
}

impl Group {
    /// An empty group. All its messages get this ingest time.
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            touched: BTreeMap::new(),
            meta: BTreeMap::new(),
            bytes: 0,
            sync: false,
            appends: Vec::new(),
            cursors: Vec::new(),
        }
    }

    /// The ingest time of its messages.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// What has come together, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn is_empty(&self) -> bool {
        self.appends.is_empty() && self.cursors.is_empty() && self.touched.is_empty()
    }

    /// Puts one message behind the last of its stream.
    fn push(&mut self, open: &mut Open, payload: &Bytes) {
        let size = message_size(payload.len());
        let number = open.ledger.tail();
        let segment_size = open.definition.segment_size_at(open.ledger.bytes());
        let placed = open.ledger.push(size, self.now, segment_size);
        let touched = self.touched.entry(open.stream.key).or_default();
        touched.messages += 1;
        touched.payload_bytes += payload.len() as u64;
        if let Placed::InNew { completed } = placed
            && let (Some(segment), Some(id)) = (completed, disk_id(open))
        {
            self.meta.insert(
                keys::segment(id, segment.base),
                Some(keys::encode_segment(&segment)),
            );
        }
        let goes_on = placed == Placed::InLast
            && touched
                .drafts
                .last()
                .is_some_and(|draft| !draft.builder.is_at_target());
        if !goes_on {
            touched.drafts.push(Draft {
                segment_base: number,
                segment_bytes: 0,
                builder: Builder::new(number),
            });
        }
        if let (Some(draft), Some(segment)) = (touched.drafts.last_mut(), open.ledger.last()) {
            draft.builder.push(payload);
            draft.segment_base = segment.base;
            draft.segment_bytes = segment.bytes;
            if let Some(memory) = &mut open.memory {
                memory.claim(segment.base, payload, !goes_on);
            }
        }
        self.bytes += size;
    }

    /// Deletes the oldest segment of a stream, written or still in this group.
    pub(super) fn drop_segment(&mut self, open: &mut Open) -> Option<Segment> {
        let segment = open.ledger.drop_oldest()?;
        let touched = self.touched.entry(open.stream.key).or_default();
        touched.trimmed += segment.bytes;
        if let Some(memory) = &mut open.memory {
            memory.release(segment.base);
        }
        touched
            .drafts
            .retain(|draft| draft.segment_base != segment.base);
        if let Some(id) = disk_id(open) {
            let head = open.ledger.position().head;
            self.meta.insert(keys::segment(id, segment.base), None);
            self.meta
                .insert(keys::head(id), Some(keys::encode_head(head)));
        }
        Some(segment)
    }
}

impl Writer {
    pub(super) fn append(
        &mut self,
        group: &mut Group,
        appends: Vec<Append>,
        reply: oneshot::Sender<Appended>,
        room: OwnedSemaphorePermit,
    ) {
        let results = appends
            .into_iter()
            .map(|append| {
                let stream = append.stream?;
                self.append_one(group, &stream, &append.payloads)
                    .inspect_err(|error| stream.tally.add_refused(error))
            })
            .collect();
        group.appends.push(AppendReply {
            results,
            reply,
            _room: room,
        });
    }

    fn append_one(
        &mut self,
        group: &mut Group,
        stream: &Arc<Stream>,
        payloads: &Payloads,
    ) -> Result<SequenceNumber, Error> {
        self.usable()?;
        let Some(open) = self.streams.get_mut(&stream.key) else {
            return Err(Error::NotFound {
                name: stream.name.to_string(),
            });
        };
        let payloads = payloads.as_slice();
        if payloads.is_empty() || payloads.iter().any(Bytes::is_empty) {
            return Err(Error::EmptyPayload);
        }
        let max_size = open.definition.max_size;
        let mut total = 0_u64;
        for payload in payloads {
            let size = message_size(payload.len());
            if size > max_size || u32::try_from(payload.len()).is_err() {
                return Err(Error::TooLarge { size, max_size });
            }
            total = total.saturating_add(size);
        }
        if open.definition.strategy_on_full == StrategyOnFull::RejectNewData {
            if total > max_size {
                return Err(Error::TooLarge {
                    size: total,
                    max_size,
                });
            }
            if open.ledger.bytes().saturating_add(total) > max_size {
                return Err(Error::Full {
                    bytes: open.ledger.bytes(),
                    max_size,
                });
            }
        }
        if open.slot.is_some() {
            self.space.check(total)?;
        }
        if let Some(memory) = &open.memory {
            let needed = memory::needed(payloads, open.definition.segment_size);
            let own = match open.definition.strategy_on_full {
                StrategyOnFull::OverwriteOldestData => memory.used(),
                StrategyOnFull::RejectNewData => 0,
            };
            if needed > memory.spare().saturating_add(own) {
                return Err(Error::OutOfMemory {
                    limit: memory.limit(),
                });
            }
            while open
                .memory
                .as_ref()
                .is_some_and(|memory| memory.spare() < needed)
                && group.drop_segment(open).is_some()
            {}
        }
        let first = open.ledger.tail();
        for payload in payloads {
            let size = message_size(payload.len());
            while open.ledger.bytes().saturating_add(size) > max_size
                && group.drop_segment(open).is_some()
            {}
            group.push(open, payload);
        }
        group.sync |= open.definition.flushes();
        Ok(first)
    }

    pub(super) fn save_cursor(
        &mut self,
        group: &mut Group,
        stream: Arc<Stream>,
        identifier: String,
        cursor: Cursor,
        reply: oneshot::Sender<Result<(), Error>>,
    ) {
        let start = self
            .streams
            .get(&stream.key)
            .and_then(|open| open.definition.export(&identifier))
            .map(|export| export.start);
        if let Err(error) = self.usable() {
            let _ = reply.send(Err(error));
        } else if let Some(start) = start {
            if let Some(id) = stream.id {
                let record = Record::new(start, cursor.clone());
                group
                    .meta
                    .insert(keys::cursor(id, &identifier), Some(record.encode()));
            }
            group.cursors.push(CursorReply {
                stream,
                identifier,
                cursor,
                reply,
            });
        } else {
            let _ = reply.send(Err(Error::NoSuchExport { identifier }));
        }
    }

    /// Brings a group to the disk, publishes it, and answers everybody in it.
    pub(super) fn commit(&mut self, mut group: Group) {
        if group.is_empty() {
            return;
        }
        let outcome = match self.usable() {
            Ok(()) => self.store(&mut group).map_err(|error| self.fail(error)),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => answer(group),
            Err(error) => refuse(group, &error),
        }
    }

    fn store(&mut self, group: &mut Group) -> Result<(), Error> {
        let mut commit = Commit {
            meta: std::mem::take(&mut group.meta),
            sync: group.sync,
            ..Commit::default()
        };
        let mut in_memory = Vec::new();
        for (key, touched) in &mut group.touched {
            let Some(open) = self.streams.get(key) else {
                continue;
            };
            for draft in touched
                .drafts
                .drain(..)
                .filter(|draft| !draft.builder.is_empty())
            {
                let (header, bytes) =
                    draft
                        .builder
                        .finish(draft.segment_base, draft.segment_bytes, group.now);
                match disk_id(open) {
                    Some(id) => commit.chunks.push((id, header.base, bytes)),
                    None => in_memory.push((*key, bytes)),
                }
            }
        }
        self.engine.commit(commit)?;
        for (key, bytes) in in_memory {
            if let (Some(open), Some(chunk)) = (self.streams.get(&key), Chunk::decode(bytes)) {
                open.stream.memory().insert(chunk.header().base, chunk);
            }
        }
        self.publish(group)
    }

    fn publish(&mut self, group: &Group) -> Result<(), Error> {
        for (key, touched) in &group.touched {
            let Some(open) = self.streams.get(key) else {
                continue;
            };
            let position = open.ledger.position();
            if let (Some(slot), Some(id)) = (open.slot, disk_id(open)) {
                self.tails
                    .write(slot, id, position)
                    .map_err(Error::failed)?;
            } else if touched.trimmed > 0 {
                let mut memory = open.stream.memory();
                let kept = memory.split_off(&position.head);
                *memory = kept;
            }
            open.stream.publish(position);
            open.stream
                .tally
                .add_appended(touched.messages, touched.payload_bytes);
            // Behind the position: who counts this can see the head that goes with it.
            self.deleted_bytes
                .fetch_add(touched.trimmed, Ordering::Release);
        }
        Ok(())
    }
}

fn answer(group: Group) {
    for append in group.appends {
        let _ = append.reply.send(append.results);
    }
    for saved in group.cursors {
        saved
            .stream
            .cursors()
            .insert(saved.identifier, saved.cursor);
        let _ = saved.reply.send(Ok(()));
    }
}

fn refuse(group: Group, error: &Error) {
    for append in group.appends {
        let refused = append
            .results
            .into_iter()
            .map(|result| result.and_then(|_| Err(error.clone())))
            .collect();
        let _ = append.reply.send(refused);
    }
    for saved in group.cursors {
        let _ = saved.reply.send(Err(error.clone()));
    }
}
