//! What has to be done from time to time.
//!
//! Two threads, because bringing data to the disk once a second must not wait for a compaction that
//! takes minutes: the *upkeep* here synchronises and expires, and [`reclaim`] gives space back.
//!
//! The order within the upkeep matters. The engine is synchronised before the tails, so that a power
//! cut between the two finds no tail that promises more than the engine holds. And a head is given to
//! those who free space only after the sync that covers it.

mod reclaim;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Weak};
use std::thread::Thread;
use std::time::Duration;

use crate::error::Error;
use crate::store::Shared;
use crate::types::{SequenceNumber, StreamId};
use reclaim::Reclaim;

const INTERVAL: Duration = Duration::from_secs(1);
/// How long closing waits for a thread. A compaction may take far longer; it changes nothing that
/// the next open could miss, and ends with the process.
const PATIENCE: Duration = Duration::from_secs(5);

/// The threads. They end with the store.
#[derive(Debug)]
pub(crate) struct Maintenance {
    stop: Arc<AtomicBool>,
    threads: Vec<(Thread, Receiver<()>)>,
}

impl Maintenance {
    pub(crate) fn start(shared: &Weak<Shared>) -> std::io::Result<Self> {
        let mut maintenance = Self {
            stop: Arc::default(),
            threads: Vec::new(),
        };
        maintenance.spawn("millstream-upkeep", shared, |shared, _| upkeep(shared))?;
        let mut reclaim = Reclaim::default();
        maintenance.spawn("millstream-reclaim", shared, move |shared, stop| {
            reclaim.run(shared, stop)
        })?;
        Ok(maintenance)
    }

    /// Runs `work` about once a second until the store ends.
    fn spawn(
        &mut self,
        name: &str,
        shared: &Weak<Shared>,
        mut work: impl FnMut(&Shared, &AtomicBool) -> Result<(), Error> + Send + 'static,
    ) -> std::io::Result<()> {
        let stop = Arc::clone(&self.stop);
        let shared = Weak::clone(shared);
        let (alive, ended) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                // Dropped with the thread, which is how the other side sees its end.
                let _alive = alive;
                while !stop.load(Ordering::Acquire) {
                    let Some(shared) = shared.upgrade() else {
                        break;
                    };
                    if let Err(error) = work(&shared, &stop) {
                        tracing::debug!(%error, "upkeep of the store was put off");
                    }
                    drop(shared);
                    std::thread::park_timeout(INTERVAL);
                }
            })?;
        self.threads.push((thread.thread().clone(), ended));
        Ok(())
    }

    /// Ends the threads and waits for what they are just doing, if that is short.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Release);
        for (thread, ended) in &self.threads {
            thread.unpark();
            // Nothing is ever sent: this returns when the sender is gone, or the time.
            let _ = ended.recv_timeout(PATIENCE);
        }
    }
}

fn upkeep(shared: &Shared) -> Result<(), Error> {
    // Counted first: what this counts, the heads below include.
    let deleted_bytes = shared.deleted_bytes.load(Ordering::Acquire);
    let heads = durable_heads(shared).map_err(|error| shared.health.fail(error))?;
    shared.tails.sync().map_err(Error::failed)?;
    shared.heads.advance(heads);
    shared
        .reclaimable_bytes
        .store(deleted_bytes, Ordering::Release);
    shared.expire_blocking()
}

/// Heads as they were before a sync that has succeeded.
fn durable_heads(shared: &Shared) -> Result<Vec<(StreamId, SequenceNumber)>, Error> {
    let heads = shared
        .registry
        .on_disk()
        .iter()
        .filter_map(|stream| Some((stream.id?, stream.position().head)))
        .collect();
    shared.engine.probe()?;
    shared.engine.sync()?;
    Ok(heads)
}
