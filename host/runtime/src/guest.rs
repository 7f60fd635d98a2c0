//! Calls into guest code: the time limit, and what a failed call means.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::ResourceTableError;
use wasmtime::{Store, Trap};

use crate::deadline::Deadline;
use crate::error::RuntimeError;
use crate::log::clean;
use crate::runtime::Runtime;
use crate::sandbox::{MAX_RESOURCES, Sandbox};
use crate::state::State;

/// The longest text taken over from a guest into an error or an answer, in bytes.
pub(crate) const MAX_TEXT: usize = 1 << 10;

/// Runs a call that must end within the deadline of the sandbox's limits, waiting in the host
/// included, though not for bandwidth.
///
/// After an error the store holds a half-run guest: it must be dropped.
pub(crate) async fn bounded<T>(
    runtime: &Runtime,
    sandbox: &Sandbox,
    call: impl Future<Output = wasmtime::Result<T>>,
) -> Result<wasmtime::Result<T>, RuntimeError> {
    bounded_by(sandbox.limits.call_deadline, runtime, sandbox, call).await
}

/// The same with a time limit of its own.
pub(crate) async fn bounded_by<T>(
    limit: Duration,
    runtime: &Runtime,
    sandbox: &Sandbox,
    call: impl Future<Output = wasmtime::Result<T>>,
) -> Result<wasmtime::Result<T>, RuntimeError> {
    Deadline::after(limit, Arc::clone(&sandbox.waits))
        .cover(runtime.ticker().attend(call))
        .await
        .map_err(|_| RuntimeError::TimedOut {
            component: sandbox.log.label().into(),
            after: limit,
        })
}

/// What a call's error means: a crash, or memory beyond the cap.
pub(crate) fn fault(
    store: &mut Store<State>,
    label: &str,
    error: &wasmtime::Error,
) -> RuntimeError {
    let limiter = &mut store.data_mut().limiter;
    if limiter.take_refused() {
        return RuntimeError::OutOfMemory {
            component: label.into(),
            limit: limiter.cap(),
        };
    }
    RuntimeError::Trapped {
        component: label.into(),
        reason: clean(&reason(error), MAX_TEXT),
    }
}

/// The crash in words, without the way that led there: an operator can do nothing with a list of
/// functions without names.
fn reason(error: &wasmtime::Error) -> String {
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return format!("it held more than {MAX_RESOURCES} resources of the host");
    }
    match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    }
}
