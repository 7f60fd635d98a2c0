//! One stream as everybody but the writer sees it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::chunk::Chunk;
use crate::counters::Tally;
use crate::cursor::Cursor;
use crate::definition::StreamDefinition;
use crate::segment::Position;
use crate::types::{SequenceNumber, StreamId, StreamName};

/// What changes while a stream lives, as it is announced to those who wait.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) position: Position,
    pub(crate) definition: Arc<StreamDefinition>,
    pub(crate) deleted: bool,
}

/// A stream's shared part.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Distinguishes streams of one run of the program, memory streams too.
    pub(crate) key: u64,
    pub(crate) name: StreamName,
    /// Its id on disk; none for a memory stream.
    pub(crate) id: Option<StreamId>,
    pub(crate) tally: Tally,
    state: watch::Sender<State>,
    cursors: Mutex<HashMap<String, Cursor>>,
    memory: Mutex<BTreeMap<SequenceNumber, Chunk>>,
}

impl Stream {
    pub(crate) fn new(
        key: u64,
        id: Option<StreamId>,
        definition: StreamDefinition,
        position: Position,
        cursors: HashMap<String, Cursor>,
    ) -> Self {
        let name = definition.name.clone();
        let state = State {
            position,
            definition: Arc::new(definition),
            deleted: false,
        };
        Self {
            key,
            name,
            id,
            tally: Tally::default(),
            state: watch::Sender::new(state),
            cursors: Mutex::new(cursors),
            memory: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    pub(crate) fn position(&self) -> Position {
        self.state.borrow().position
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Announces what a commit has done. Only the writer calls this.
    pub(crate) fn publish(&self, position: Position) {
        self.state.send_modify(|state| state.position = position);
    }

    /// Announces a new definition. Only the writer calls this.
    pub(crate) fn redefine(&self, definition: Arc<StreamDefinition>) {
        self.state
            .send_modify(|state| state.definition = definition);
    }

    /// Announces the end of the stream. Only the writer calls this.
    pub(crate) fn mark_deleted(&self) {
        self.state.send_modify(|state| state.deleted = true);
    }

    pub(crate) fn cursors(&self) -> MutexGuard<'_, HashMap<String, Cursor>> {
        lock(&self.cursors)
    }

    /// The chunks of a memory stream by their first number; empty for a stream on disk.
    pub(crate) fn memory(&self) -> MutexGuard<'_, BTreeMap<SequenceNumber, Chunk>> {
        lock(&self.memory)
    }
}

/// The values behind these locks are whole after each statement, so a panic elsewhere spoils nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
