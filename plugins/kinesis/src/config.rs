//! The configuration: what stands in the host's file, and what the rest of the crate works with.
//!
//! The types refuse what can never work, so that an operator hears of it when the export opens and not
//! from the service hours later. That also makes a later `ValidationException` a statement about a
//! record rather than about the configuration, which [`millstream_aws::Delivery`] builds on.

use millstream_aws::endpoint::Variant;
use millstream_aws::{Place, Region};
use millstream_plugin::ConfigError;
use millstream_plugin::http::Address;
use serde::Deserialize;

use crate::partition_key::PartitionKey;

/// The largest record, data and key together, since October 2025 (Kinesis Data Streams Developer
/// Guide, "Handle large records"). Only for streams whose own maximum was raised to it.
pub(crate) const MAX_RECORD_BYTES: u64 = 10 << 20;
/// The largest sum of records in a `PutRecords` call (the same page).
pub(crate) const MAX_CALL_BYTES: u64 = 10 << 20;
/// The largest record that every stream takes, and a stream's maximum until its owner raises it.
pub(crate) const CLASSIC_RECORD_BYTES: u64 = 1 << 20;
/// The sum of records a call that the service has always taken.
const CLASSIC_CALL_BYTES: u64 = 5 << 20;

/// The keys of the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    kinesis_stream_name: StreamName,
    region: Option<Region>,
    endpoint: Option<Address>,
    #[serde(default)]
    use_fips: bool,
    #[serde(default)]
    use_dual_stack: bool,
    #[serde(default)]
    partition_key: PartitionKey,
    max_record_bytes: Option<Size>,
    max_call_bytes: Option<Size>,
}

/// A configuration that was checked as a whole.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) stream_name: StreamName,
    pub(crate) place: Place,
    pub(crate) partition_key: PartitionKey,
    /// The largest record in bytes, data and key together.
    pub(crate) max_record_bytes: u64,
    /// The largest sum of records in a call, in bytes; at least `max_record_bytes`.
    pub(crate) max_call_bytes: u64,
}

impl TryFrom<Config> for Settings {
    type Error = ConfigError;

    fn try_from(config: Config) -> Result<Self, ConfigError> {
        let variant = Variant {
            fips: config.use_fips,
            dual_stack: config.use_dual_stack,
        };
        let max_record_bytes = config
            .max_record_bytes
            .map_or(CLASSIC_RECORD_BYTES, |size| size.0);
        let max_call_bytes = match config.max_call_bytes {
            Some(Size(bytes)) if bytes < max_record_bytes => {
                return Err(ConfigError::field(
                    "maxCallBytes",
                    format!(
                        "A call of {bytes} bytes cannot carry a record of {max_record_bytes}; set it \
                         to at least that, or lower `maxRecordBytes`."
                    ),
                ));
            }
            Some(Size(bytes)) => bytes,
            None => CLASSIC_CALL_BYTES.max(max_record_bytes),
        };
        Ok(Self {
            stream_name: config.kinesis_stream_name,
            place: Place::new("kinesis", config.region, config.endpoint, variant)?,
            partition_key: config.partition_key,
            max_record_bytes,
            max_call_bytes,
        })
    }
}

/// The name of a Kinesis stream: 1 to 128 of letters, digits, `_`, `.` and `-` (API reference of
/// `PutRecords`).
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct StreamName(String);

impl StreamName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for StreamName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if name.starts_with("arn:") {
            Err("give the name of the stream, not its ARN".to_owned())
        } else if (1..=128).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(name))
        } else {
            Err("a Kinesis stream's name has 1 to 128 letters, digits, `_`, `.` and `-`".to_owned())
        }
    }
}

/// A size in bytes that a limit of the service may have.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u64")]
struct Size(u64);

impl TryFrom<u64> for Size {
    type Error = String;

    fn try_from(bytes: u64) -> Result<Self, String> {
        // Small enough for any test of an operator, and more than the longest key (1,024 bytes).
        const LEAST: u64 = 1024;
        if (LEAST..=MAX_RECORD_BYTES).contains(&bytes) {
            Ok(Self(bytes))
        } else {
            Err(format!(
                "a size lies between {LEAST} and {MAX_RECORD_BYTES} bytes"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_plugin::config::{keys, parse};

    use super::*;

    fn settings(json: &str) -> Result<Settings, ConfigError> {
        parse::<Config>(json)?.try_into()
    }

    fn wrong_field(json: &str) -> (String, String) {
        let error = settings(json).unwrap_err();
        (error.field.unwrap(), error.message)
    }

    #[test]
    fn a_name_and_a_region_are_enough() {
        let settings =
            settings(r#"{"kinesisStreamName": "plant.a_1-b", "region": "eu-central-1"}"#).unwrap();
        assert_eq!(settings.stream_name.as_str(), "plant.a_1-b");
        assert_eq!(settings.place.region().as_str(), "eu-central-1");
        assert_eq!(settings.max_record_bytes, 1 << 20);
        assert_eq!(settings.max_call_bytes, 5 << 20);
    }

    #[test]
    fn a_raised_record_limit_raises_the_call_limit_with_it() {
        let settings =
            settings(r#"{"kinesisStreamName": "a", "region": "x", "maxRecordBytes": 10485760}"#)
                .unwrap();
        assert_eq!(settings.max_call_bytes, 10 << 20);
    }

    #[test]
    fn each_wrong_value_is_named_by_its_field() {
        for (json, expected) in [
            (r#"{"region": "x"}"#, "kinesisStreamName"),
            (r#"{"kinesisStreamName": "a"}"#, "region"),
            (
                r#"{"kinesisStreamName": "", "region": "x"}"#,
                "kinesisStreamName",
            ),
            (
                r#"{"kinesisStreamName": "a b", "region": "x"}"#,
                "kinesisStreamName",
            ),
            (
                r#"{"kinesisStreamName": "arn:aws:kinesis:x", "region": "x"}"#,
                "kinesisStreamName",
            ),
            (
                r#"{"kinesisStreamName": "a", "region": "x\r\ny"}"#,
                "region",
            ),
            (
                r#"{"kinesisStreamName": "a", "region": "x", "endpoint": "ftp://b"}"#,
                "endpoint",
            ),
            (
                r#"{"kinesisStreamName": "a", "region": "x", "endpoint": "http://b", "useFips": true}"#,
                "useFips",
            ),
            (
                r#"{"kinesisStreamName": "a", "region": "x", "partitionKey": "x"}"#,
                "partitionKey",
            ),
            (
                r#"{"kinesisStreamName": "a", "region": "x", "maxRecordBytes": 9}"#,
                "maxRecordBytes",
            ),
            (
                r#"{"kinesisStreamName": "a", "region": "x", "maxCallBytes": 10485761}"#,
                "maxCallBytes",
            ),
            (
                r#"{"kinesisStreamName": "a", "region": "x", "maxCallBytes": 2048}"#,
                "maxCallBytes",
            ),
            (
                r#"{"kinesisStreamName": "a", "region": "x", "retries": 3}"#,
                "retries",
            ),
        ] {
            assert_eq!(wrong_field(json).0, expected, "{json}");
        }
    }

    #[test]
    fn the_schema_knows_the_same_keys() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("config.schema.json")).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(
            keys::<Config>(),
            properties.keys().cloned().collect::<Vec<_>>()
        );
        assert_eq!(properties["maxCallBytes"]["maximum"], MAX_CALL_BYTES);
        assert_eq!(properties["maxRecordBytes"]["maximum"], MAX_RECORD_BYTES);
    }
}
