//! Holds the running pipelines against what the streams' definitions ask for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millstream_streams::Store;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::pipeline::{Pipeline, Shared};
use super::settings::ExportSettings;
use super::slots::Slots;
use crate::config;
use crate::plugins::Plugins;

/// One export of one stream.
type Key = (String, String);

/// The running pipelines. Clones mean the same ones.
#[derive(Clone)]
pub(crate) struct Supervisor {
    shared: Shared,
    grace: Duration,
    running: Arc<Mutex<HashMap<Key, Running>>>,
}

struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Supervisor {
    pub(crate) fn new(store: Store, plugins: Arc<Plugins>, options: &config::Exports) -> Self {
        let shared = Shared {
            store,
            plugins,
            slots: Slots::new(options.parallel),
            linger: options.linger.0,
            retry_first: options.retry_first.0,
            retry_longest: options.retry_longest.0,
        };
        Self {
            shared,
            grace: options.shutdown_grace.0,
            running: Arc::default(),
        }
    }

    /// Starts every export of a stream that is enabled and does not run.
    pub(crate) fn start(&self, stream: &str) {
        let Ok(info) = self.shared.store.describe(stream) else {
            return;
        };
        let mut running = self.running();
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
            let identifier = export.identifier.clone();
            let shared = self.shared.clone();
            let pipeline = Pipeline::new(
                shared,
                stream.to_owned(),
                identifier,
                settings,
                cursor,
                stopped,
            );
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
    }

    /// Ends all exports.
    pub(crate) async fn shut_down(&self) {
        let stopping = self.take(|_| true);
        self.end(stopping, self.grace).await;
    }

    fn take(&self, which: impl Fn(&Key) -> bool) -> Vec<Running> {
        self.running()
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

    fn running(&self) -> MutexGuard<'_, HashMap<Key, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
