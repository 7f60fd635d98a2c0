//! Giving space back after heads have moved and streams were deleted.
//!
//! Whole tables below the heads are dropped, which is cheap, and when too much dead data sits in
//! tables that hold live data too, all tables are rewritten, which is not. Both go by the heads that
//! are on the disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::space;
use crate::store::Shared;

/// Tables are dropped when this much was deleted since the last time …
const DROP_BYTES: u64 = 4 << 20;
/// … or this long after the last deletion, or after the tables changed: a flush writes what was
/// deleted while it was in memory.
const DROP_PAUSE: Duration = Duration::from_secs(30);
/// The files of dropped tables are let go at most this often: it costs a small flush.
const RELEASE_INTERVAL: Duration = Duration::from_secs(5);
/// A rewrite of all tables is worth it from this many deleted bytes on …
const COMPACT_BYTES: u64 = 16 << 20;
/// … and from this part of what is alive.
const COMPACT_SHARE: u64 = 2;
/// The pause after a rewrite that failed, at first and at most. It doubles.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3600));

#[derive(Debug, Default)]
pub(super) struct Reclaim {
    /// None until the first pass: what was deleted just before a restart is still there.
    last_pass: Option<Seen>,
    /// What the store looked like a moment ago, and since when.
    seen: Option<(Seen, Instant)>,
    /// Whether tables were dropped whose files are still there.
    unreleased: bool,
    released: Option<Instant>,
    compaction: Compaction,
}

/// What tells whether there may be something to drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    deleted_bytes: u64,
    table_bytes: u64,
}

#[derive(Debug, Default)]
struct Compaction {
    /// Deleted bytes, by the store's own count, when tables were last rewritten, or found to need it
    /// not; none before the first look.
    looked_at: Option<u64>,
    failed: Option<(Instant, Duration)>,
}

impl Reclaim {
    pub(super) fn run(&mut self, shared: &Shared, stop: &AtomicBool) -> Result<(), Error> {
        self.drop_tables(shared)?;
        let due = self
            .released
            .is_none_or(|released| released.elapsed() >= RELEASE_INTERVAL);
        if self.unreleased && due {
            shared.engine.release_files()?;
            self.unreleased = false;
            self.released = Some(Instant::now());
        }
        self.compaction.run(shared, stop)
    }

    fn drop_tables(&mut self, shared: &Shared) -> Result<(), Error> {
        let now = look(shared);
        let since = match self.seen {
            Some((before, since)) if before == now => since,
            _ => Instant::now(),
        };
        self.seen = Some((now, since));
        let due = self.last_pass.as_ref().is_none_or(|last| {
            now.deleted_bytes - last.deleted_bytes >= DROP_BYTES
                || (now != *last && since.elapsed() >= DROP_PAUSE)
        });
        if !due {
            return Ok(());
        }
        if now.table_bytes > 0 {
            for range in shared.heads.dead_ranges() {
                shared.engine.drop_tables(range)?;
            }
        }
        let table_bytes = shared.engine.table_bytes();
        self.unreleased |= table_bytes < now.table_bytes;
        self.last_pass = Some(Seen { table_bytes, ..now });
        Ok(())
    }
}

fn look(shared: &Shared) -> Seen {
    Seen {
        deleted_bytes: shared.reclaimable_bytes.load(Ordering::Acquire),
        table_bytes: shared.engine.table_bytes(),
    }
}

impl Compaction {
    fn run(&mut self, shared: &Shared, stop: &AtomicBool) -> Result<(), Error> {
        if let Some((when, pause)) = self.failed
            && when.elapsed() < pause
        {
            return Ok(());
        }
        let live: u64 = shared
            .registry
            .on_disk()
            .iter()
            .map(|stream| stream.position().bytes)
            .sum();
        let deleted = shared.reclaimable_bytes.load(Ordering::Acquire);
        let worth_it = COMPACT_BYTES.max(live / COMPACT_SHARE);
        if self
            .looked_at
            .is_some_and(|before| deleted - before < worth_it)
        {
            return Ok(());
        }
        let tables = shared.engine.table_bytes();
        if tables <= live + live / 20 + COMPACT_BYTES {
            self.looked_at.get_or_insert(deleted);
            return Ok(());
        }
        // Old and new tables are on the disk together for a while.
        let free = space::free(&shared.folder);
        let outcome = if free > tables.saturating_add(shared.min_free_disk) {
            shared.engine.compact(stop)
        } else {
            Err(Error::DiskFull {
                free,
                reserve: shared.min_free_disk,
            })
        };
        match outcome {
            Ok(()) => {
                tracing::debug!(
                    before = tables,
                    after = shared.engine.table_bytes(),
                    "deleted messages were compacted away"
                );
                self.looked_at = Some(deleted);
                self.failed = None;
                Ok(())
            }
            Err(error) => {
                let pause = self
                    .failed
                    .map_or(RETRY_PAUSE.0, |(_, pause)| (pause * 2).min(RETRY_PAUSE.1));
                self.failed = Some((Instant::now(), pause));
                Err(error)
            }
        }
    }
}
