//! Reading the chunks of a stream, with or without damage between them.
//!
//! The engine's own iterator merges all tables and looks one entry ahead, so a block that it cannot
//! read costs it the entry before that block too, and tells nothing of what the block held. Where that
//! happens, each table is looked at by itself: it knows from its index where blocks begin and goes on
//! behind a bad one. What lies between the last chunk before and the first one behind is what the
//! damage has taken, to the message.

use std::ops::Range;

use fjall::AbstractTree;

use super::{Engine, is_environment};
use crate::chunk::Chunk;
use crate::error::Error;
use crate::keys;
use crate::types::{SequenceNumber, StreamId};

/// Behind every message that there can be.
const END: SequenceNumber = SequenceNumber::new(u64::MAX);

/// Why there is no chunk.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The disk has not kept these messages.
    Damaged {
        /// Up to the next that can be read; the largest number if there is none.
        lost: Range<SequenceNumber>,
        /// Behind the last of them of which it is certain that it was there.
        certain: SequenceNumber,
    },
    /// The system did not let us read, which says nothing about the disk.
    Refused(Error),
}

/// The chunks of a stream, in order, see [`Engine::chunks`].
pub(crate) struct Chunks<'a> {
    engine: &'a Engine,
    id: StreamId,
    /// Behind the chunk before.
    next: SequenceNumber,
    entries: fjall::Iter,
}

impl Iterator for Chunks<'_> {
    type Item = Result<Chunk, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.entries.next()?.into_inner() {
            Ok((key, value)) => match Chunk::decode(value.into()) {
                Some(chunk) => {
                    self.next = chunk.header().end();
                    Some(Ok(chunk))
                }
                None => self.step_over(keys::decode_chunk(&key).map(|(_, base)| base)),
            },
            Err(error) if is_environment(&error) => {
                Some(Err(Unreadable::Refused(Error::failed(error))))
            }
            Err(_) => self.step_over(None),
        }
    }
}

impl Chunks<'_> {
    /// Goes on behind an entry that cannot be used, whose base is known if its key could be read.
    fn step_over(&mut self, base: Option<SequenceNumber>) -> Option<Result<Chunk, Unreadable>> {
        let first = base.unwrap_or(self.next);
        let certain = base.map_or(first, |base| base + 1);
        let ahead = match self.engine.look_ahead(self.id, certain) {
            Ok(ahead) => ahead,
            Err(error) => return Some(Err(Unreadable::Refused(error))),
        };
        if base.is_none()
            && let Some(next) = ahead.base
            && (next == first || !ahead.met_damage)
        {
            // Nothing is wrong with this one: the iterator has lost it to the block behind it.
            let Some(chunk) = self.engine.chunk_at(self.id, next) else {
                return self.step_over(Some(next));
            };
            self.next = chunk.header().end();
            self.entries = self.engine.entries(self.id, self.next);
            return Some(Ok(chunk));
        }
        self.next = ahead.base.unwrap_or(END);
        self.entries = self.engine.entries(self.id, self.next);
        Some(Err(Unreadable::Damaged {
            lost: first..self.next,
            certain: ahead.base.unwrap_or(certain),
        }))
    }
}

/// What [`Engine::look_ahead`] has found.
struct Ahead {
    /// The base of the first chunk whose block can be read.
    base: Option<SequenceNumber>,
    /// Whether blocks on the way there could not be.
    met_damage: bool,
}

impl Engine {
    /// The chunks of a stream from the one that holds `start` on, in order. `head` bounds the search
    /// for it: looking below would walk what retention has left behind.
    pub(crate) fn chunks(
        &self,
        id: StreamId,
        head: SequenceNumber,
        start: SequenceNumber,
    ) -> Chunks<'_> {
        let start = start.max(head);
        let before = self
            .data
            .range(keys::chunk(id, head)..=keys::chunk(id, start))
            .next_back()
            .map(fjall::Guard::key);
        let next = match before {
            None => start,
            Some(Ok(key)) => keys::decode_chunk(&key).map_or(start, |(_, base)| base),
            Some(Err(_)) => self.look_back(id, head, start).unwrap_or(head),
        };
        Chunks {
            engine: self,
            id,
            next,
            entries: self.entries(id, next),
        }
    }

    fn entries(&self, id: StreamId, first: SequenceNumber) -> fjall::Iter {
        self.data.range(keys::chunks_from(id, first))
    }

    fn chunk_at(&self, id: StreamId, base: SequenceNumber) -> Option<Chunk> {
        let found = self.data.get(keys::chunk(id, base)).ok().flatten();
        found.and_then(|value| Chunk::decode(value.into()))
    }

    /// The lowest base from `first` on that can be read, table by table.
    fn look_ahead(&self, id: StreamId, first: SequenceNumber) -> Result<Ahead, Error> {
        let mut ahead = Ahead {
            base: self.bases_in_memory(id, first, END).min(),
            met_damage: false,
        };
        for table in self.data.tree.current_version().iter_tables() {
            let keys = &table.metadata.key_range;
            if *keys.max() < slice(id, first) || *keys.min() > slice(id, END) {
                continue;
            }
            // More errors than blocks: the index itself cannot be read.
            let blocks = table.metadata.data_block_count;
            let bounds = slice(id, first)..=slice(id, END);
            for (found, _) in table.range(bounds).zip(0..=blocks) {
                match found.map_err(fjall::Error::from) {
                    Ok(item) => {
                        let base = keys::decode_chunk(&item.key.user_key).map(|(_, base)| base);
                        ahead.base = [ahead.base, base].into_iter().flatten().min();
                        break;
                    }
                    Err(error) if is_environment(&error) => return Err(Error::failed(error)),
                    Err(_) => ahead.met_damage = true,
                }
            }
        }
        Ok(ahead)
    }

    /// The highest base up to `last` that can be read, table by table.
    fn look_back(
        &self,
        id: StreamId,
        head: SequenceNumber,
        last: SequenceNumber,
    ) -> Option<SequenceNumber> {
        let mut highest = self.bases_in_memory(id, head, last).max();
        for table in self.data.tree.current_version().iter_tables() {
            let blocks = table.metadata.data_block_count;
            let bounds = slice(id, head)..=slice(id, last);
            let found = table
                .range(bounds)
                .rev()
                .zip(0..=blocks)
                .find_map(|(found, _)| found.ok())
                .and_then(|item| keys::decode_chunk(&item.key.user_key));
            highest = highest.max(found.map(|(_, base)| base));
        }
        highest
    }

    /// The bases of a stream's chunks in this range that are not in tables yet.
    fn bases_in_memory(
        &self,
        id: StreamId,
        first: SequenceNumber,
        last: SequenceNumber,
    ) -> impl Iterator<Item = SequenceNumber> {
        // What is on its way into a table cannot be looked at. It is there in a moment, or the engine
        // has failed.
        let _ = self.wait_while(|| self.data.tree.sealed_memtable_count() > 0);
        let memtable = self.data.tree.active_memtable();
        let bases: Vec<_> = memtable
            .iter()
            .filter_map(|item| keys::decode_chunk(&item.key.user_key))
            .filter(|(stream, base)| *stream == id && (first..=last).contains(base))
            .map(|(_, base)| base)
            .collect();
        bases.into_iter()
    }
}

fn slice(id: StreamId, base: SequenceNumber) -> fjall::Slice {
    keys::chunk(id, base).into()
}
