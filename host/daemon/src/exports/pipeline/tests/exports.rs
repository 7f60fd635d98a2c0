//! Pipelines over a store in a folder of their own.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use millstream_streams::{
    Cursor, Export, Flush, Payloads, Persistence, StoreOptions, StrategyOnFull, StreamDefinition,
    StreamName,
};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::super::*;
use super::fakes::{Call, Fakes, Told, Versions};
use crate::exports::Source;
use crate::exports::meter::Meter;
use crate::time::ManualTime;

/// What stops a pipeline, what it runs in, and what it counts with.
type Running = (watch::Sender<bool>, JoinHandle<()>, Arc<Meter>);

/// A store, a time and destinations in the hands of the test.
pub(in crate::exports) struct Exports {
    pub(in crate::exports) time: ManualTime,
    pub(in crate::exports) shared: Shared,
    pub(in crate::exports) versions: Arc<Versions>,
    pub(super) calls: mpsc::UnboundedReceiver<Call>,
    pub(super) told: Arc<Mutex<Vec<Told>>>,
    pub(super) rests: Arc<AtomicUsize>,
    pub(super) running: BTreeMap<String, Running>,
    _folder: TempDir,
}

pub(super) const LINGER: Duration = Duration::from_secs(1);
pub(super) const FIRST: Duration = Duration::from_millis(500);
pub(super) const LONGEST: Duration = Duration::from_secs(300);

impl Exports {
    /// One stream for each export, all with the name of the export.
    pub(in crate::exports) async fn new(
        exports: &[&str],
        slots: usize,
        call_interval: Duration,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let time = ManualTime::new();
        let mut options = StoreOptions::new(folder.path());
        options.clock = time.clock();
        options.min_free_disk = 0;
        let (store, _) = Store::open(&options).unwrap();
        for export in exports {
            let definition = StreamDefinition {
                name: StreamName::new(export).unwrap(),
                max_size: 1 << 20,
                segment_size: 1 << 16,
                time_to_live_millis: None,
                strategy_on_full: StrategyOnFull::OverwriteOldestData,
                persistence: Persistence::File(Flush::Relaxed),
                exports: vec![Export {
                    identifier: (*export).to_owned(),
                    start: SequenceNumber::ZERO,
                    settings: String::new(),
                }],
            };
            store.create(definition).await.unwrap();
        }
        let (sender, calls) = mpsc::unbounded_channel();
        let (told, rests) = (Arc::default(), Arc::default());
        let versions = Arc::new(Versions::new());
        let shared = Shared {
            store,
            destinations: Arc::new(Fakes {
                versions: Arc::clone(&versions),
                calls: sender,
                call_interval,
                told: Arc::clone(&told),
                rests: Arc::clone(&rests),
            }),
            time: Arc::new(time.clone()),
            slots: Slots::new(slots),
            lanes: Arc::default(),
            routes: Arc::default(),
            uploaded: Arc::default(),
            linger: LINGER,
            retry_first: FIRST,
            retry_longest: LONGEST,
            // No test of other things shall meet a sleeper of this kind.
            rest_after: Duration::ZERO,
        };
        Self {
            time,
            shared,
            versions,
            calls,
            told,
            rests,
            running: BTreeMap::new(),
            _folder: folder,
        }
    }

    pub(in crate::exports) async fn append(&self, stream: &str, messages: usize) {
        let payloads = vec!["x".into(); messages];
        let store = &self.shared.store;
        store
            .append(stream, Payloads::Many(payloads))
            .await
            .unwrap();
    }

    pub(in crate::exports) fn settings(
        batch_size: u64,
        priority: u8,
        interval: Option<Duration>,
    ) -> ExportSettings {
        ExportSettings {
            source: Source::Plugin,
            plugin: "fake".into(),
            config: serde_json::Map::new(),
            batch_size: Some(batch_size),
            batch_interval_millis: interval.map(|interval| interval.as_secs() * 1000),
            priority,
            disabled: false,
            dead_letters: None,
            transforms: Vec::new(),
        }
    }

    pub(in crate::exports) fn start(
        &mut self,
        export: &str,
        batch_size: u64,
        priority: u8,
        interval: Option<Duration>,
    ) {
        let settings = Self::settings(batch_size, priority, interval);
        let (stop, stopped) = watch::channel(false);
        let meter = Arc::new(Meter::default());
        let progress = Progress::new(
            self.shared.store.clone(),
            export.to_owned(),
            export.to_owned(),
            self.cursor(export),
            Arc::clone(&meter),
        );
        let pipeline = Pipeline::new(self.shared.clone(), settings, progress, stopped);
        let task = tokio::spawn(pipeline.run());
        self.running.insert(export.to_owned(), (stop, task, meter));
    }

    pub(in crate::exports) async fn stop(&mut self, export: &str) {
        let (stop, task, _) = self.running.remove(export).unwrap();
        stop.send_replace(true);
        task.await.unwrap();
    }

    pub(in crate::exports) fn meter(&self, export: &str) -> &Meter {
        &self.running[export].2
    }

    /// What a describe would show.
    pub(in crate::exports) fn cursor(&self, stream: &str) -> Cursor {
        let mut info = self.shared.store.describe(stream).unwrap();
        info.cursors.remove(0).1
    }

    /// Waits until a describe shows something.
    pub(in crate::exports) async fn shows(&self, stream: &str, wanted: impl Fn(&Cursor) -> bool) {
        let limit = Duration::from_secs(30);
        let shown = async {
            while !wanted(&self.cursor(stream)) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(limit, shown).await.unwrap();
    }

    /// Waits until so many exports wait for a slot.
    pub(in crate::exports) async fn queue(&self, length: usize) {
        let waiting = async {
            while self.shared.slots.waiting() != length {
                tokio::task::yield_now().await;
            }
        };
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, waiting).await.unwrap();
    }

    pub(in crate::exports) async fn call(&mut self) -> Call {
        let limit = Duration::from_secs(30);
        let call = tokio::time::timeout(limit, self.calls.recv()).await;
        call.expect("a call comes").unwrap()
    }

    /// Lets the next pause pass, and says when that is, in milliseconds since the epoch.
    pub(in crate::exports) async fn next_try(&self) -> u64 {
        let pause = self.time.next_alarm().await;
        self.time.advance(pause);
        self.time.now().as_millis()
    }

    pub(in crate::exports) fn no_call(&mut self) {
        assert!(self.calls.try_recv().is_err(), "nothing was to be called");
    }
}
