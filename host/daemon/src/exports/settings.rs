//! What an export is, wherever it was declared.
//!
//! An SDK declares exports by destination, each kind with fields of its own; the configuration file
//! declares them by plugin. Both become [`ExportSettings`], which the stream's definition keeps as
//! text. A kind is nothing but a plugin's name and a configuration with the wire's own keys, so no
//! code here or in the host knows what a destination does.
//!
//! Over the protocol a plugin without a kind of its own is an HTTP export with a `plugin:` address
//! ([`plugin_uri`]).

use millstream_protocol::definition::{
    Destination, Export, ExportFormat, StatusConfig, StatusLevel,
};
use millstream_streams as streams;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::plugin_uri;
use crate::config::{self, wire_plugins};

/// How an export was declared, and so how a describe shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Source {
    /// By plugin: in the configuration file, or with a `plugin:` address.
    Plugin,
    /// By an SDK, as a destination of this kind.
    Http,
    IotAnalytics,
    Kinesis,
    IotSitewise,
    S3TaskExecutor,
}

/// An export, without what the store itself knows (identifier and start).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ExportSettings {
    pub(crate) source: Source,
    /// The name of the file in the plugins folder, without `.wasm`.
    pub(crate) plugin: String,
    /// What the plugin is opened with, over the defaults in the configuration file.
    pub(crate) config: Map<String, Value>,
    pub(crate) batch_size: Option<u64>,
    pub(crate) batch_interval_millis: Option<u64>,
    pub(crate) priority: u8,
    pub(crate) disabled: bool,
    /// The stream that takes rejected messages, where the export itself names one. Left out where it
    /// does not, so that the text of exports without one stays what it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dead_letters: Option<String>,
    /// What the messages go through first, in this order; left out where they go through nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) transforms: Vec<config::TransformStep>,
}

