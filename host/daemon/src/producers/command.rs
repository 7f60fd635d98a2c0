//! One command under supervision.

use std::time::Instant;

use millstream_runtime::{ProducerEnd, ProducerSettings, RuntimeError, StdoutTo};
use tokio::sync::{oneshot, watch};

use super::Common;
use super::meter::ProducerState;
use super::restarts::{Next, Restarts};
use crate::plugins::{Standing, changed, superseded};

pub(super) struct Command(Common);

/// What came of a run.
enum Run {
    /// It ended by itself, or because all producers are asked to end.
    Ended(Result<ProducerEnd, String>),
    /// It was asked to end, since its component was replaced or taken away.
    Superseded,
    /// There is no component to run, and why. It counts against no limit: nothing has failed.
    NotThere(String),
}

impl Command {
    pub(super) fn new(common: Common) -> Self {
        Self(common)
    }

    /// Runs it until it is not to be started again, or is asked to end. `loaded` goes when it has been
    /// loaded for the first time, or could not be.
    pub(super) async fn run(self, loaded: oneshot::Sender<()>) {
        let Self(common) = &self;
        let (meter, name) = (&common.meter, common.producer.name.as_str());
        let mut loaded = Some(loaded);
        let mut restarts = Restarts::new(common.producer.restart, common.producer.restart_limit);
        let mut standing = common.plugins.follow(&common.producer.component);
        while !common.is_stopped() {
            let started = Instant::now();
            let outcome = match self.run_once(&mut loaded, &mut standing).await {
                Run::Ended(outcome) => outcome,
                Run::Superseded => {
                    tracing::info!(producer = name, "producer ended: its component has changed");
                    continue;
                }
                Run::NotThere(reason) => {
                    loaded = None;
                    tracing::warn!(producer = name, reason, "producer waits for its component");
                    meter.fail(reason);
                    meter.enter(ProducerState::Pausing);
                    tokio::select! {
                        () = changed(&mut standing) => {}
                        () = common.stopped() => {}
                    }
                    continue;
                }
            };
            loaded = None;
            if common.is_stopped() {
                say_how_it_stopped(name, outcome);
                return;
            }
            let failure = failure(outcome);
            match &failure {
                None => tracing::info!(producer = name, "producer finished"),
                Some(reason) => {
                    tracing::warn!(producer = name, reason, "producer failed");
                    meter.fail(reason);
                }
            }
            match restarts.after(failure.is_some(), started.elapsed()) {
                Next::Again(pause) => {
                    tracing::info!(producer = name, ?pause, "producer will be started again");
                    meter.enter(ProducerState::Pausing);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = changed(&mut standing) => {}
                        () = common.stopped() => {}
                    }
                }
                Next::Rest if failure.is_some() => return meter.enter(ProducerState::Failed),
                Next::Rest => return meter.enter(ProducerState::Finished),
                Next::GiveUp => {
                    meter.enter(ProducerState::GivenUp);
                    tracing::error!(
                        producer = name,
                        limit = common.producer.restart_limit,
                        "producer was started again as often as restart-limit allows and is left \
                         alone; mend what it complains of and start the host again"
                    );
                    return;
                }
            }
        }
    }

    async fn run_once(
        &self,
        loaded: &mut Option<oneshot::Sender<()>>,
        standing: &mut watch::Receiver<Standing>,
    ) -> Run {
        let Self(common) = self;
        let producer = &common.producer;
        standing.mark_unchanged();
        let found = tokio::select! {
            found = common.plugins.current(&producer.component) => found,
            () = common.stopped() => return Run::Ended(Ok(ProducerEnd::Ended)),
        };
        let version = match found {
            Ok(version) => version,
            Err(reason) => return Run::NotThere(reason),
        };
        let settings = ProducerSettings {
            label: producer.name.clone(),
            args: common.args(),
            env: common.env(),
            grants: common.grants.clone(),
            limits: common.plugins.limits(),
            streams: common.streams.clone(),
            stdout: match &producer.stdout {
                Some(stream) => StdoutTo::Stream(stream.clone()),
                None => StdoutTo::Log,
            },
            longest_line: usize::try_from(producer.longest_line.0).unwrap_or(usize::MAX),
            stop_timeout: producer.stop_timeout.0,
        };
        tracing::info!(
            producer = producer.name,
            component = producer.component,
            sha256 = version.id.short_hash(),
            "producer started"
        );
        common.meter.count_run();
        common.meter.enter(ProducerState::Running);
        *loaded = None;
        let (ask, asked) = watch::channel(false);
        let mut run = std::pin::pin!(version.component.run(settings, asked));
        let is_superseded = tokio::select! {
            ended = &mut run => return by_itself(ended),
            () = common.stopped() => false,
            () = superseded(standing, &version.id) => true,
        };
        ask.send_replace(true);
        let ended = run.await;
        match is_superseded {
            true => Run::Superseded,
            false => by_itself(ended),
        }
    }
}

fn by_itself(ended: Result<ProducerEnd, RuntimeError>) -> Run {
    Run::Ended(ended.map_err(|error| error.to_string()))
}

/// Why a run counts as failed, if it does.
fn failure(outcome: Result<ProducerEnd, String>) -> Option<String> {
    match outcome {
        Ok(ProducerEnd::Finished | ProducerEnd::Ended) => None,
        Ok(ProducerEnd::Failed { code }) => Some(format!("It ended with exit code {code}.")),
        Err(reason) => Some(reason),
    }
}

fn say_how_it_stopped(name: &str, outcome: Result<ProducerEnd, String>) {
    match outcome {
        Ok(ProducerEnd::Ended) => {
            tracing::info!(
                producer = name,
                "producer was ended: it did not end by itself"
            );
        }
        outcome => match failure(outcome) {
            None => tracing::info!(producer = name, "producer stopped"),
            Some(reason) => tracing::warn!(producer = name, reason, "producer failed to stop well"),
        },
    }
}
