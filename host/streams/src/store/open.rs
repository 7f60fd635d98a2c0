//! Opening a store: what is on the disk is held together, and the threads are started.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, mpsc};

use super::{OpenReport, Shared, Store, Threads};
use crate::catalog::Catalog;
use crate::clock::Steps;
use crate::engine::{Commit, EngineLimits};
use crate::error::Error;
use crate::filter::Heads;
use crate::health::Health;
use crate::maintenance::Maintenance;
use crate::memory::MemoryBudget;
use crate::options::StoreOptions;
use crate::recovery::{self, Found, Opened};
use crate::registry::Registry;
use crate::space::SpaceGate;
use crate::tails::{Slots, Tails};
use crate::types::SequenceNumber;
use crate::writer::{Job, Open, Writer};

impl Store {
    /// Opens the store in a folder, or creates it. It blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`], [`Error::Folder`], [`Error::NewerFormat`], [`Error::CatalogMissing`]. Damage is no error: it is in the
    /// report.
    pub fn open(options: &StoreOptions) -> Result<(Self, OpenReport), Error> {
        let folder = &options.folder;
        std::fs::create_dir_all(folder).map_err(|error| Error::folder(folder, error))?;
        let (mut catalog, bad_catalog) = Catalog::load(folder)?;
        let heads = Arc::new(Heads::default());
        let limits = EngineLimits {
            cache_bytes: options.cache_bytes,
            write_buffer_bytes: options.write_buffer_bytes.max(4 << 20),
        };
        let fell_back = bad_catalog.is_some();
        let mut report = OpenReport {
            set_aside: bad_catalog.into_iter().collect(),
            ..OpenReport::default()
        };
        let Opened { engine, repaired } =
            recovery::open_engine(folder, limits, &heads, &mut report)?;
        let (tails, marks) = Tails::open(folder)?;
        let used: HashSet<_> = catalog
            .entries()
            .iter()
            .filter_map(|entry| marks.get(&entry.id).map(|mark| mark.slot.0))
            .collect();
        let mut slots = Slots::with_used(&used);

        let registry = Arc::new(Registry::default());
        let mut streams: HashMap<u64, Open> = HashMap::new();
        let mut found = Found::default();
        let mut damaged = false;
        let mut steps = Steps::since(&*options.clock);
        for entry in catalog.entries() {
            let mark = marks.get(&entry.id).copied();
            let head = mark.map_or(SequenceNumber::ZERO, |mark| mark.head);
            let restored = if repaired {
                engine.restore_from_chunks(entry.id, head)?
            } else {
                engine.restore(entry.id, head)?
            };
            damaged |= restored.damaged;
            let open = recovery::restore_stream(
                restored,
                entry,
                mark,
                || slots.take(),
                registry.next_key(),
                steps.look(&*options.clock).0,
                &mut found,
            );
            registry.insert(Arc::clone(&open.stream));
            streams.insert(open.stream.key, open);
        }
        report.losses = found.losses;
        engine.commit(Commit {
            meta: found.records,
            ..Commit::default()
        })?;
        if !damaged && !fell_back {
            engine.forget_orphans(|key| catalog.has(key))?;
        }
        // From here on space is freed by these heads, so they have to be on the disk.
        engine.sync()?;
        for open in streams.values() {
            if let Some(id) = open.stream.id {
                heads.set(id, open.ledger.position().head);
            }
        }
        for &id in marks.keys() {
            // The list before the damaged one does not know the stream that was created last. What is
            // stored of it stays while the store is open, so that the operator can restore the list.
            if fell_back && id.0 >= catalog.next_id() {
                heads.set(id, SequenceNumber::ZERO);
            }
        }
        if let Some(&highest) = marks.keys().max() {
            catalog.pass_over(highest);
        }
        heads.complete_below(catalog.next_id());

        let engine = Arc::new(engine);
        let tails = Arc::new(tails);
        let deleted_bytes = Arc::new(AtomicU64::new(0));
        let health = Arc::new(Health::default());
        let writer = Writer {
            engine: Arc::clone(&engine),
            catalog,
            tails: Arc::clone(&tails),
            slots,
            heads: Arc::clone(&heads),
            registry: Arc::clone(&registry),
            clock: Arc::clone(&options.clock),
            steps,
            space: SpaceGate::new(folder.clone(), options.min_free_disk),
            memory: Arc::new(MemoryBudget::new(options.memory_streams_bytes)),
            streams,
            deleted_bytes: Arc::clone(&deleted_bytes),
            health: Arc::clone(&health),
        };
        let (jobs, queue) = mpsc::channel(4096);
        let queue_bytes = options.queue_bytes.max(1);
        let shared = Arc::new(Shared {
            engine,
            registry,
            tails,
            deleted_bytes,
            reclaimable_bytes: AtomicU64::new(0),
            heads,
            health,
            folder: folder.clone(),
            min_free_disk: options.min_free_disk,
            jobs,
            queue: Arc::new(Semaphore::new(queue_bytes as usize)),
            queue_bytes,
        });
        let threads = start_threads(folder, writer, queue, &shared)?;
        Ok((
            Self {
                shared,
                threads: Arc::new(Mutex::new(Some(threads))),
            },
            report,
        ))
    }
}

fn start_threads(
    folder: &Path,
    writer: Writer,
    queue: mpsc::Receiver<Job>,
    shared: &Arc<Shared>,
) -> Result<Threads, Error> {
    let writer = std::thread::Builder::new()
        .name("millstream-writer".into())
        .spawn(move || writer.run(queue))
        .map_err(|error| Error::folder(folder, error))?;
    let maintenance = Maintenance::start(&Arc::downgrade(shared))
        .map_err(|error| Error::folder(folder, error))?;
    Ok(Threads {
        writer,
        maintenance,
    })
}
