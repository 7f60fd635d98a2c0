//! The picture as metrics, in the text format of OpenMetrics 1.0, which Prometheus reads.
//!
//! Names, units and labels are a contract: `docs/metrics.md` is written from the tables here, and a
//! test holds it to them. A metric is added, never renamed; its meaning does not change.

use std::fmt::{self, Write};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{ExportState, ExportStatus, Picture, PluginStatus, Status, StreamStatus};
use crate::exports::{Meter, Outcome};
use crate::producers::{ProducerState, ProducerStatus};

/// The content type of what [`render`] writes.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A metric with one value for each host, stream or export.
struct Metric<T> {
    /// Without the `_total` that is added to the name of a counter.
    name: &'static str,
    kind: Kind,
    help: &'static str,
    value: fn(&T) -> u64,
}

#[derive(Clone, Copy)]
enum Kind {
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

const HOST: &[Metric<Status>] = &[
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

const STREAM: &[Metric<StreamStatus>] = &[
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

const PLUGIN: &[Metric<PluginStatus>] = &[
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

const EXPORT: &[Metric<ExportStatus>] = &[
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

const PRODUCER: &[Metric<ProducerStatus>] = &[
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
struct Distribution {
    name: &'static str,
    help: &'static str,
    of: fn(&Meter) -> &Histogram,
}

const DISTRIBUTIONS: &[Distribution] = &[
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

const CALLS: (&str, &str) = (
    "millstream_export_calls",
    "Calls to the plugin, by how they ended",
);
const UPLOADED: (&str, &str) = (
    "millstream_uploaded_bytes",
    "Bytes carried away by exports of a kind: payloads delivered, and for s3 what was sent over HTTP",
);
const BUILD: (&str, &str) = ("millstream_build", "The version that runs");
const IN_USE: (&str, &str) = (
    "millstream_plugin",
    "The version of the plugin in use, and the SHA-256 of its file",
);

/// Writes a picture as metrics.
pub(crate) fn render(picture: Picture) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(picture));
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    text
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.fmt(f)
    }
}

impl Collector for Picture {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let host = &self.status;
        encoder
            .encode_descriptor(BUILD.0, BUILD.1, None, MetricType::Info)?
            .encode_info(&[("version", host.version.as_str())])?;
        for metric in HOST {
            let family = metric.describe(&mut encoder)?;
            metric.encode(family, host)?;
        }
        self.uploaded(&mut encoder)?;
        self.in_use(&mut encoder)?;
        for metric in PLUGIN {
            let mut family = metric.describe(&mut encoder)?;
            for plugin in &host.plugins {
                let labels = [("plugin", plugin.name.as_str())];
                metric.encode(family.encode_family(&labels)?, plugin)?;
            }
        }
        for metric in STREAM {
            let mut family = metric.describe(&mut encoder)?;
            for stream in &host.streams {
                let labels = [("stream", stream.name.as_str())];
                metric.encode(family.encode_family(&labels)?, stream)?;
            }
        }
        for metric in EXPORT {
            let mut family = metric.describe(&mut encoder)?;
            for (labels, export, _) in self.exports() {
                metric.encode(family.encode_family(&labels)?, export)?;
            }
        }
        self.calls(&mut encoder)?;
        for Distribution { name, help, of } in DISTRIBUTIONS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            for (labels, _, meter) in self.exports() {
                of(meter).encode(family.encode_family(&labels)?)?;
            }
        }
        for metric in PRODUCER {
            let mut family = metric.describe(&mut encoder)?;
            for producer in &host.producers {
                let labels = [
                    ("producer", producer.name.as_str()),
                    ("component", producer.component.as_str()),
                ];
                metric.encode(family.encode_family(&labels)?, producer)?;
            }
        }
        Ok(())
    }
}

type ExportLabels<'a> = [(&'static str, &'a str); 3];

impl Picture {
    fn exports(&self) -> impl Iterator<Item = (ExportLabels<'_>, &ExportStatus, &Meter)> {
        let streams = self.status.streams.iter().zip(&self.meters);
        streams.flat_map(|(stream, meters)| {
            stream.exports.iter().zip(meters).map(|(export, meter)| {
                let labels = [
                    ("stream", stream.name.as_str()),
                    ("export", export.identifier.as_str()),
                    ("plugin", export.plugin.as_str()),
                ];
                (labels, export, meter.as_ref())
            })
        })
    }

    fn uploaded(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family =
            encoder.encode_descriptor(UPLOADED.0, UPLOADED.1, None, MetricType::Counter)?;
        let telemetry = &self.status.telemetry;
        for (destination, bytes) in [
            ("http", telemetry.bytes_uploaded_to_http),
            ("iot-analytics", telemetry.bytes_uploaded_to_iot_analytics),
            ("iot-sitewise", telemetry.bytes_uploaded_to_iot_sitewise),
            ("kinesis", telemetry.bytes_uploaded_to_kinesis),
            ("plugin", telemetry.bytes_uploaded_to_plugins),
            ("s3", telemetry.bytes_uploaded_to_s3),
        ] {
            let labels = [("destination", destination)];
            ConstCounter::new(bytes).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn in_use(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(IN_USE.0, IN_USE.1, None, MetricType::Info)?;
        let plugins = self.status.plugins.iter();
        for plugin in plugins.filter(|plugin| !plugin.sha256.is_empty()) {
            let labels = [("plugin", plugin.name.as_str())];
            family.encode_family(&labels)?.encode_info(&[
                ("version", plugin.version.as_str()),
                ("sha256", plugin.sha256.as_str()),
            ])?;
        }
        Ok(())
    }

    fn calls(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(CALLS.0, CALLS.1, None, MetricType::Counter)?;
        for ([stream, export, plugin], _, meter) in self.exports() {
            for outcome in Outcome::ALL {
                let labels = [stream, export, plugin, ("outcome", outcome.label())];
                let calls = ConstCounter::new(meter.calls(outcome));
                calls.encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

impl<T> Metric<T> {
    fn describe<'s>(
        &self,
        encoder: &'s mut DescriptorEncoder<'_>,
    ) -> Result<MetricEncoder<'s>, fmt::Error>
    where
        T: 's,
    {
        let kind = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
        };
        encoder.encode_descriptor(self.name, self.help, None, kind)
    }

    fn encode(&self, encoder: MetricEncoder<'_>, source: &T) -> fmt::Result {
        let value = (self.value)(source);
        match self.kind {
            Kind::Counter => ConstCounter::new(value).encode(encoder),
            Kind::Gauge => ConstGauge::new(value).encode(encoder),
        }
    }

    /// A line of the written contract.
    fn row(&self) -> (String, &'static str, &'static str) {
        match self.kind {
            Kind::Counter => (format!("{}_total", self.name), "counter", self.help),
            Kind::Gauge => (self.name.to_owned(), "gauge", self.help),
        }
    }
}

/// The tables of `docs/metrics.md`.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the document is held to it by a test")
)]
fn contract() -> String {
    type Row = (String, &'static str, &'static str);
    fn rows<T>(metrics: &[Metric<T>]) -> Vec<Row> {
        metrics.iter().map(Metric::row).collect()
    }
    let total = |(name, help): (&str, &'static str)| (format!("{name}_total"), "counter", help);
    let mut exports = rows(EXPORT);
    exports.extend(
        DISTRIBUTIONS
            .iter()
            .map(|distribution| (distribution.name.to_owned(), "histogram", distribution.help)),
    );
    let tables = [
        ("The host, without labels", {
            let mut host = vec![(format!("{}_info", BUILD.0), "info", BUILD.1)];
            host.extend(rows(HOST));
            host
        }),
        ("By `destination`", vec![total(UPLOADED)]),
        (
            "By `plugin`, `version` and `sha256`",
            vec![(format!("{}_info", IN_USE.0), "info", IN_USE.1)],
        ),
        ("By `plugin`", rows(PLUGIN)),
        ("By `stream`", rows(STREAM)),
        ("By `stream`, `export` and `plugin`", exports),
        (
            "By `stream`, `export`, `plugin` and `outcome`",
            vec![total(CALLS)],
        ),
        ("By `producer` and `component`", rows(PRODUCER)),
    ];
    let mut text = String::new();
    for (title, rows) in tables {
        let _ = writeln!(
            text,
            "### {title}\n\n| name | type | meaning |\n| --- | --- | --- |"
        );
        for (name, kind, help) in rows {
            let _ = writeln!(text, "| `{name}` | {kind} | {help} |");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
