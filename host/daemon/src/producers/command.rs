//! One command under supervision.

use std::time::Instant;

use millstream_runtime::{ProducerEnd, ProducerSettings, StdoutTo};
use tokio::sync::oneshot;

use super::Common;
use super::meter::ProducerState;
use super::restarts::{Next, Restarts};

pub(super) struct Command(Common);

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
        while !common.is_stopped() {
            let started = Instant::now();
            let outcome = self.run_once(&mut loaded).await;
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
    ) -> Result<ProducerEnd, String> {
        let Self(common) = self;
        let producer = &common.producer;
        let component = tokio::select! {
            component = common.plugins.component(&producer.component) => component?,
            () = common.stopped() => return Ok(ProducerEnd::Ended),
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
        tracing::info!(producer = producer.name, "producer started");
        common.meter.count_run();
        common.meter.enter(ProducerState::Running);
        *loaded = None;
        let ended = component.run(settings, common.stop.clone()).await;
        ended.map_err(|error| error.to_string())
    }
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
