//! Producers: components that make messages.
//!
//! A *command* runs on and on under supervision ([`command`]), and is started again by rules
//! ([`restarts`]). A *webhook* is mounted at a path of the HTTP address, and makes an instance for each
//! request ([`webhook`]). What each of them has done is in its [`Meter`], which the [`Board`] shows.

mod command;
mod complaints;
mod meter;
mod restarts;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use millstream_streams::Store;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::config::{Config, is_under};
use crate::plugins::Plugins;
use crate::stream_access::StoreAccess;
use command::Command;
use meter::{Counted, Meter};
pub(crate) use meter::{ProducerState, ProducerStatus};
pub(crate) use webhook::Webhook;

/// What the end of a producer may take beyond its own time, until it is simply dropped.
const MARGIN: Duration = Duration::from_secs(5);

/// All producers of the configuration.
pub(crate) struct Producers {
    stop: watch::Sender<bool>,
    board: Board,
    /// In the order of the configuration, until they are started.
    members: Vec<Member>,
    /// The longest time that one of them may take to end.
    longest_stop: Duration,
    running: Option<JoinHandle<()>>,
}

enum Member {
    Command(Box<Command>),
    Webhook(Arc<Webhook>),
}

/// What can be seen of the producers from outside. Clones mean the same ones.
#[derive(Clone, Default)]
pub(crate) struct Board {
    meters: Arc<[Arc<Meter>]>,
    webhooks: Arc<[Arc<Webhook>]>,
}

impl Producers {
    /// Gets them ready; none is started.
    pub(crate) fn new(config: &Config, store: &Store, plugins: &Arc<Plugins>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let streams = StoreAccess::shared(store);
        let (mut meters, mut members, mut webhooks) = (Vec::new(), Vec::new(), Vec::new());
        for producer in &config.producer {
            let meter = Arc::new(Meter::new(producer));
            meters.push(Arc::clone(&meter));
            let common = Common {
                // The configuration was checked when it was loaded.
                grants: producer.grants.resolve(&config.base).unwrap_or_default(),
                producer: producer.clone(),
                streams: Counted::shared(&streams, &meter),
                plugins: Arc::clone(plugins),
                meter,
                stop: stopped.clone(),
            };
            members.push(match &producer.path {
                None => Member::Command(Box::new(Command::new(common))),
                Some(path) => {
                    let webhook = Arc::new(Webhook::new(path.clone(), common));
                    webhooks.push(Arc::clone(&webhook));
                    Member::Webhook(webhook)
                }
            });
        }
        let stops = config.producer.iter().map(|it| it.stop_timeout.0);
        Self {
            stop,
            board: Board {
                meters: meters.into(),
                webhooks: webhooks.into(),
            },
            members,
            longest_stop: stops.max().unwrap_or_default(),
            running: None,
        }
    }

    pub(crate) fn board(&self) -> Board {
        self.board.clone()
    }

    /// Starts them in the order of the configuration: each when the one before is loaded, or could not
    /// be.
    pub(crate) fn start(&mut self) {
        let members = std::mem::take(&mut self.members);
        self.running = Some(tokio::spawn(async move {
            let mut running = JoinSet::new();
            for member in members {
                let (loaded, is_loaded) = oneshot::channel();
                match member {
                    Member::Command(command) => running.spawn(command.run(loaded)),
                    Member::Webhook(webhook) => {
                        running.spawn(async move { webhook.run(loaded).await })
                    }
                };
                // Whatever came of it, it is over when the sender is gone.
                let _ = is_loaded.await;
            }
            while running.join_next().await.is_some() {}
        }));
    }

    /// Asks all to end, and waits until they have. Each has its own time for that.
    pub(crate) async fn shut_down(self) {
        self.stop.send_replace(true);
        let Some(mut running) = self.running else {
            return;
        };
        let limit = self.longest_stop + MARGIN;
        if tokio::time::timeout(limit, &mut running).await.is_err() {
            tracing::warn!("a producer could not be ended in time and is abandoned");
            running.abort();
        }
    }
}

/// What commands and webhooks have in common.
struct Common {
    producer: crate::config::Producer,
    grants: millstream_runtime::Grants,
    streams: Arc<dyn millstream_runtime::StreamAccess>,
    plugins: Arc<Plugins>,
    meter: Arc<Meter>,
    stop: watch::Receiver<bool>,
}

impl Common {
    /// Its arguments, with the name that is the first by custom.
    fn args(&self) -> Vec<String> {
        let name = std::iter::once(&self.producer.component);
        name.chain(&self.producer.args).cloned().collect()
    }

    fn env(&self) -> Vec<(String, String)> {
        self.producer.env.clone().into_iter().collect()
    }

    fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Ready when the producers are asked to end.
    async fn stopped(&self) {
        // The sender gone means the same.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }
}

impl Board {
    /// How each producer fares, in the order of the configuration.
    pub(crate) fn status(&self) -> Vec<ProducerStatus> {
        self.meters.iter().map(|meter| meter.status()).collect()
    }

    /// The webhook that is reached at a path: the one mounted deepest, if several are.
    pub(crate) fn webhook(&self, path: &str) -> Option<&Arc<Webhook>> {
        self.webhooks
            .iter()
            .filter(|webhook| is_under(path, webhook.path()))
            .max_by_key(|webhook| webhook.path().len())
    }
}
