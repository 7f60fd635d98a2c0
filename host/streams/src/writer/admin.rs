//! Creating, updating and deleting streams, and retention by time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Open, Writer, disk_id};
use crate::cursor::{Cursor, Record};
use crate::definition::StreamDefinition;
use crate::engine::Commit;
use crate::error::Error;
use crate::keys;
use crate::memory::MemoryUse;
use crate::segment::{Ledger, Position};
use crate::stream::Stream;
use crate::types::{SequenceNumber, StreamId, StreamName};

impl Writer {
    pub(super) fn create(&mut self, definition: StreamDefinition) -> Result<(), Error> {
        self.usable()?;
        definition.validate()?;
        if self.registry.get(definition.name.as_str()).is_ok() {
            return Err(Error::AlreadyExists);
        }
        let id = if definition.is_memory() {
            None
        } else {
            self.space.check(0)?;
            let id = self.catalog.add(definition.clone())?;
            // Before its first chunk: from here on the filter may see its id.
            self.heads.set(id, SequenceNumber::ZERO);
            self.heads.complete_below(self.catalog.next_id());
            Some(id)
        };
        let slot = id.map(|_| self.slots.take());
        let cursors = definition
            .exports
            .iter()
            .map(|export| (export.identifier.clone(), Cursor::starting_at(export.start)))
            .collect();
        let stream = Arc::new(Stream::new(
            self.registry.next_key(),
            id,
            definition.clone(),
            Position::default(),
            cursors,
        ));
        let open = Open {
            stream: Arc::clone(&stream),
            definition: Arc::new(definition),
            ledger: Ledger::default(),
            slot,
            memory: id
                .is_none()
                .then(|| MemoryUse::new(Arc::clone(&self.memory))),
        };
        self.streams.insert(stream.key, open);
        self.registry.insert(stream);
        Ok(())
    }

    pub(super) fn update(&mut self, definition: StreamDefinition) -> Result<(), Error> {
        self.usable()?;
        definition.validate()?;
        let stream = self.registry.get(definition.name.as_str())?;
        let Some(open) = self.streams.get(&stream.key) else {
            return Err(Error::NotFound {
                name: definition.name.to_string(),
            });
        };
        let before = Arc::clone(&open.definition);
        before.check_update(&definition, open.ledger.position())?;
        if let Some(id) = disk_id(open) {
            self.catalog.replace(id, definition.clone())?;
        }
        let definition = Arc::new(definition);
        self.move_cursors(&stream, &before, &definition)?;
        if let Some(open) = self.streams.get_mut(&stream.key) {
            open.definition = Arc::clone(&definition);
        }
        stream.redefine(definition);
        Ok(())
    }

    /// Keeps the cursors of exports that stay, begins those that are new or were given a place to begin
    /// at, and ends the others.
    fn move_cursors(
        &mut self,
        stream: &Stream,
        before: &StreamDefinition,
        after: &StreamDefinition,
    ) -> Result<(), Error> {
        let mut commit = Commit {
            sync: true,
            ..Commit::default()
        };
        let mut moved = HashMap::new();
        for export in &after.exports {
            let known = before.export(&export.identifier);
            let moves = export.asks_to_move(known.map(|known| known.start));
            let kept = (!moves)
                .then(|| stream.cursors().get(&export.identifier).cloned())
                .flatten();
            let cursor = kept.unwrap_or_else(|| Cursor::starting_at(export.start));
            if let Some(id) = stream.id {
                let record = Record::new(export.start, cursor.clone());
                commit
                    .meta
                    .insert(keys::cursor(id, &export.identifier), Some(record.encode()));
            }
            moved.insert(export.identifier.clone(), cursor);
        }
        for gone in before
            .exports
            .iter()
            .filter(|old| after.export(&old.identifier).is_none())
        {
            if let Some(id) = stream.id {
                commit.meta.insert(keys::cursor(id, &gone.identifier), None);
            }
        }
        self.engine
            .commit(commit)
            .map_err(|error| self.fail(error))?;
        *stream.cursors() = moved;
        Ok(())
    }

    pub(super) fn delete(&mut self, name: &StreamName) -> Result<(), Error> {
        self.usable()?;
        let stream = self.registry.get(name.as_str())?;
        if let Some(id) = stream.id {
            // The catalog decides: from here on there is no way back.
            self.catalog.remove(id)?;
        }
        let open = self.streams.remove(&stream.key);
        self.registry.remove(name);
        stream.mark_deleted();
        stream.memory().clear();
        if let (Some(id), Some(open)) = (stream.id, open) {
            self.clean_up(id, &open);
        }
        Ok(())
    }

    /// Removes what a deleted stream leaves behind. What does not succeed is done by the next open.
    fn clean_up(&mut self, id: StreamId, open: &Open) {
        let forgotten = self.engine.meta_keys(id).and_then(|gone| {
            let commit = Commit {
                meta: gone.into_iter().map(|key| (key, None)).collect(),
                ..Commit::default()
            };
            self.engine.commit(commit).map_err(|error| self.fail(error))
        });
        if let Err(error) = forgotten {
            tracing::warn!(%error, "records of a deleted stream stay until the next start");
        }
        if let Some(slot) = open.slot {
            if let Err(error) = self.tails.clear(slot) {
                tracing::warn!(%error, "the slot of a deleted stream stays until it is used again");
            }
            self.slots.give_back(slot);
        }
        self.heads.remove(id);
        self.deleted_bytes
            .fetch_add(open.ledger.bytes(), Ordering::Release);
    }

    /// Deletes segments whose messages have all outlived their time.
    pub(super) fn expire(&mut self) -> Result<(), Error> {
        self.usable()?;
        let mut group = self.begin();
        let now = group.now();
        for open in self.streams.values_mut() {
            let Some(time_to_live) = open.definition.time_to_live_millis else {
                continue;
            };
            while open.ledger.expired(now, time_to_live).is_some() {
                group.drop_segment(open);
            }
        }
        self.commit(group);
        self.usable()
    }
}
