//! What exports have done since the program started, for whoever watches.
//!
//! Places that count are written by the pipelines and read by [`status`](crate::status), without
//! locks. What has to survive a restart is in the cursor instead.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use millstream_runtime::{ExportFailure, Exported, Traffic};
use prometheus_client::metrics::histogram::Histogram;

use super::settings::Source;
use crate::plugins::VersionId;

/// Upper bounds of the sizes of batches, in messages.
const BATCH_MESSAGES: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
/// Upper bounds of the times of calls, in seconds; the last is the usual deadline.
const CALL_SECONDS: [f64; 13] = [
    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0,
];

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every message was delivered.
    Delivered,
    /// Some messages were not.
    Partial,
    /// A part of work was done that is longer than one call.
    InProgress,
    Unavailable,
    Throttled,
    Denied,
    Misconfigured,
    Crashed,
    TimedOut,
    /// The plugin broke the contract, or could not be started again.
    Faulty,
}

impl Outcome {
    /// All, in the order in which they are shown.
    pub(crate) const ALL: [Self; 10] = [
        Self::Delivered,
        Self::Partial,
        Self::InProgress,
        Self::Unavailable,
        Self::Throttled,
        Self::Denied,
        Self::Misconfigured,
        Self::Crashed,
        Self::TimedOut,
        Self::Faulty,
    ];

    /// How a call ended that answered so.
    pub(super) fn of(answer: &Result<Exported, ExportFailure>) -> Self {
        match answer {
            Ok(exported) if exported.undelivered.is_empty() => Self::Delivered,
            Ok(exported) if exported.in_progress.is_some() => Self::InProgress,
            Ok(_) => Self::Partial,
            Err(failure) => Self::from(failure),
        }
    }

    /// Its name in metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Partial => "partial",
            Self::InProgress => "in_progress",
            Self::Unavailable => "unavailable",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Misconfigured => "misconfigured",
            Self::Crashed => "crashed",
            Self::TimedOut => "timed_out",
            Self::Faulty => "faulty",
        }
    }
}

impl From<&ExportFailure> for Outcome {
    fn from(failure: &ExportFailure) -> Self {
        match failure {
            ExportFailure::Unavailable { .. } => Self::Unavailable,
            ExportFailure::Throttled { .. } => Self::Throttled,
            ExportFailure::Denied { .. } => Self::Denied,
            ExportFailure::Misconfigured { .. } | ExportFailure::Config { .. } => {
                Self::Misconfigured
            }
            ExportFailure::Trapped { .. }
            | ExportFailure::OutOfMemory { .. }
            | ExportFailure::TransformCrashed(_) => Self::Crashed,
            ExportFailure::TimedOut { .. } => Self::TimedOut,
            _ => Self::Faulty,
        }
    }
}

/// Which version of its plugin an export uses.
#[derive(Debug, Clone, Default)]
pub(crate) struct InUse {
    /// None before the plugin was opened first.
    pub(crate) id: Option<VersionId>,
    /// Why a newer version is not used, if there is one.
    pub(crate) passed_over: Option<String>,
}

/// What one export has done since the program started.
#[derive(Debug)]
pub(crate) struct Meter {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    retried_messages: AtomicU64,
    dead_letters: AtomicU64,
    requeued_messages: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    /// Why the last try failed, if another will follow.
    failing: Mutex<Option<String>>,
    /// How far work is that is longer than one call; none if there is no such work.
    in_progress: Mutex<Option<String>>,
    in_use: Mutex<InUse>,
    /// Messages of each call.
    pub(crate) batch_messages: Histogram,
    /// Seconds of each call.
    pub(crate) call_seconds: Histogram,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            outcomes: Default::default(),
            retried_messages: AtomicU64::default(),
            dead_letters: AtomicU64::default(),
            requeued_messages: AtomicU64::default(),
            sent_bytes: AtomicU64::default(),
            received_bytes: AtomicU64::default(),
            failing: Mutex::default(),
            in_progress: Mutex::default(),
            in_use: Mutex::default(),
            batch_messages: Histogram::new(BATCH_MESSAGES),
            call_seconds: Histogram::new(CALL_SECONDS),
        }
    }
}

impl Meter {
    /// Counts a call with so many messages.
    pub(super) fn call(&self, outcome: Outcome, messages: usize, took: Duration) {
        self.outcome(outcome).fetch_add(1, Ordering::Relaxed);
        self.batch_messages.observe(messages as f64);
        self.call_seconds.observe(took.as_secs_f64());
    }

    /// Counts messages that will be handed to the plugin again.
    pub(super) fn retried(&self, messages: u64) {
        self.retried_messages.fetch_add(messages, Ordering::Relaxed);
    }

    /// Counts rejected messages that were appended to the dead-letter stream.
    pub(super) fn dead_letters_written(&self, letters: u64) {
        self.dead_letters.fetch_add(letters, Ordering::Relaxed);
    }

