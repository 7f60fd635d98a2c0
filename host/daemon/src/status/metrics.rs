//! The picture as metrics, in the text format of OpenMetrics 1.0, which Prometheus reads.
//!
//! Names, units and labels are a contract: `docs/metrics.md` is written from `tables`, and a
//! test holds it to them. A metric is added, never renamed; its meaning does not change.

mod tables;

use std::fmt::{self, Write};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::{ExportStatus, Picture};
use crate::exports::{Meter, Outcome};
use tables::{
    BUILD, CALLS, DISTRIBUTIONS, Distribution, EXPORT, HOST, IN_USE, Kind, Metric, PLUGIN,
    PRODUCER, STREAM, UPLOADED,
};

/// The content type of what [`render`] writes.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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
