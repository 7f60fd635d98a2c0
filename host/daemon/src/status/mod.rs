//! What the host is doing: one picture of it, for people, scripts and monitoring.
//!
//! [`Observer`] takes the picture, a [`Status`]. It is served as JSON and as metrics ([`metrics`])
//! over HTTP ([`http`](crate::http)), and shown by `millstream status`. Counts that end with the
//! process come from the meters of the exports and the counters of the streams; those that outlive it
//! from the cursors.

pub(crate) mod metrics;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use millstream_runtime::Runtime;
use millstream_streams::{Cursor, Position, SequenceNumber, Store, StreamInfo};
use serde::{Deserialize, Serialize};

use crate::exports::{ExportSettings, Meter, Outcome, Source};
use crate::plugins::{Offer, Plugins, Standing};
use crate::producers::{Board, ProducerStatus};
use crate::service::Service;
use crate::time::{SystemTime, Time};

/// A picture of the host. Keys are written as in the protocol, so that a script finds what it knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) process: u32,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// Where metrics are, if they are served.
    pub(crate) http: Option<SocketAddr>,
    pub(crate) uptime_seconds: u64,
    /// Connections of clients that are open.
    pub(crate) connections: usize,
    /// Why streams on disk take nothing any more; none while all is well.
    pub(crate) failure: Option<String>,
    pub(crate) telemetry: Telemetry,
    /// Those that are used, or were a moment ago.
    #[serde(default)]
    pub(crate) plugins: Vec<PluginStatus>,
    pub(crate) streams: Vec<StreamStatus>,
    /// In the order of the configuration.
    #[serde(default)]
    pub(crate) producers: Vec<ProducerStatus>,
}

/// A plugin that is used.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PluginStatus {
    pub(crate) name: String,
    /// What it says of itself; empty for a producer, or if there is nothing to use.
    pub(crate) version: String,
    /// The hash of the file that is in use; empty if there is nothing to use.
    pub(crate) sha256: String,
    /// Why the file in the folder is not in use, or why there is nothing to use; empty if all is well.
    pub(crate) problem: String,
    /// How often one version has followed another since the host started.
    pub(crate) replacements: u64,
}

impl From<(String, Standing)> for PluginStatus {
    fn from((name, standing): (String, Standing)) -> Self {
        let (version, sha256, missing) = match standing.offer {
            Offer::Unknown => (String::new(), String::new(), None),
            Offer::Nothing(reason) => (String::new(), String::new(), Some(reason)),
            Offer::Version(id) => (id.version.to_string(), id.sha256.to_string(), None),
        };
        Self {
            name,
            version,
            sha256,
            problem: standing.problem.or(missing).unwrap_or_default(),
            replacements: standing.replacements,
        }
    }
}

/// The counters of the Greengrass component under their names there, in bytes since the start
/// (specification 6.7), and what all components sent and received over HTTP.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Telemetry {
    pub(crate) bytes_appended: u64,
    #[serde(rename = "BytesUploadedToIoTAnalytics")]
    pub(crate) bytes_uploaded_to_iot_analytics: u64,
    pub(crate) bytes_uploaded_to_kinesis: u64,
    #[serde(rename = "BytesUploadedToIoTSiteWise")]
    pub(crate) bytes_uploaded_to_iot_sitewise: u64,
    pub(crate) bytes_uploaded_to_s3: u64,
    /// By exports of the protocol's HTTP kind.
    pub(crate) bytes_uploaded_to_http: u64,
    /// By exports that name a plugin.
    pub(crate) bytes_uploaded_to_plugins: u64,
    pub(crate) http_requests: u64,
    pub(crate) http_sent: u64,
    pub(crate) http_received: u64,
}

/// A stream and its exports.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamStatus {
    pub(crate) name: String,
    pub(crate) messages: u64,
    pub(crate) oldest_sequence_number: u64,
    pub(crate) next_sequence_number: u64,
    pub(crate) total_bytes: u64,
    pub(crate) max_size: u64,
    /// Since the start.
    pub(crate) appended_messages: u64,
    pub(crate) appended_bytes: u64,
    pub(crate) refused_appends: u64,
    pub(crate) exports: Vec<ExportStatus>,
}

/// What an export is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ExportState {
    /// It delivers, or would if there were something to deliver.
    Running,
    /// The last try failed, and another will follow.
    Failing,
    /// It is paused by its definition.
    Disabled,
}

