//! The configuration: what an SDK or the host's file says, and what the rest of the crate works with.

use millstream_aws::endpoint::Variant;
use millstream_aws::{Place, Region};
use millstream_plugin::ConfigError;
use millstream_plugin::http::Address;
use serde::Deserialize;

use crate::parts::{LEAST_PART_BYTES, MAX_BODY_BYTES};
use crate::status::MaxLevel;

/// The keys of the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    region: Option<Region>,
    endpoint: Option<Address>,
    #[serde(default)]
    force_path_style: bool,
    #[serde(default)]
    use_fips: bool,
    #[serde(default)]
    use_dual_stack: bool,
    #[serde(default)]
    size_threshold_for_multipart_upload_bytes: PartSize,
    #[serde(default)]
    min_part_size_bytes: PartSize,
    #[serde(default)]
    status_config: StatusConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StatusConfig {
    #[serde(default)]
    status_level: MaxLevel,
    status_stream_name: Option<StreamName>,
}

/// A configuration that was checked as a whole.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) place: Place,
    /// Whether the bucket stands in the path and not in the name of the host.
    pub(crate) force_path_style: bool,
    /// The largest file that goes in one piece, in bytes.
    pub(crate) threshold_bytes: u64,
    /// The least size of a part, in bytes.
    pub(crate) least_part_bytes: u64,
    pub(crate) status_level: MaxLevel,
    pub(crate) status_stream: Option<String>,
}

impl TryFrom<Config> for Settings {
    type Error = ConfigError;

    fn try_from(config: Config) -> Result<Self, ConfigError> {
        let variant = Variant {
            fips: config.use_fips,
            dual_stack: config.use_dual_stack,
        };
        Ok(Self {
            place: Place::new("s3", config.region, config.endpoint, variant)?,
            force_path_style: config.force_path_style,
            threshold_bytes: config.size_threshold_for_multipart_upload_bytes.0,
            least_part_bytes: config.min_part_size_bytes.0,
            status_level: config.status_config.status_level,
            status_stream: config.status_config.status_stream_name.map(|name| name.0),
        })
    }
}

/// A size in bytes of what goes to S3 at once. Greengrass knows no upper bound, so a configuration that
/// comes from there is not refused for one: more than can be sent counts as the most that can.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u64")]
struct PartSize(u64);

impl TryFrom<u64> for PartSize {
    type Error = String;

    fn try_from(bytes: u64) -> Result<Self, String> {
        match bytes {
            LEAST_PART_BYTES.. => Ok(Self(bytes.min(MAX_BODY_BYTES))),
            _ => Err(format!("the least size is {LEAST_PART_BYTES} bytes")),
        }
    }
}

impl Default for PartSize {
    fn default() -> Self {
        Self(LEAST_PART_BYTES)
    }
}

/// The name of a stream of the host (specification 2).
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct StreamName(String);

impl TryFrom<String> for StreamName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_ ,.-".contains(&byte);
        if (1..=255).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(name))
        } else {
            Err(
                "the name of a stream has 1 to 255 letters, digits, `_`, `,`, `.`, `-` and spaces"
                    .to_owned(),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_plugin::config::{keys, parse};

    use super::*;
    use crate::status::Level;

    fn settings(json: &str) -> Result<Settings, ConfigError> {
        parse::<Config>(json)?.try_into()
    }

    fn wrong_field(json: &str) -> (String, String) {
        let error = settings(json).unwrap_err();
        (error.field.unwrap(), error.message)
    }

    #[test]
    fn a_region_is_enough() {
        let settings = settings(r#"{"region": "eu-central-1"}"#).unwrap();
        assert_eq!(settings.place.region().as_str(), "eu-central-1");
        assert_eq!(settings.threshold_bytes, 5 << 20);
        assert_eq!(settings.least_part_bytes, 5 << 20);
        assert_eq!(settings.status_level.0, Level::Info);
        assert!(settings.status_stream.is_none());
    }

    #[test]
    fn what_the_host_makes_of_an_sdks_export_is_taken() {
        let settings = settings(
            r#"{"region": "x", "sizeThresholdForMultipartUploadBytes": 6000000,
                "statusConfig": {"statusLevel": 4, "statusStreamName": "my status"}}"#,
        )
        .unwrap();
        assert_eq!(settings.threshold_bytes, 6_000_000);
        assert_eq!(settings.status_level.0, Level::Trace);
        assert_eq!(settings.status_stream.as_deref(), Some("my status"));
    }

    #[test]
    fn sizes_beyond_what_can_be_sent_at_once_count_as_that() {
        let settings = settings(
            r#"{"region": "x", "sizeThresholdForMultipartUploadBytes": 104857600,
                "minPartSizeBytes": 67108864}"#,
        )
        .unwrap();
        assert_eq!(settings.threshold_bytes, 16 << 20);
        assert_eq!(settings.least_part_bytes, 16 << 20);
    }

    #[test]
    fn each_wrong_value_is_named_by_its_field() {
        let (field, message) = wrong_field("{}");
        assert_eq!(field, "region");
        assert!(message.contains("[plugin.s3]"), "{message}");
        for (more, expected) in [
            (r#""region": "x\r\ny""#, "region"),
            (r#""endpoint": "ftp://b""#, "endpoint"),
            (r#""forcePathStyle": 1"#, "forcePathStyle"),
            (r#""minPartSizeBytes": 5242879"#, "minPartSizeBytes"),
            (
                r#""sizeThresholdForMultipartUploadBytes": 1"#,
                "sizeThresholdForMultipartUploadBytes",
            ),
            (
                r#""statusConfig": {"statusLevel": 5}"#,
                "statusConfig.statusLevel",
            ),
            (
                r#""statusConfig": {"statusStreamName": "a/b"}"#,
                "statusConfig.statusStreamName",
            ),
            (
                r#""region": "x", "endpoint": "http://a", "useFips": true"#,
                "useFips",
            ),
            (r#""bucket": "b""#, "bucket"),
        ] {
            let json = format!("{{{more}}}");
            assert_eq!(wrong_field(&json).0, expected, "{json}");
        }
    }

    #[test]
    fn the_schema_knows_the_same_keys() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("config.schema.json")).unwrap();
        let of_schema = |schema: &serde_json::Value| -> Vec<String> {
            let properties = schema["properties"].as_object().unwrap();
            properties.keys().cloned().collect()
        };
        assert_eq!(keys::<Config>(), of_schema(&schema));
        let status = &schema["properties"]["statusConfig"];
        assert_eq!(keys::<StatusConfig>(), of_schema(status));
        assert_eq!(
            schema["properties"]["minPartSizeBytes"]["minimum"],
            LEAST_PART_BYTES
        );
    }
}