    /// Counts dead letters that were delivered when they were sent again.
    pub(super) fn requeued(&self, messages: u64) {
        self.requeued_messages
            .fetch_add(messages, Ordering::Relaxed);
    }

    /// Counts what a call has sent and received.
    pub(super) fn traffic(&self, before: &Traffic, after: &Traffic) {
        let (sent, received) = (after.sent - before.sent, after.received - before.received);
        self.sent_bytes.fetch_add(sent, Ordering::Relaxed);
        self.received_bytes.fetch_add(received, Ordering::Relaxed);
    }

    /// Notes why the last try failed, or that it did not.
    pub(super) fn set_failing(&self, reason: Option<String>) {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// Notes how far work is that is longer than one call.
    pub(super) fn set_progress(&self, text: Option<String>) {
        *self
            .in_progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// How far work is that is longer than one call, in the plugin's words.
    pub(crate) fn progress(&self) -> Option<String> {
        let text = self
            .in_progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        text.clone()
    }

    /// Notes which version of the plugin is used, and that no newer one was passed over.
    pub(super) fn set_in_use(&self, id: VersionId) {
        *self.in_use.lock().unwrap_or_else(PoisonError::into_inner) = InUse {
            id: Some(id),
            passed_over: None,
        };
    }

    /// Notes why a newer version of the plugin is not used.
    pub(super) fn set_passed_over(&self, reason: String) {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.passed_over = Some(reason);
    }

    /// Which version of the plugin is used.
    pub(crate) fn in_use(&self) -> InUse {
        let in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.clone()
    }

    /// Calls that ended so.
    pub(crate) fn calls(&self, outcome: Outcome) -> u64 {
        self.outcome(outcome).load(Ordering::Relaxed)
    }

    /// Messages that were handed to the plugin again, each time counted.
    pub(crate) fn retried_messages(&self) -> u64 {
        self.retried_messages.load(Ordering::Relaxed)
    }

    /// Rejected messages that were appended to the dead-letter stream.
    pub(crate) fn dead_letters(&self) -> u64 {
        self.dead_letters.load(Ordering::Relaxed)
    }

    /// Dead letters that were delivered when they were sent again.
    pub(crate) fn requeued_messages(&self) -> u64 {
        self.requeued_messages.load(Ordering::Relaxed)
    }

    /// Bytes sent and received over HTTP.
    pub(crate) fn http_bytes(&self) -> (u64, u64) {
        let load = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed);
        (load(&self.sent_bytes), load(&self.received_bytes))
    }

    /// Why the last try failed, if it did and another will follow. The cursor says the same once it is saved.
    pub(crate) fn failing(&self) -> Option<String> {
        let reason = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        reason.clone()
    }

    /// Whether the last try failed and another will follow.
    pub(crate) fn is_failing(&self) -> bool {
        let reason = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        reason.is_some()
    }

    fn outcome(&self, outcome: Outcome) -> &AtomicU64 {
        let [
            delivered,
            partial,
            in_progress,
            unavailable,
            throttled,
            denied,
            misconfigured,
            crashed,
            timed_out,
            faulty,
        ] = &self.outcomes;
        match outcome {
            Outcome::Delivered => delivered,
            Outcome::Partial => partial,
            Outcome::InProgress => in_progress,
            Outcome::Unavailable => unavailable,
            Outcome::Throttled => throttled,
            Outcome::Denied => denied,
            Outcome::Misconfigured => misconfigured,
            Outcome::Crashed => crashed,
            Outcome::TimedOut => timed_out,
            Outcome::Faulty => faulty,
        }
    }
}

/// Bytes carried away by all exports of a kind since the program started, those of deleted streams
/// included.
#[derive(Debug, Default)]
pub(crate) struct Uploaded {
    http: AtomicU64,
    iot_analytics: AtomicU64,
    iot_sitewise: AtomicU64,
    kinesis: AtomicU64,
    plugin: AtomicU64,
    s3: AtomicU64,
}

impl Uploaded {
    /// Counts what one call has carried away: payloads delivered, or, where messages only name what
    /// is to be carried (S3), what was sent.
    pub(super) fn add(&self, source: Source, payloads: u64, sent: u64) {
        let bytes = match source {
            Source::S3TaskExecutor => sent,
            _ => payloads,
        };
        self.of(source).fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes carried away by exports of a kind.
    pub(crate) fn bytes(&self, source: Source) -> u64 {
        self.of(source).load(Ordering::Relaxed)
    }

    fn of(&self, source: Source) -> &AtomicU64 {
        match source {
            Source::Http => &self.http,
            Source::IotAnalytics => &self.iot_analytics,
            Source::IotSitewise => &self.iot_sitewise,
            Source::Kinesis => &self.kinesis,
            Source::Plugin => &self.plugin,
            Source::S3TaskExecutor => &self.s3,
        }
    }
}
