//! Runs producers: WASI commands whose work is `wasi:cli/run`.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use wasmtime::Store;
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::cli::AsyncStdoutStream;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::component::Component;
use crate::error::RuntimeError;
use crate::grants::Grants;
use crate::guest::fault;
use crate::limits::Limits;
use crate::log::PluginLog;
use crate::sandbox::Sandbox;
use crate::state::State;
use crate::stdout::{LinePump, PIPE};
use crate::streams::{StreamAccess, StreamError};

/// Everything a producer needs for one run.
pub struct ProducerSettings {
    /// Its name in the log.
    pub label: String,
    /// Its arguments. By custom the first is the program's own name.
    pub args: Vec<String>,
    /// Its environment: only what is here.
    pub env: Vec<(String, String)>,
    /// What it may reach.
    pub grants: Grants,
    /// What it may take. Its run has no deadline.
    pub limits: Limits,
    /// The streams behind the grants.
    pub streams: Arc<dyn StreamAccess>,
    /// Where its standard output goes.
    pub stdout: StdoutTo,
    /// The longest line of its output that becomes a message, in bytes; longer ones are left out with
    /// a warning.
    pub longest_line: usize,
    /// How long it may go on after it was asked to end. A component that cannot learn of that, since it
    /// imports neither `stop` nor `streams`, is ended at once.
    pub stop_timeout: Duration,
}

/// Where a producer's standard output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StdoutTo {
    /// Into the host's log, a line at a time.
    Log,
    /// Into the stream of this name: each line is a message, without its end, and empty lines are
    /// left out. Naming it here is the grant. While the stream is full, the producer waits.
    Stream(String),
}

/// How a producer ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProducerEnd {
    /// It succeeded.
    Finished,
    /// It says that it failed.
    Failed {
        /// Its exit code; 1 if it named none.
        code: i32,
    },
    /// It was asked to end, and was ended when its time was over.
    Ended,
}

/// Runs a producer to its end.
pub(crate) async fn run(
    component: &Component,
    program: &CommandPre<State>,
    settings: ProducerSettings,
    stop: watch::Receiver<bool>,
) -> Result<ProducerEnd, RuntimeError> {
    let runtime = component.runtime();
    let log = PluginLog::new(settings.label);
    let sandbox = Sandbox {
        args: settings.args,
        env: settings.env,
        ..Sandbox::new(
            component,
            Arc::clone(&log),
            Arc::new(settings.grants),
            settings.limits,
            Some(Arc::clone(&settings.streams)),
            stop.clone(),
        )
    };
    let patience = match component.learns_of_stop() {
        true => settings.stop_timeout,
        false => Duration::ZERO,
    };
    let StdoutTo::Stream(stream) = settings.stdout else {
        let store = sandbox.store(runtime, None).await?;
        return until_stopped(call(component, program, store, log.label()), stop, patience).await;
    };

    let (guest_end, host_end) = tokio::io::duplex(PIPE);
    let stdout = AsyncStdoutStream::new(PIPE, guest_end);
    let store = sandbox.store(runtime, Some(stdout)).await?;
    let lost = |error: StreamError| RuntimeError::Stdout {
        component: log.label().into(),
        stream: stream.clone(),
        reason: error.to_string(),
    };
    let pump = LinePump {
        streams: settings.streams,
        stream: stream.clone(),
        longest_line: settings.longest_line,
        log: Arc::clone(&log),
        stop: stop.clone(),
    };
    let cut = AtomicBool::new(false);
    let pump = pump.run(host_end, &cut);
    tokio::pin!(pump);
    let guest = call(component, program, store, log.label());
    let guest = until_stopped(guest, stop, patience);
    tokio::pin!(guest);
    tokio::select! {
        // The pump ends by itself only when its stream is lost: the guest would write for nobody.
        pumped = &mut pump => {
            pumped.map_err(lost)?;
            guest.await
        }
        // The store is gone and with it the guest's end of the pipe: the rest is in the pipe.
        end = &mut guest => {
            cut.store(matches!(end, Ok(ProducerEnd::Ended)), Ordering::Relaxed);
            let pumped = pump.await;
            let end = end?;
            pumped.map_err(lost)?;
            Ok(end)
        }
    }
}

/// Runs a producer until it ends, or is dropped `patience` after it was asked to.
async fn until_stopped(
    guest: impl Future<Output = Result<ProducerEnd, RuntimeError>>,
    mut stop: watch::Receiver<bool>,
    patience: Duration,
) -> Result<ProducerEnd, RuntimeError> {
    let too_late = async {
        // The sender gone means that the host is on its way out.
        let _ = stop.wait_for(|stopped| *stopped).await;
        tokio::time::sleep(patience).await;
    };
    tokio::select! {
        biased;
        end = guest => end,
        () = too_late => Ok(ProducerEnd::Ended),
    }
}

/// Calls `wasi:cli/run` and drops the instance.
async fn call(
    component: &Component,
    program: &CommandPre<State>,
    mut store: Store<State>,
    label: &str,
) -> Result<ProducerEnd, RuntimeError> {
    let answer = component
        .runtime()
        .ticker()
        .attend(async {
            let command = program.instantiate_async(&mut store).await?;
            command.wasi_cli_run().call_run(&mut store).await
        })
        .await;
    match answer {
        Ok(Ok(())) => Ok(ProducerEnd::Finished),
        Ok(Err(())) => Ok(ProducerEnd::Failed { code: 1 }),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(I32Exit(0)) => Ok(ProducerEnd::Finished),
            Some(&I32Exit(code)) => Ok(ProducerEnd::Failed { code }),
            None => Err(fault(&mut store, label, &error)),
        },
    }
}

#[cfg(test)]
mod tests;
