//! The storage engine: the only file, with the filter and the salvage, that knows it is fjall.
//!
//! Two keyspaces, `data` and `meta`, share one journal, so that a commit is atomic over both. All
//! commits of messages come from the writer thread. Memory is bounded here: fjall's own limit on its write
//! buffer has no effect, so [`Engine::commit`] waits before it would grow beyond ours.

mod chunks;
mod restore;
pub(crate) mod tables;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fjall::compaction::Leveled;
use fjall::{AbstractTree, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::error::Error;
use crate::filter::{HeadFilterFactory, Heads};
use crate::keys;
use crate::stream::lock;
use crate::types::{SequenceNumber, StreamId};

pub(crate) use chunks::Unreadable;
pub(crate) use restore::{Restored, is_environment};

/// A table holds at most this much: what a trimmed stream shares with live data is at most a table.
const TABLE_BYTES: u64 = 16 << 20;
/// The smallest journal that fjall accepts.
const JOURNAL_BYTES: u64 = 64 << 20;
const META_MEMTABLE_BYTES: u64 = 512 << 10;
/// fjall itself stops a writer for as long as four memtables wait for their flush, or thirty runs for
/// their compaction, and looks at nothing else meanwhile. A commit adds at most one of each, so we
/// wait before it comes to that, with an eye on whether anybody is still working.
const MAX_SEALED_MEMTABLES: usize = 2;
const MAX_RUNS: usize = 28;
/// An engine that has flushed and compacted nothing for this long, with work to do, has stopped.
const STUCK: Duration = Duration::from_secs(300);
/// How often a wait asks whether the engine has failed.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

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

/// The open engine.
pub(crate) struct Engine {
    database: Database,
    data: Keyspace,
    meta: Keyspace,
    write_buffer_bytes: u64,
    /// A file that makes the next open look for damage, see [`suspicion`].
    suspicion: PathBuf,
    /// Whether something was committed that no sync has covered.
    unsynced: AtomicBool,
    /// Held during a sync, so that who finds nothing to sync knows that it is done.
    syncing: Mutex<()>,
}

/// The file beside an engine's folder that says that the engine has failed and may be damaged.
pub(crate) fn suspicion(folder: &Path) -> PathBuf {
    folder.with_extension("suspect")
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
            suspicion: suspicion(folder),
            // What a crash left in the journal may be known to the operating system only.
            unsynced: AtomicBool::new(true),
            syncing: Mutex::new(()),
        })
    }

    /// Makes a commit durable against the end of the process, or of the power if it says so.
    ///
    /// It blocks: for the disk, and while the write buffer is beyond its limit.
    pub(crate) fn commit(&self, commit: Commit) -> Result<(), Error> {
        if commit.is_empty() {
            return Ok(());
        }
        self.wait_for_memory()?;
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
        batch.commit().map_err(|error| self.broken(error))?;
        self.unsynced.store(true, Ordering::Release);
        Ok(())
    }

    /// The two active memtables are smaller than the limit, so what is beyond it is being flushed
    /// and the wait ends, unless the engine has failed.
    fn wait_for_memory(&self) -> Result<(), Error> {
        self.wait_while(|| {
            let full = self.database.write_buffer_size() > self.write_buffer_bytes
                && self.database.outstanding_flushes() > 0;
            full || [&self.data, &self.meta].iter().any(|keyspace| {
                keyspace.tree.sealed_memtable_count() > MAX_SEALED_MEMTABLES
                    || keyspace.tree.l0_run_count() > MAX_RUNS
            })
        })
    }

    /// Waits for the engine's own threads, as long as they get on.
    fn wait_while(&self, busy: impl Fn() -> bool) -> Result<(), Error> {
        let work = || {
            [&self.data, &self.meta].map(|keyspace| {
                let tree = &keyspace.tree;
                (tree.sealed_memtable_count(), tree.l0_run_count())
            })
        };
        let mut left = None;
        let mut moved = Instant::now();
        let mut probed = Instant::now();
        while busy() {
            std::thread::sleep(Duration::from_millis(1));
            if probed.elapsed() < PROBE_INTERVAL {
                continue;
            }
            self.probe()?;
            probed = Instant::now();
            let now = work();
            if left != Some(now) {
                (left, moved) = (Some(now), probed);
            } else if moved.elapsed() > STUCK {
                return Err(Error::failed("its background threads have stopped"));
            }
        }
        Ok(())
    }

    /// Asks whether the engine still works: its threads tell nobody when they give up.
    pub(crate) fn probe(&self) -> Result<(), Error> {
        self.database
            .persist(PersistMode::Buffer)
            .map_err(|error| self.broken(error))
    }

    /// Notes that the next open has to look for damage, unless the system is to blame: when the
    /// engine's own threads give up, they do not tell why.
    fn broken(&self, error: fjall::Error) -> Error {
        if !is_environment(&error)
            && let Err(error) = std::fs::write(&self.suspicion, error.to_string())
        {
            tracing::warn!(%error, "the next start will not look for damaged tables");
        }
        Error::failed(error)
    }

    /// Brings everything that was committed before this call to the disk.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let _one_at_a_time = lock(&self.syncing);
        if self.unsynced.swap(false, Ordering::AcqRel) {
            self.database
                .persist(PersistMode::SyncAll)
                .map_err(|error| self.broken(error))?;
        }
        Ok(())
    }

    /// Removes the records of `meta` that belong to nothing any more: a crash may leave them behind.
    /// If some cannot be read, all stay.
    pub(crate) fn forget_orphans(&self, keep: impl Fn(&[u8]) -> bool) -> Result<(), Error> {
        let mut commit = Commit::default();
        for found in self.meta.iter() {
            match found.key() {
                Ok(key) if !keep(&key) => {
                    commit.meta.insert(key.to_vec(), None);
                }
                Ok(_) => {}
                Err(error) if is_environment(&error) => return Err(Error::failed(error)),
                Err(damage) => {
                    tracing::error!(%damage, "records of the store cannot be read; all are kept");
                    return Ok(());
                }
            }
        }
        self.commit(commit)
    }

    /// What is to be removed from `meta` when a stream goes.
    pub(crate) fn meta_keys(&self, id: StreamId) -> Result<Vec<Vec<u8>>, Error> {
        let mut keys = vec![keys::head(id)];
        for prefix in [keys::segments(id), keys::cursors(id), keys::gaps(id)] {
            for found in self.meta.prefix(prefix) {
                keys.push(found.key().map_err(Error::failed)?.to_vec());
            }
        }
        Ok(keys)
    }

    /// Gives back the tables that lie wholly in this range of chunks. It does not look inside them,
    /// so it costs the same for a megabyte and a terabyte; but each call writes the list of tables
    /// anew, so it is not for every second.
    pub(crate) fn drop_tables(&self, range: Range<[u8; 12]>) -> Result<(), Error> {
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
            self.wait_for_memory()?;
            self.meta.insert(keys::UPKEEP, []).map_err(Error::failed)?;
        }
        self.meta.rotate_memtable().map(drop).map_err(Error::failed)
    }

    /// Bytes of tables on disk.
    pub(crate) fn table_bytes(&self) -> u64 {
        self.data.disk_space()
    }

    /// Rewrites all tables without what retention has passed. It blocks for as long as that takes,
    /// while reads and commits go on; `stop` ends it only before the rewriting has begun.
    pub(crate) fn compact(&self, stop: &AtomicBool) -> Result<(), Error> {
        self.data.rotate_memtable().map_err(Error::failed)?;
        let stopped = || stop.load(Ordering::Acquire);
        self.wait_while(|| self.data.tree.sealed_memtable_count() > 0 && !stopped())?;
        if stopped() {
            return Ok(());
        }
        self.data
            .major_compact()
            .map_err(|error| self.broken(error))?;
        self.release_files()
    }
}