/// An export and how far it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExportStatus {
    pub(crate) identifier: String,
    pub(crate) plugin: String,
    /// The version of the plugin that it uses, and the hash of its file; empty before it was opened first.
    #[serde(default)]
    pub(crate) plugin_version: String,
    #[serde(default)]
    pub(crate) plugin_sha256: String,
    /// Why it does not use a newer version; empty if there is none.
    #[serde(default)]
    pub(crate) passed_over: String,
    pub(crate) state: ExportState,
    pub(crate) next_sequence_number: u64,
    /// Messages that wait for this export.
    pub(crate) lag_messages: u64,
    /// How long the oldest of them has waited.
    pub(crate) lag_seconds: u64,
    /// Since the export was made, across restarts.
    pub(crate) delivered_messages: u64,
    pub(crate) delivered_bytes: u64,
    pub(crate) rejected_messages: u64,
    pub(crate) missed_messages: u64,
    /// Where rejected messages go; none if they are only counted.
    pub(crate) dead_letter_stream: Option<String>,
    /// Milliseconds since the epoch; 0 if nothing was tried.
    pub(crate) last_export_time: u64,
    pub(crate) error_message: String,
    /// How far work is that is longer than one call, such as a large upload; empty if there is none.
    #[serde(default)]
    pub(crate) in_progress: String,
    /// Since the start.
    pub(crate) calls: u64,
    pub(crate) failed_calls: u64,
    pub(crate) retried_messages: u64,
    /// Rejected messages that were appended to the dead-letter stream.
    pub(crate) dead_letters: u64,
    /// Dead letters that were delivered when they were sent again.
    pub(crate) requeued_messages: u64,
    pub(crate) http_sent: u64,
    pub(crate) http_received: u64,
}

/// A picture with the distributions behind it, which have no short form.
pub(crate) struct Picture {
    pub(crate) status: Status,
    /// For each stream, one for each of its exports.
    pub(crate) meters: Vec<Vec<Arc<Meter>>>,
}

/// Takes pictures of a running host. Clones mean the same one.
#[derive(Clone)]
pub(crate) struct Observer {
    pub(crate) service: Service,
    pub(crate) plugins: Arc<Plugins>,
    pub(crate) producers: Board,
    pub(crate) runtime: Runtime,
    pub(crate) started: Instant,
    pub(crate) address: SocketAddr,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) connections: Arc<dyn Fn() -> usize + Send + Sync>,
}

impl Observer {
    /// Why streams on disk take nothing any more; none while all is well.
    pub(crate) fn failure(&self) -> Option<String> {
        self.service
            .store()
            .failure()
            .map(|error| error.to_string())
    }

