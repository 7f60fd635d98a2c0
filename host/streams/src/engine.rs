//! The storage engine: the only file, with the filter and the salvage, that knows it is fjall.
//!
//! Two keyspaces, `data` and `meta`, share one journal, so that a commit is atomic over both. All
//! commits of messages come from the writer thread. Memory is bounded here: fjall's own limit on its write
//! buffer has no effect, so [`Engine::commit`] waits before it would grow beyond ours.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fjall::compaction::Leveled;
use fjall::{AbstractTree, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::chunk::Chunk;
use crate::cursor::Cursor;
use crate::error::Error;
use crate::filter::{HeadFilterFactory, Heads};
use crate::keys;
use crate::segment::Segment;
use crate::types::{SequenceNumber, StreamId};

/// A table holds at most this much: what a trimmed stream shares with live data is at most a table.
const TABLE_BYTES: u64 = 16 << 20;
/// The smallest journal that fjall accepts.
const JOURNAL_BYTES: u64 = 64 << 20;
const META_MEMTABLE_BYTES: u64 = 512 << 10;

/// How much memory the engine may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EngineLimits {
    pub(crate) cache_bytes: u64,
    pub(crate) write_buffer_bytes: u64,
}

/// What one commit brings.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    pub(crate) chunks: Vec<(StreamId, SequenceNumber, Bytes)>,
    /// Keys of `meta` and their new values; none removes the key.
    pub(crate) meta: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Whether the disk must have it before `commit` returns.
    pub(crate) sync: bool,
}

impl Commit {
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.meta.is_empty()
    }
}

/// What the engine knows of a stream when it opens.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    pub(crate) head: SequenceNumber,
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) tail: SequenceNumber,
    pub(crate) cursors: HashMap<String, Cursor>,
}

/// The open engine.
pub(crate) struct Engine {
    database: Database,
    data: Keyspace,
    meta: Keyspace,
    write_buffer_bytes: u64,
}

