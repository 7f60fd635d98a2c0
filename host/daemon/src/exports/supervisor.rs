//! Holds the running pipelines against what the streams' definitions ask for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millstream_runtime::CancelReason;
use millstream_streams::{Store, StreamInfo};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::canceling;
use super::destination::PluginDestinations;
use super::meter::{Meter, Uploaded};
use super::pipeline::{Pipeline, Shared};
use super::progress::Progress;
use super::settings::ExportSettings;
use super::slots::Slots;
use crate::config;
use crate::plugins::Plugins;
use crate::time::SystemTime;

/// One export of one stream.
type Key = (String, String);

/// The running pipelines. Clones mean the same ones.
#[derive(Clone)]
pub(crate) struct Supervisor {
    shared: Shared,
    grace: Duration,
    running: Arc<Mutex<HashMap<Key, Running>>>,
    /// What each export has done, for as long as it exists.
    meters: Arc<Mutex<HashMap<Key, Arc<Meter>>>>,
}

struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Supervisor {
    pub(crate) fn new(store: Store, plugins: Arc<Plugins>, options: &config::Exports) -> Self {
        let destinations = PluginDestinations {
            plugins,
            store: store.clone(),
        };
        let shared = Shared {
            store,
            destinations: Arc::new(destinations),
            time: Arc::new(SystemTime),
            uploaded: Arc::default(),
            slots: Slots::new(options.parallel),
            linger: options.linger.0,
            retry_first: options.retry_first.0,
            retry_longest: options.retry_longest.0,
        };
        Self {
            shared,
            grace: options.shutdown_grace.0,
            running: Arc::default(),
            meters: Arc::default(),
        }
    }

    /// What an export has done since the program started; nothing yet, if it never ran.
    pub(crate) fn meter(&self, stream: &str, export: &str) -> Arc<Meter> {
        let key = (stream.to_owned(), export.to_owned());
        let known = lock(&self.meters).get(&key).cloned();
        known.unwrap_or_default()
    }

    /// What all exports together have carried away.
    pub(crate) fn uploaded(&self) -> &Uploaded {
        &self.shared.uploaded
    }

    /// Starts every export of a stream that is enabled and does not run.
    pub(crate) fn start(&self, stream: &str) {
        let Ok(info) = self.shared.store.describe(stream) else {
            return;
        };
        lock(&self.meters).retain(|(name, export), _| {
            name != stream
                || info
                    .definition
                    .exports
                    .iter()
                    .any(|known| known.identifier == *export)
        });
        let mut running = lock(&self.running);
        for (export, (_, cursor)) in info.definition.exports.iter().zip(info.cursors) {
            let key = (stream.to_owned(), export.identifier.clone());
            let alive = running
                .get(&key)
                .is_some_and(|running| !running.task.is_finished());
            let Some(settings) = ExportSettings::from_stored(&export.settings) else {
                let export = &export.identifier;
                tracing::error!(
                    stream,
                    export,
                    "the stored settings of an export are not readable"
                );
                continue;
            };
            if alive || settings.disabled {
                continue;
            }
            let (stop, stopped) = watch::channel(false);
            let meter = Arc::clone(lock(&self.meters).entry(key.clone()).or_default());
            let progress = Progress::new(
                self.shared.store.clone(),
                stream.to_owned(),
                export.identifier.clone(),
                cursor,
                meter,
            );
            let pipeline = Pipeline::new(self.shared.clone(), settings, progress, stopped);
            running.insert(
                key,
                Running {
                    stop,
                    task: tokio::spawn(pipeline.run()),
                },
            );
        }
    }

    /// Ends some exports of a stream. Calls that are under way may take the grace to end, and are
    /// settled if they do.
    pub(crate) async fn stop(&self, stream: &str, which: impl Fn(&str) -> bool) {
        let stopping = self.take(|(name, export)| name == stream && which(export));
        self.end(stopping, self.grace).await;
    }

    /// Ends all exports of a stream at once: the stream is going anyway.
    pub(crate) async fn abandon(&self, stream: &str) {
        let stopping = self.take(|(name, _)| name == stream);
        self.end(stopping, Duration::ZERO).await;
        lock(&self.meters).retain(|(name, _), _| name != stream);
    }

    /// Tells the plugins of exports that are gone, as they were, of the messages that they have not
    /// settled. The exports have ended.
    pub(crate) async fn cancel(
        &self,
        info: &StreamInfo,
        which: impl Fn(&str) -> bool,
        reason: CancelReason,
    ) {
        canceling::tell_of_deletion(&self.shared, info, which, reason).await;
    }

    /// Ends all exports.
    pub(crate) async fn shut_down(&self) {
        let stopping = self.take(|_| true);
        self.end(stopping, self.grace).await;
    }

    fn take(&self, which: impl Fn(&Key) -> bool) -> Vec<Running> {
        lock(&self.running)
            .extract_if(|key, _| which(key))
            .map(|(_, running)| running)
            .collect()
    }

    async fn end(&self, stopping: Vec<Running>, grace: Duration) {
        for running in &stopping {
            running.stop.send_replace(true);
        }
        let deadline = tokio::time::Instant::now() + grace;
        for mut running in stopping {
            if tokio::time::timeout_at(deadline, &mut running.task)
                .await
                .is_err()
            {
                // What the call has delivered is not known; its messages will be sent again.
                running.task.abort();
                let _ = running.task.await;
            }
        }
    }
}

/// The values behind these locks are whole after each statement, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
