//! Which metrics there are: name, meaning, and where its value comes from.

use prometheus_client::metrics::histogram::Histogram;

use crate::exports::Meter;
use crate::producers::{ProducerState, ProducerStatus};
use crate::status::{ExportState, ExportStatus, PluginStatus, Status, StreamStatus};

/// A metric with one value for each host, stream or export.
pub(super) struct Metric<T> {
    /// Without the `_total` that is added to the name of a counter.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
    pub(super) value: fn(&T) -> u64,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

const fn counter<T>(name: &'static str, help: &'static str, value: fn(&T) -> u64) -> Metric<T> {
    Metric {
        name,
        kind: Kind::Counter,
        help,
        value,
    }
}

const fn gauge<T>(name: &'static str, help: &'static str, value: fn(&T) -> u64) -> Metric<T> {
    Metric {
        name,
        kind: Kind::Gauge,
        help,
        value,
    }
}

pub(super) const HOST: &[Metric<Status>] = &[
    gauge(
        "millstream_up",
        "1 while streams on disk take messages, 0 when the storage has failed",
        |host| u64::from(host.failure.is_none()),
    ),
    counter(
        "millstream_uptime_seconds",
        "Seconds since the host started",
        |host| host.uptime_seconds,
    ),
    gauge(
        "millstream_connections",
        "Connections of clients that are open",
        |host| host.connections as u64,
    ),
    counter(
        "millstream_appended_bytes",
        "Bytes of payload appended to all streams (BytesAppended of the Greengrass component)",
        |host| host.telemetry.bytes_appended,
    ),
    counter(
        "millstream_http_requests",
        "HTTP requests that components sent",
        |host| host.telemetry.http_requests,
    ),
    counter(
        "millstream_http_sent_bytes",
        "Bytes of requests that components sent over HTTP, heads by estimate",
        |host| host.telemetry.http_sent,
    ),
    counter(
        "millstream_http_received_bytes",
        "Bytes of bodies that components received over HTTP",
        |host| host.telemetry.http_received,
    ),
];

pub(super) const STREAM: &[Metric<StreamStatus>] = &[
    gauge(
        "millstream_stream_messages",
        "Messages that the stream holds",
        |stream| stream.messages,
    ),
    gauge(
        "millstream_stream_bytes",
        "Size of the stream in bytes; a message counts with its payload and 16 bytes",
        |stream| stream.total_bytes,
    ),
    gauge(
        "millstream_stream_max_bytes",
        "The most that the stream may hold, in bytes",
        |stream| stream.max_size,
    ),
    gauge(
        "millstream_stream_oldest_sequence_number",
        "Number of the oldest message that can be read",
        |stream| stream.oldest_sequence_number,
    ),
    gauge(
        "millstream_stream_next_sequence_number",
        "Number that the next message will get",
        |stream| stream.next_sequence_number,
    ),
    counter(
        "millstream_stream_appended_messages",
        "Messages appended",
        |stream| stream.appended_messages,
    ),
    counter(
        "millstream_stream_appended_bytes",
        "Bytes of payload appended",
        |stream| stream.appended_bytes,
    ),
    counter(
        "millstream_stream_refused_appends",
        "Appends refused for want of room in the stream, in memory or on the disk",
        |stream| stream.refused_appends,
    ),
];

pub(super) const PLUGIN: &[Metric<PluginStatus>] = &[
    gauge(
        "millstream_plugin_failing",
        "1 while the plugin's file cannot be used or is not there, else 0",
        |plugin| u64::from(!plugin.problem.is_empty()),
    ),
    counter(
        "millstream_plugin_replacements",
        "How often another version of the plugin has taken the place of the one in use",
        |plugin| plugin.replacements,
    ),
];

pub(super) const EXPORT: &[Metric<ExportStatus>] = &[
    gauge(
        "millstream_export_failing",
        "1 while the last try has failed and another will follow, else 0",
        |export| u64::from(export.state == ExportState::Failing),
    ),
    gauge(
        "millstream_export_disabled",
        "1 while the export is paused by its definition, else 0",
        |export| u64::from(export.state == ExportState::Disabled),
    ),
    gauge(
        "millstream_export_lag_messages",
        "Messages that wait for the export",
        |export| export.lag_messages,
    ),
    gauge(
        "millstream_export_lag_seconds",
        "How long the oldest message that waits has been in the stream, in seconds; 0 if none waits",
        |export| export.lag_seconds,
    ),
    counter(
        "millstream_export_delivered_messages",
        "Messages delivered since the export was made, across restarts",
        |export| export.delivered_messages,
    ),
    counter(
        "millstream_export_delivered_bytes",
        "Bytes of payload delivered since the export was made, across restarts",
        |export| export.delivered_bytes,
    ),
    counter(
        "millstream_export_rejected_messages",
        "Messages that the destination or the plugin can never take, since the export was made",
        |export| export.rejected_messages,
    ),
    counter(
        "millstream_export_missed_messages",
        "Messages that retention or damage took before their turn, since the export was made",
        |export| export.missed_messages,
    ),
    counter(
        "millstream_export_retried_messages",
        "Messages handed to the plugin again, each time counted",
        |export| export.retried_messages,
    ),
    counter(
        "millstream_export_dead_letters",
        "Rejected messages appended to the dead-letter stream of the export",
        |export| export.dead_letters,
    ),
    counter(
        "millstream_export_requeued_messages",
        "Dead letters delivered when they were sent again; they are not among the delivered messages",
        |export| export.requeued_messages,
    ),
    counter(
        "millstream_export_http_sent_bytes",
        "Bytes that the export sent over HTTP, heads by estimate",
        |export| export.http_sent,
    ),
    counter(
        "millstream_export_http_received_bytes",
        "Bytes of bodies that the export received over HTTP",
        |export| export.http_received,
    ),
    gauge(
        "millstream_export_old_version",
        "1 while the export goes on with an older version of its plugin, since it cannot open the newer \
         one, else 0",
        |export| u64::from(!export.passed_over.is_empty()),
    ),
    gauge(
        "millstream_export_last_attempt_timestamp_seconds",
        "When a delivery was last tried, in seconds since 1970; 0 if none was",
        |export| export.last_export_time / 1000,
    ),
];

pub(super) const PRODUCER: &[Metric<ProducerStatus>] = &[
    gauge(
        "millstream_producer_running",
        "1 while the producer runs, or the webhook can be called, else 0",
        |producer| u64::from(producer.state == ProducerState::Running),
    ),
    gauge(
        "millstream_producer_given_up",
        "1 after it was started again as often as its limit allows, else 0",
        |producer| u64::from(producer.state == ProducerState::GivenUp),
    ),
    counter(
        "millstream_producer_runs",
        "Times the producer was started",
        |producer| producer.runs,
    ),
    counter(
        "millstream_producer_restarts",
        "Times it was started again after it had ended",
        |producer| producer.restarts,
    ),
    counter(
        "millstream_producer_messages",
        "Messages that it appended",
        |producer| producer.messages,
    ),
    counter(
        "millstream_producer_refused_appends",
        "Appends of it that were refused since their stream was full",
        |producer| producer.refused_appends,
    ),
    counter(
        "millstream_producer_requests",
        "Requests to the webhook",
        |producer| producer.requests,
    ),
    counter(
        "millstream_producer_failed_requests",
        "Requests that the webhook did not answer: refused by the host, crashed or out of time",
        |producer| producer.failed_requests,
    ),
];

/// A distribution for each export.
pub(super) struct Distribution {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) of: fn(&Meter) -> &Histogram,
}

pub(super) const DISTRIBUTIONS: &[Distribution] = &[
    Distribution {
        name: "millstream_export_batch_messages",
        help: "Messages of each call to the plugin",
        of: |meter| &meter.batch_messages,
    },
    Distribution {
        name: "millstream_export_call_seconds",
        help: "Seconds of each call to the plugin",
        of: |meter| &meter.call_seconds,
    },
];

pub(super) const CALLS: (&str, &str) = (
    "millstream_export_calls",
    "Calls to the plugin, by how they ended",
);
pub(super) const UPLOADED: (&str, &str) = (
    "millstream_uploaded_bytes",
    "Bytes carried away by exports of a kind: payloads delivered, and for s3 what was sent over HTTP",
);
pub(super) const BUILD: (&str, &str) = ("millstream_build", "The version that runs");
pub(super) const IN_USE: (&str, &str) = (
    "millstream_plugin",
    "The version of the plugin in use, and the SHA-256 of its file",
);
