//! Producers: components that make messages, under supervision.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_runtime::{Grants, ProducerEnd, ProducerSettings, RuntimeError, StdoutTo};
use millstream_streams::Store;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Config, Producer, Restart};
use crate::exports::Backoff;
use crate::plugins::{Plugins, Standing, changed, superseded};
use crate::stream_access::StoreAccess;

/// A producer that ran this long was well, and its pauses begin anew.
const WELL_AFTER: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How long a producer may take to end when its component was replaced or taken away.
const REPLACE_GRACE: Duration = Duration::from_secs(10);

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

/// How a run ended.
enum Ended {
    ByItself(ProducerEnd),
    /// It was asked to, since its component was replaced or taken away.
    Superseded,
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
        let mut standing = self.plugins.follow(&self.producer.component);
        loop {
            let started = Instant::now();
            let outcome = self.run_once(&mut standing).await;
            if *self.stop.borrow() {
                return;
            }
            if started.elapsed() >= WELL_AFTER {
                backoff.reset();
            }
            let failed = !matches!(outcome, Ok(Ended::ByItself(ProducerEnd::Finished)));
            match outcome {
                Ok(Ended::Superseded) => {
                    tracing::info!(producer = name, "producer ended: its component has changed");
                    continue;
                }
                Ok(Ended::ByItself(ProducerEnd::Finished)) => {
                    tracing::info!(producer = name, "producer finished");
                }
                Ok(Ended::ByItself(ProducerEnd::Failed { code })) => {
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
                () = changed(&mut standing) => {}
                _ = self.stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn run_once(&self, standing: &mut watch::Receiver<Standing>) -> Result<Ended, String> {
        let producer = &self.producer;
        standing.mark_unchanged();
        let loaded = self.plugins.current(&producer.component).await?;
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
        tracing::info!(
            producer = producer.name,
            component = producer.component,
            sha256 = loaded.id.short_hash(),
            "producer started"
        );
        let (ask, asked) = watch::channel(false);
        let mut run = std::pin::pin!(loaded.component.run(settings, asked));
        let mut stop = self.stop.clone();
        let is_superseded = tokio::select! {
            ended = &mut run => return by_itself(ended),
            // The guard of the value must not live on while the producer ends.
            () = async { drop(stop.wait_for(|stop| *stop).await) } => false,
            () = superseded(standing, &loaded.id) => true,
        };
        ask.send_replace(true);
        if is_superseded {
            // One that does not end is ended by dropping it.
            let _ = tokio::time::timeout(REPLACE_GRACE, run).await;
            return Ok(Ended::Superseded);
        }
        by_itself(run.await)
    }
}

fn by_itself(ended: Result<ProducerEnd, RuntimeError>) -> Result<Ended, String> {
    ended
        .map(Ended::ByItself)
        .map_err(|error| error.to_string())
}