impl ExportSettings {
    /// Reads what [`Self::to_stored`] wrote.
    pub(crate) fn from_stored(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    fn to_stored(&self) -> String {
        // Text, numbers and JSON values: there is nothing here that JSON cannot hold.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// An export of the configuration file, as the store keeps it.
    pub(crate) fn from_config(export: &config::StreamExport) -> streams::Export {
        let settings = Self {
            source: Source::Plugin,
            plugin: export.plugin.clone(),
            config: export.config.clone(),
            batch_size: export.batch_size.map(u64::from),
            batch_interval_millis: export.batch_interval.map(config::Span::as_millis),
            priority: export.priority,
            disabled: export.disabled,
            dead_letters: export.dead_letters.clone(),
            transforms: export.transforms.clone(),
        };
        streams::Export {
            identifier: export.identifier.clone(),
            start: streams::SequenceNumber::new(export.start),
            settings: settings.to_stored(),
        }
    }

    /// An export that an SDK declared, as the store keeps it.
    ///
    /// # Errors
    ///
    /// A sentence, if its `plugin:` address cannot be used.
    pub(crate) fn from_wire(export: &Export) -> Result<streams::Export, String> {
        let (source, plugin, config) = read_destination(&export.destination)?;
        let settings = Self {
            source,
            plugin,
            config,
            batch_size: Some(export.batch_size.get()),
            batch_interval_millis: export.batch_interval_millis.map(|interval| interval.get()),
            priority: u8::try_from(export.priority.get()).unwrap_or(u8::MAX),
            disabled: export.disabled,
            dead_letters: None,
            transforms: Vec::new(),
        };
        let stored = settings.to_stored();
        if Self::from_stored(&stored).is_none() {
            return Err("the configuration in a plugin: address is nested too deeply".into());
        }
        Ok(streams::Export {
            identifier: export.identifier.as_str().to_owned(),
            start: streams::SequenceNumber::new(
                export.start_sequence_number.map_or(0, |start| start.get()),
            ),
            settings: stored,
        })
    }

    /// Keeps in an export that a client updates what the protocol has no field for.
    pub(crate) fn keep_unsaid(before: &streams::Export, after: &mut streams::Export) {
        let before = Self::from_stored(&before.settings);
        if let (Some(before), Some(mut settings)) = (before, Self::from_stored(&after.settings)) {
            settings.dead_letters = before.dead_letters.or(settings.dead_letters);
            settings.transforms = before.transforms;
            after.settings = settings.to_stored();
        }
    }

    /// The export as a describe shows it; none if the stored text is not of this program.
    pub(crate) fn to_wire(export: &streams::Export) -> Option<Export> {
        let settings = Self::from_stored(&export.settings)?;
        let identifier = export.identifier.parse().ok()?;
        let mut wire = Export::new(identifier, settings.destination()?);
        if let Some(size) = settings.batch_size {
            let greatest = wire.kind().max_batch_size().get();
            wire.batch_size = size.clamp(1, greatest).try_into().ok()?;
        }
        wire.batch_interval_millis = settings
            .batch_interval_millis
            .and_then(|millis| millis.try_into().ok());
        wire.priority = u64::from(settings.priority).try_into().ok()?;
        wire.disabled = settings.disabled;
        wire.start_sequence_number = (export.start.get() > 0)
            .then(|| export.start.get().try_into().ok())
            .flatten();
        Some(wire)
    }

    fn destination(&self) -> Option<Destination> {
        let text = |key: &str| {
            self.config
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let code = |value: Option<&Value>| {
            value
                .and_then(Value::as_u64)
                .and_then(|code| u8::try_from(code).ok())
        };
        Some(match self.source {
            Source::Plugin => Destination::Http {
                uri: plugin_uri::write(&self.plugin, &self.config),
                format: ExportFormat::RawNotBatched,
            },
            Source::Http => Destination::Http {
                uri: text("uri")?,
                format: code(self.config.get("exportFormat")).and_then(ExportFormat::from_code)?,
            },
            Source::IotAnalytics => Destination::IotAnalytics {
                channel: text("iotChannel")?,
                message_id_prefix: text("iotMsgIdPrefix"),
            },
            Source::Kinesis => Destination::Kinesis {
                stream_name: text("kinesisStreamName")?,
            },
            Source::IotSitewise => Destination::IotSitewise,
            Source::S3TaskExecutor => Destination::S3TaskExecutor {
                multipart_threshold: self
                    .config
                    .get("sizeThresholdForMultipartUploadBytes")?
                    .as_u64()?
                    .try_into()
                    .ok()?,
                status: match self.config.get("statusConfig") {
                    Some(status) => Some(StatusConfig {
                        level: code(status.get("statusLevel")).and_then(StatusLevel::from_code)?,
                        stream_name: match status.get("statusStreamName") {
                            Some(name) => Some(name.as_str()?.parse().ok()?),
                            None => None,
                        },
                    }),
                    None => None,
                },
            },
        })
    }
}

/// The plugin for a destination, and its configuration with the keys of the wire.
fn read_destination(
    destination: &Destination,
) -> Result<(Source, String, Map<String, Value>), String> {
    let (source, plugin, config) = match destination {
        Destination::Http { uri, format } => {
            if let Some((plugin, config)) = plugin_uri::read(uri)? {
                return Ok((Source::Plugin, plugin, config));
            }
            (
                Source::Http,
                wire_plugins::HTTP,
                json!({ "uri": uri, "exportFormat": format.code() }),
            )
        }
        Destination::IotAnalytics {
            channel,
            message_id_prefix,
        } => {
            let mut config = json!({ "iotChannel": channel });
            if let Some(prefix) = message_id_prefix {
                config["iotMsgIdPrefix"] = json!(prefix);
            }
            (Source::IotAnalytics, wire_plugins::IOT_ANALYTICS, config)
        }
        Destination::Kinesis { stream_name } => (
            Source::Kinesis,
            wire_plugins::KINESIS,
            json!({ "kinesisStreamName": stream_name }),
        ),
        Destination::IotSitewise => (Source::IotSitewise, wire_plugins::SITEWISE, json!({})),
        Destination::S3TaskExecutor {
            multipart_threshold,
            status,
        } => {
            let mut config =
                json!({ "sizeThresholdForMultipartUploadBytes": multipart_threshold.get() });
            if let Some(status) = status {
                config["statusConfig"] = json!({ "statusLevel": status.level.code() });
                if let Some(name) = &status.stream_name {
                    config["statusConfig"]["statusStreamName"] = json!(name.as_str());
                }
            }
            (Source::S3TaskExecutor, wire_plugins::S3, config)
        }
    };
    match config {
        Value::Object(config) => Ok((source, plugin.to_owned(), config)),
        _ => Ok((source, plugin.to_owned(), Map::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(destination: Destination) {
        let mut export = Export::new("e".parse().unwrap(), destination);
        export.disabled = true;
        export.priority = 3.try_into().unwrap();
        export.start_sequence_number = Some(7.try_into().unwrap());
        let stored = ExportSettings::from_wire(&export).unwrap();
        assert_eq!(ExportSettings::to_wire(&stored), Some(export));
    }

    #[test]
    fn an_update_over_the_protocol_keeps_the_dead_letter_stream() {
        let wire = Export::new("e".parse().unwrap(), Destination::IotSitewise);
        let plain = ExportSettings::from_wire(&wire).unwrap();
        let mut settings = ExportSettings::from_stored(&plain.settings).unwrap();
        settings.dead_letters = Some("dead".into());
        let mut named = plain.clone();
        named.settings = settings.to_stored();
        let mut after = plain.clone();
        ExportSettings::keep_unsaid(&named, &mut after);
        assert_eq!(after, named);
        let mut unnamed = plain.clone();
        ExportSettings::keep_unsaid(&plain, &mut unnamed);
        assert_eq!(unnamed, plain);
    }

    #[test]
    fn every_kind_of_destination_survives_storing() {
        round_trip(Destination::Http {
            uri: "http://127.0.0.1:1/x".into(),
            format: ExportFormat::JsonBatched,
        });
        round_trip(Destination::IotAnalytics {
            channel: "c".into(),
            message_id_prefix: Some("p".into()),
        });
        round_trip(Destination::IotAnalytics {
            channel: "c".into(),
            message_id_prefix: None,
        });
        round_trip(Destination::Kinesis {
            stream_name: "k".into(),
        });
        round_trip(Destination::IotSitewise);
        round_trip(Destination::S3TaskExecutor {
            multipart_threshold: Destination::DEFAULT_MULTIPART_THRESHOLD,
            status: Some(StatusConfig {
                level: StatusLevel::Debug,
                stream_name: Some("status".parse().unwrap()),
            }),
        });
        round_trip(Destination::S3TaskExecutor {
            multipart_threshold: Destination::DEFAULT_MULTIPART_THRESHOLD,
            status: None,
        });
    }
}
