//! What a producer has done since the host started, and how it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use millstream_runtime::{BoxFuture, Message, ReadOptions, StreamAccess, StreamError};
use serde::{Deserialize, Serialize};

use crate::config::Producer;

/// How a producer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProducerState {
    /// Its turn has not come yet, or it is being loaded.
    Starting,
    /// It runs; a webhook can be called.
    Running,
    /// It has ended, and is started again after a pause.
    Pausing,
    /// It has ended well, and is not started again.
    Finished,
    /// It has failed, and is not started again; or a webhook that cannot be loaded.
    Failed,
    /// It was started again as often as its limit allows, and is left alone.
    GivenUp,
}

/// A producer and how it fares. Counts are since the start of the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProducerStatus {
    pub(crate) name: String,
    pub(crate) component: String,
    /// Where a webhook is reached; none for a command.
    pub(crate) path: Option<String>,
    pub(crate) state: ProducerState,
    /// Times a command was started.
    pub(crate) runs: u64,
    /// Those of them that followed an end.
    pub(crate) restarts: u64,
    /// Messages it has appended.
    pub(crate) messages: u64,
    /// Appends refused since their stream was full.
    pub(crate) refused_appends: u64,
    /// Requests to a webhook.
    pub(crate) requests: u64,
    /// Those of them that it did not answer: refused by the host, crashed or out of time.
    pub(crate) failed_requests: u64,
    /// Why it last failed; empty if it has not.
    pub(crate) error_message: String,
}

/// Counts what one producer does.
pub(crate) struct Meter {
    name: String,
    component: String,
    path: Option<String>,
    state: Mutex<(ProducerState, String)>,
    runs: AtomicU64,
    messages: AtomicU64,
    refused_appends: AtomicU64,
    requests: AtomicU64,
    failed_requests: AtomicU64,
}

impl Meter {
    pub(super) fn new(producer: &Producer) -> Self {
        Self {
            name: producer.name.clone(),
            component: producer.component.clone(),
            path: producer.path.clone(),
            state: Mutex::new((ProducerState::Starting, String::new())),
            runs: AtomicU64::default(),
            messages: AtomicU64::default(),
            refused_appends: AtomicU64::default(),
            requests: AtomicU64::default(),
            failed_requests: AtomicU64::default(),
        }
    }

    /// Notes a new state; the last failure stays known.
    pub(super) fn enter(&self, state: ProducerState) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = state;
    }

    /// Notes why it failed.
    pub(super) fn fail(&self, reason: impl Into<String>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = reason.into();
    }

    pub(super) fn count_run(&self) {
        self.runs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_failed_request(&self) {
        self.failed_requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn status(&self) -> ProducerStatus {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (state, error_message) = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.clone()
        };
        let runs = count(&self.runs);
        ProducerStatus {
            name: self.name.clone(),
            component: self.component.clone(),
            path: self.path.clone(),
            state,
            runs,
            restarts: runs.saturating_sub(1),
            messages: count(&self.messages),
            refused_appends: count(&self.refused_appends),
            requests: count(&self.requests),
            failed_requests: count(&self.failed_requests),
            error_message,
        }
    }
}

/// Streams whose appends are counted.
pub(super) struct Counted {
    streams: Arc<dyn StreamAccess>,
    meter: Arc<Meter>,
}

impl Counted {
    pub(super) fn shared(
        streams: &Arc<dyn StreamAccess>,
        meter: &Arc<Meter>,
    ) -> Arc<dyn StreamAccess> {
        Arc::new(Self {
            streams: Arc::clone(streams),
            meter: Arc::clone(meter),
        })
    }
}

impl StreamAccess for Counted {
    fn append<'a>(
        &'a self,
        stream: &'a str,
        payloads: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<u64, StreamError>> {
        Box::pin(async move {
            let count = payloads.len() as u64;
            let outcome = self.streams.append(stream, payloads).await;
            let (counter, count) = match &outcome {
                Ok(_) => (&self.meter.messages, count),
                Err(StreamError::Full) => (&self.meter.refused_appends, 1),
                Err(_) => return outcome,
            };
            counter.fetch_add(count, Ordering::Relaxed);
            outcome
        })
    }

    fn read<'a>(
        &'a self,
        stream: &'a str,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<Vec<Message>, StreamError>> {
        self.streams.read(stream, options)
    }
}
