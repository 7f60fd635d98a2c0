//! What has to be done from time to time: expiry, bringing the tails to the disk, giving space back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::store::Shared;
use crate::types::{SequenceNumber, StreamId};

const INTERVAL: Duration = Duration::from_secs(1);
/// The files of dropped tables are let go at most this often: it costs a small flush.
const RELEASE_INTERVAL: Duration = Duration::from_secs(5);
/// A rewrite of all tables is worth it from this many deleted bytes on …
const COMPACT_BYTES: u64 = 16 << 20;
/// … and from this part of what is alive.
const COMPACT_SHARE: u64 = 2;

/// The thread that does it. It ends with the store.
#[derive(Debug)]
pub(crate) struct Maintenance {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

impl Maintenance {
    pub(crate) fn start(shared: Weak<Shared>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("millstream-upkeep".into())
            .spawn(move || {
                let mut reclaim = Reclaim::default();
                while !stopped.load(Ordering::Acquire) {
                    let Some(shared) = shared.upgrade() else {
                        break;
                    };
                    if let Err(error) = tick(&shared, &mut reclaim) {
                        tracing::debug!(%error, "upkeep of the store was put off");
                    }
                    drop(shared);
                    std::thread::park_timeout(INTERVAL);
                }
            })?;
        Ok(Self { thread, stop })
    }

    /// Ends the thread and waits for what it is just doing.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        let _ = self.thread.join();
    }
}

fn tick(shared: &Shared, reclaim: &mut Reclaim) -> Result<(), Error> {
    shared.expire_blocking()?;
    shared.tails.sync().map_err(Error::failed)?;
    reclaim.run(shared)
}

/// Gives space back after heads have moved and streams were deleted.
#[derive(Debug, Default)]
struct Reclaim {
    /// Below these numbers all whole tables are gone.
    dropped: HashMap<StreamId, SequenceNumber>,
    /// Whether tables were dropped whose files are still there.
    unreleased: bool,
    released: Option<Instant>,
    /// Bytes deleted, by the store's own count, when tables were last rewritten.
    compacted_at: u64,
}

impl Reclaim {
    fn run(&mut self, shared: &Shared) -> Result<(), Error> {
        let streams = shared.registry.on_disk();
        let mut live = 0;
        let mut heads = HashMap::new();
        for stream in &streams {
            let position = stream.position();
            live += position.bytes;
            if let Some(id) = stream.id {
                heads.insert(id, position.head);
            }
        }
        for (id, head) in &heads {
            if self.dropped.get(id).is_none_or(|dropped| dropped < head)
                && *head > SequenceNumber::ZERO
            {
                shared.engine.drop_tables_below(*id, *head)?;
                self.unreleased = true;
            }
        }
        for id in self.dropped.keys().filter(|id| !heads.contains_key(id)) {
            shared
                .engine
                .drop_tables_below(*id, SequenceNumber::new(u64::MAX))?;
            self.unreleased = true;
        }
        self.dropped = heads;
        let due = self
            .released
            .is_none_or(|released| released.elapsed() >= RELEASE_INTERVAL);
        if self.unreleased && due {
            shared.engine.release_files()?;
            self.unreleased = false;
            self.released = Some(Instant::now());
        }

        let deleted = shared.deleted_bytes.load(Ordering::Relaxed);
        let worth_it = COMPACT_BYTES.max(live / COMPACT_SHARE);
        if deleted.saturating_sub(self.compacted_at) >= worth_it {
            let tables = shared.engine.table_bytes();
            if tables > live + live / 20 + COMPACT_BYTES {
                shared.engine.compact()?;
                tracing::debug!(
                    before = tables,
                    after = shared.engine.table_bytes(),
                    "deleted messages were compacted away"
                );
                self.compacted_at = deleted;
            }
        }
        Ok(())
    }
}
