//! Producers: components that make messages, under supervision.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_runtime::{Grants, ProducerEnd, ProducerSettings, StdoutTo};
use millstream_streams::Store;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Config, Producer, Restart};
use crate::exports::Backoff;
use crate::plugins::Plugins;
use crate::stream_access::StoreAccess;

/// A producer that ran this long was well, and its pauses begin anew.
const WELL_AFTER: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The running producers.
pub(crate) struct Producers {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Producers {
    /// Starts every producer of the configuration, in its order.
    pub(crate) fn start(config: &Config, store: &Store, plugins: &Arc<Plugins>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let tasks = config
            .producer
            .iter()
            .map(|producer| {
                let supervised = Supervised {
                    // The configuration was checked when it was loaded.
                    grants: producer.grants.resolve(&config.base).unwrap_or_default(),
                    producer: producer.clone(),
                    store: store.clone(),
                    plugins: Arc::clone(plugins),
                    stop: stopped.clone(),
                };
                tokio::spawn(supervised.run())
            })
            .collect();
        Self { stop, tasks }
    }

    /// Asks all to end, and ends those that have not after the grace.
    pub(crate) async fn shut_down(self, grace: Duration) {
        self.stop.send_replace(true);
        let deadline = tokio::time::Instant::now() + grace;
        for mut task in self.tasks {
            if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

struct Supervised {
    producer: Producer,
    grants: Grants,
    store: Store,
    plugins: Arc<Plugins>,
    stop: watch::Receiver<bool>,
}

impl Supervised {
    async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let name = self.producer.name.clone();
        loop {
            let started = Instant::now();
            let outcome = self.run_once().await;
            if *self.stop.borrow() {
                return;
            }
            if started.elapsed() >= WELL_AFTER {
                backoff.reset();
            }
            let failed = !matches!(outcome, Ok(ProducerEnd::Finished));
            match outcome {
                Ok(ProducerEnd::Finished) => tracing::info!(producer = name, "producer finished"),
                Ok(ProducerEnd::Failed { code }) => {
                    tracing::warn!(producer = name, code, "producer failed");
                }
                Err(error) => tracing::warn!(producer = name, error, "producer failed"),
            }
            let again = match self.producer.restart {
                Restart::Always => true,
                Restart::OnFailure => failed,
                Restart::Never => false,
            };
            if !again {
                return;
            }
            let pause = backoff.pause(None);
            tracing::info!(producer = name, ?pause, "producer will be started again");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn run_once(&self) -> Result<ProducerEnd, String> {
        let producer = &self.producer;
        let component = self.plugins.component(&producer.component).await?;
        let mut args = vec![producer.component.clone()];
        args.extend(producer.args.iter().cloned());
        let settings = ProducerSettings {
            label: producer.name.clone(),
            args,
            env: producer.env.clone().into_iter().collect(),
            grants: self.grants.clone(),
            limits: self.plugins.limits(),
            streams: StoreAccess::shared(&self.store),
            stdout: match &producer.stdout {
                Some(stream) => StdoutTo::Stream(stream.clone()),
                None => StdoutTo::Log,
            },
        };
        tracing::info!(producer = producer.name, "producer started");
        component
            .run(settings, self.stop.clone())
            .await
            .map_err(|error| error.to_string())
    }
}