    /// Takes a picture. For each export that is behind it reads one message.
    pub(crate) async fn picture(&self) -> Picture {
        let store = self.service.store();
        let (mut streams, mut meters) = (Vec::new(), Vec::new());
        for name in store.list() {
            // A stream may be deleted meanwhile.
            if let Ok(info) = store.describe(name.as_str()) {
                let (stream, of_stream) = self.stream(name.as_str(), info).await;
                streams.push(stream);
                meters.push(of_stream);
            }
        }
        let status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: std::process::id(),
            address: self.address,
            http: self.http,
            uptime_seconds: self.started.elapsed().as_secs(),
            connections: (self.connections)(),
            failure: self.failure(),
            telemetry: self.telemetry(&streams),
            plugins: self
                .plugins
                .standings()
                .into_iter()
                .map(PluginStatus::from)
                .collect(),
            streams,
            producers: self.producers.status(),
        };
        Picture { status, meters }
    }

    fn telemetry(&self, streams: &[StreamStatus]) -> Telemetry {
        let uploaded = self.service.exports().uploaded();
        let of_streams: u64 = streams.iter().map(|stream| stream.appended_bytes).sum();
        let traffic = self.runtime.traffic();
        Telemetry {
            bytes_appended: of_streams + self.service.bytes_of_deleted_streams(),
            bytes_uploaded_to_iot_analytics: uploaded.bytes(Source::IotAnalytics),
            bytes_uploaded_to_kinesis: uploaded.bytes(Source::Kinesis),
            bytes_uploaded_to_iot_sitewise: uploaded.bytes(Source::IotSitewise),
            bytes_uploaded_to_s3: uploaded.bytes(Source::S3TaskExecutor),
            bytes_uploaded_to_http: uploaded.bytes(Source::Http),
            bytes_uploaded_to_plugins: uploaded.bytes(Source::Plugin),
            http_requests: traffic.requests,
            http_sent: traffic.sent,
            http_received: traffic.received,
        }
    }

    async fn stream(&self, name: &str, info: StreamInfo) -> (StreamStatus, Vec<Arc<Meter>>) {
        let StreamInfo {
            definition,
            position,
            cursors,
            counters,
        } = info;
        let (mut exports, mut meters) = (Vec::new(), Vec::new());
        for (export, (identifier, cursor)) in definition.exports.iter().zip(cursors) {
            let meter = self.service.exports().meter(name, &identifier);
            let settings = ExportSettings::from_stored(&export.settings);
            let failing = meter.failing();
            let lag = position.tail - cursor.next.max(position.head);
            let lag_seconds = if lag == 0 {
                0
            } else {
                waiting_seconds(self.service.store(), name, cursor.next).await
            };
            exports.push(ExportStatus {
                plugin: settings
                    .as_ref()
                    .map(|settings| settings.plugin.clone())
                    .unwrap_or_default(),
                dead_letter_stream: settings
                    .as_ref()
                    .and_then(|settings| self.service.exports().dead_letter_stream(name, settings)),
                state: match settings {
                    Some(settings) if settings.disabled => ExportState::Disabled,
                    _ if failing.is_some() => ExportState::Failing,
                    _ => ExportState::Running,
                },
                lag_messages: lag,
                lag_seconds,
                // One answer for both: the cursor may have been read before the try that failed.
                error_message: failing
                    .or_else(|| cursor.last_error.clone())
                    .unwrap_or_default(),
                ..export_status(identifier, cursor, &meter)
            });
            meters.push(meter);
        }
        let Position {
            head, tail, bytes, ..
        } = position;
        let stream = StreamStatus {
            name: name.to_owned(),
            messages: tail - head,
            oldest_sequence_number: head.get(),
            next_sequence_number: tail.get(),
            total_bytes: bytes,
            max_size: definition.max_size,
            appended_messages: counters.appended_messages,
            appended_bytes: counters.appended_bytes,
            refused_appends: counters.refused_appends,
            exports,
        };
        (stream, meters)
    }
}

/// What cursor and meter know of an export.
fn export_status(identifier: String, cursor: Cursor, meter: &Meter) -> ExportStatus {
    let calls: u64 = Outcome::ALL
        .map(|outcome| meter.calls(outcome))
        .iter()
        .sum();
    let (http_sent, http_received) = meter.http_bytes();
    let in_use = meter.in_use();
    let (plugin_version, plugin_sha256) = in_use
        .id
        .map(|id| (id.version.to_string(), id.sha256.to_string()))
        .unwrap_or_default();
    ExportStatus {
        identifier,
        plugin: String::new(),
        plugin_version,
        plugin_sha256,
        passed_over: in_use.passed_over.unwrap_or_default(),
        state: ExportState::Running,
        next_sequence_number: cursor.next.get(),
        lag_messages: 0,
        lag_seconds: 0,
        delivered_messages: cursor.delivered_messages,
        delivered_bytes: cursor.delivered_bytes,
        rejected_messages: cursor.rejected_messages,
        missed_messages: cursor.missed_messages,
        dead_letter_stream: None,
        last_export_time: cursor.last_attempt.map_or(0, |attempt| attempt.as_millis()),
        error_message: String::new(),
        in_progress: meter.progress().unwrap_or_default(),
        calls,
        failed_calls: calls - meter.calls(Outcome::Delivered) - meter.calls(Outcome::InProgress),
        retried_messages: meter.retried_messages(),
        dead_letters: meter.dead_letters(),
        requeued_messages: meter.requeued_messages(),
        http_sent,
        http_received,
    }
}

/// How long the message that an export needs next has been in its stream; 0 if it cannot be read.
async fn waiting_seconds(store: &Store, name: &str, next: SequenceNumber) -> u64 {
    let ingested = store.ingest_time(name, next).await.ok().flatten();
    ingested.map_or(0, |ingested| {
        let now = SystemTime.now().as_millis();
        now.saturating_sub(ingested.as_millis()) / 1000
    })
}