impl Engine {
    /// Opens or creates the engine in a folder of its own.
    pub(crate) fn open(
        folder: &Path,
        limits: EngineLimits,
        heads: &Arc<Heads>,
    ) -> Result<Self, fjall::Error> {
        let heads = Arc::clone(heads);
        let database = Database::builder(folder)
            .cache_size(limits.cache_bytes)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(2)
            .with_compaction_filter_factories(Arc::new(move |keyspace| {
                (keyspace == "data").then(|| {
                    Arc::new(HeadFilterFactory(Arc::clone(&heads)))
                        as Arc<dyn fjall::compaction::filter::Factory>
                })
            }))
            .open()?;
        // A quarter, because one memtable fills while others are being flushed.
        let memtable = (limits.write_buffer_bytes / 4).max(1 << 20);
        let data = database.keyspace("data", || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(memtable)
                .compaction_strategy(Arc::new(
                    Leveled::default().with_table_target_size(TABLE_BYTES),
                ))
        })?;
        let meta = database.keyspace("meta", || {
            KeyspaceCreateOptions::default().max_memtable_size(META_MEMTABLE_BYTES)
        })?;
        Ok(Self {
            database,
            data,
            meta,
            write_buffer_bytes: limits.write_buffer_bytes,
        })
    }

    /// Makes a commit durable against the end of the process, or of the power if it says so.
    ///
    /// It blocks: for the disk, and while the write buffer is beyond its limit.
    pub(crate) fn commit(&self, commit: Commit) -> Result<(), Error> {
        if commit.is_empty() {
            return Ok(());
        }
        self.wait_for_memory();
        let mode = if commit.sync {
            PersistMode::SyncData
        } else {
            PersistMode::Buffer
        };
        let mut batch = self.database.batch().durability(Some(mode));
        for (id, base, chunk) in commit.chunks {
            batch.insert(&self.data, keys::chunk(id, base), chunk);
        }
        for (key, value) in commit.meta {
            match value {
                Some(value) => batch.insert(&self.meta, key, value),
                None => batch.remove(&self.meta, key),
            }
        }
        batch.commit().map_err(Error::failed)
    }

    /// The two active memtables are smaller than the limit, so what is beyond it is being flushed
    /// and the wait ends.
    fn wait_for_memory(&self) {
        while self.database.write_buffer_size() > self.write_buffer_bytes
            && self.database.outstanding_flushes() > 0
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Brings everything to the disk.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.database
            .persist(PersistMode::SyncAll)
            .map_err(Error::failed)
    }

    /// The chunks of a stream from the one that holds `start` on, in order; a chunk that cannot be
    /// read is an `Err` with the base that its key tells, if the key can be read.
    ///
    /// `head` bounds the search for the first chunk: looking below it would walk what retention has
    /// left behind.
    pub(crate) fn chunks(
        &self,
        id: StreamId,
        head: SequenceNumber,
        start: SequenceNumber,
    ) -> impl Iterator<Item = Result<Chunk, Option<SequenceNumber>>> {
        let first = self
            .data
            .range(keys::chunk(id, head)..=keys::chunk(id, start.max(head)))
            .next_back()
            .and_then(|found| found.key().ok())
            .and_then(|key| keys::decode_chunk(&key))
            .map_or(start.max(head), |(_, base)| base);
        self.data.range(keys::chunks_from(id, first)).map(|found| {
            let (key, value) = found.into_inner().map_err(|_| None)?;
            Chunk::decode(value.into()).ok_or(keys::decode_chunk(&key).map(|(_, base)| base))
        })
    }

    /// What is stored of a stream.
    pub(crate) fn restore(&self, id: StreamId) -> Result<Restored, fjall::Error> {
        let mut restored = Restored::default();
        if let Some(value) = self.meta.get(keys::head(id))? {
            restored.head = keys::decode_head(&value).unwrap_or_default();
        }
        for found in self.meta.prefix(keys::segments(id)) {
            let (key, value) = found.into_inner()?;
            if let Some(segment) = keys::decode_segment(&key, &value)
                && segment.base >= restored.head
            {
                restored.segments.push_back(segment);
            }
        }
        for found in self.meta.prefix(keys::cursors(id)) {
            let (key, value) = found.into_inner()?;
            if let (Some(identifier), Some(cursor)) =
                (keys::cursor_identifier(&key), Cursor::decode(&value))
            {
                restored.cursors.insert(identifier.to_owned(), cursor);
            }
        }
        restored.tail = restored
            .segments
            .back()
            .map_or(restored.head, |last| last.end.max(restored.head));
        if let Some(last) = self.last_chunk(id, restored.head)? {
            let header = *last.header();
            restored.tail = restored.tail.max(header.end());
            let is_new = restored
                .segments
                .back()
                .is_none_or(|last| last.base < header.segment_base);
            if is_new && header.segment_base >= restored.head {
                restored.segments.push_back(Segment {
                    base: header.segment_base,
                    end: header.end(),
                    bytes: header.segment_bytes,
                    newest: header.ingest_time,
                });
            }
        }
        Ok(restored)
    }

    /// The last chunk of a stream that is whole.
    fn last_chunk(
        &self,
        id: StreamId,
        head: SequenceNumber,
    ) -> Result<Option<Chunk>, fjall::Error> {
        for found in self.data.range(keys::chunks_from(id, head)).rev() {
            let (_, value) = found.into_inner()?;
            if let Some(chunk) = Chunk::decode(value.into()) {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    /// Removes what `meta` holds of streams that do not exist: a crash may leave it behind.
    pub(crate) fn forget_orphans(&self, exists: impl Fn(StreamId) -> bool) -> Result<(), Error> {
        let mut commit = Commit::default();
        for found in self.meta.iter() {
            let key = found.key().map_err(Error::failed)?;
            if !keys::owner(&key).is_some_and(&exists) {
                commit.meta.insert(key.to_vec(), None);
            }
        }
        self.commit(commit)
    }

    /// What is to be removed from `meta` when a stream goes.
    pub(crate) fn meta_keys(&self, id: StreamId) -> Result<Vec<Vec<u8>>, Error> {
        let mut keys = vec![keys::head(id)];
        for prefix in [keys::segments(id), keys::cursors(id)] {
            for found in self.meta.prefix(prefix) {
                keys.push(found.key().map_err(Error::failed)?.to_vec());
            }
        }
        Ok(keys)
    }

    /// Gives back the tables that lie wholly below a stream's new head. It does not look inside
    /// them, so it costs the same for a megabyte and a terabyte.
    pub(crate) fn drop_tables_below(
        &self,
        id: StreamId,
        head: SequenceNumber,
    ) -> Result<(), Error> {
        let range = keys::chunk(id, SequenceNumber::ZERO)..keys::chunk(id, head);
        // The tree is a hidden field, which is why the version of fjall is pinned to the patch:
        // its public face can only remove key by key, and that frees nothing for a long time.
        self.data.tree.drop_range(range).map_err(Error::failed)
    }

    /// Lets go of the files of dropped tables. The engine does so when a memtable is full, which on
    /// an idle device may be never.
    pub(crate) fn release_files(&self) -> Result<(), Error> {
        // Old versions of the tree keep the files. They go when a memtable is rotated, if two commits
        // have come since the tables were dropped.
        for _ in 0..2 {
            self.meta.insert(keys::UPKEEP, []).map_err(Error::failed)?;
        }
        self.meta.rotate_memtable().map(drop).map_err(Error::failed)
    }

    /// Bytes of tables on disk.
    pub(crate) fn table_bytes(&self) -> u64 {
        self.data.disk_space()
    }

    /// Rewrites all tables without what retention has passed. It blocks for as long as that takes,
    /// while reads and commits go on.
    pub(crate) fn compact(&self) -> Result<(), Error> {
        self.data
            .rotate_memtable_and_wait()
            .map_err(Error::failed)?;
        self.data.major_compact().map_err(Error::failed)?;
        self.release_files()
    }
}
