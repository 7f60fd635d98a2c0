//! What is left of the exporter to AWS IoT Analytics.
//!
//! The service ended on 15 December 2025 (its developer guide, "AWS IoT Analytics end of support"). SDKs
//! still declare exports to it, and programs that do so shall go on working: the export is opened, says
//! that the service has ended in its status, and keeps its messages for the stream's retention. Nothing
//! is sent anywhere, and the host asks again after pauses that grow to `exports.retry-longest`, five
//! minutes by default.

use millstream_plugin::{
    ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
    Wants, export_exporter,
};
use serde::Deserialize;

/// Messages in a batch, as the service took them (protocol specification, section 4).
const MAX_MESSAGES: u32 = 100;
/// Bytes of a message, as the service took them (protocol specification, section 4.2).
const MAX_MESSAGE_BYTES: u64 = 128 << 10;
/// The longest prefix of a message's id, in characters (protocol specification, section 4).
const MAX_PREFIX: usize = 32;

/// The keys of the configuration: those of the protocol.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    iot_channel: String,
    #[serde(default)]
    iot_msg_id_prefix: String,
}

/// One export to one channel that is no more.
#[derive(Debug)]
pub struct IotAnalytics {
    channel: String,
}

impl Exporter for IotAnalytics {
    type Config = Config;

    fn describe() -> Description {
        Description {
            name: "iot-analytics".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "AWS IoT Analytics ended on 15 December 2025: exports to it wait and say so."
                .to_owned(),
            config_schema: include_str!("config.schema.json").to_owned(),
            limits: Limits {
                max_messages: MAX_MESSAGES,
                max_batch_bytes: MAX_MESSAGE_BYTES * u64::from(MAX_MESSAGES),
                max_message_bytes: MAX_MESSAGE_BYTES,
            },
            wants: Wants::default(),
        }
    }

    fn open(_context: ExportContext, config: Config) -> Result<Self, ConfigError> {
        if config.iot_channel.is_empty() {
            return Err(ConfigError::field(
                "iotChannel",
                "A channel's name has at least one character.",
            ));
        }
        if config.iot_msg_id_prefix.chars().count() > MAX_PREFIX {
            return Err(ConfigError::field(
                "iotMsgIdPrefix",
                format!("A prefix has {MAX_PREFIX} characters at most."),
            ));
        }
        Ok(Self {
            channel: config.iot_channel,
        })
    }

    fn export(&mut self, _batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        Err(ExportError::misconfigured(format!(
            "AWS IoT Analytics ended on 15 December 2025, so the channel `{}` takes no messages any more; \
             take this export out of the stream, and use one to Firehose, Kinesis or S3 instead.",
            self.channel
        )))
    }
}

export_exporter!(IotAnalytics);

#[cfg(test)]
mod tests {
    use millstream_plugin::config::parse;

    use super::*;

    fn open(json: &str) -> Result<IotAnalytics, ConfigError> {
        let context = ExportContext {
            stream_name: "s".to_owned(),
            export_identifier: "e".to_owned(),
        };
        IotAnalytics::open(context, parse(json)?)
    }

    #[test]
    fn every_batch_is_answered_with_the_end_of_the_service() {
        let mut export = open(r#"{"iotChannel": "plant", "iotMsgIdPrefix": "p"}"#).unwrap();
        for _ in 0..2 {
            let Err(ExportError::Misconfigured(reason)) = export.export(Vec::new()) else {
                panic!("not misconfigured");
            };
            assert!(reason.contains("15 December 2025") && reason.contains("`plant`"));
        }
    }

    #[test]
    fn each_wrong_value_is_named_by_its_field() {
        let long = format!(
            r#"{{"iotChannel": "c", "iotMsgIdPrefix": "{}"}}"#,
            "x".repeat(33)
        );
        for (json, expected) in [
            ("{}", "iotChannel"),
            (r#"{"iotChannel": ""}"#, "iotChannel"),
            (r#"{"iotChannel": "c", "region": "x"}"#, "region"),
            (long.as_str(), "iotMsgIdPrefix"),
        ] {
            assert_eq!(open(json).unwrap_err().field.as_deref(), Some(expected));
        }
    }

    #[test]
    fn the_schema_knows_the_same_keys() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("config.schema.json")).unwrap();
        let keys = schema["properties"].as_object().unwrap().keys();
        assert_eq!(keys.collect::<Vec<_>>(), ["iotChannel", "iotMsgIdPrefix"]);
    }
}
