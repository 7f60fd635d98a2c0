//! The configuration: what stands in the host's file, and what the rest of the crate works with.

use millstream_aws::endpoint::Variant;
use millstream_aws::{Place, Region};
use millstream_plugin::ConfigError;
use millstream_plugin::http::Address;
use serde::Deserialize;

/// The keys of the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    delivery_stream_name: StreamName,
    #[serde(default)]
    append_newline: bool,
    region: Option<Region>,
    endpoint: Option<Address>,
    #[serde(default)]
    use_fips: bool,
    #[serde(default)]
    use_dual_stack: bool,
}

/// A configuration that was checked as a whole.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) stream_name: StreamName,
    pub(crate) append_newline: bool,
    pub(crate) place: Place,
}

impl TryFrom<Config> for Settings {
    type Error = ConfigError;

    fn try_from(config: Config) -> Result<Self, ConfigError> {
        let variant = Variant {
            fips: config.use_fips,
            dual_stack: config.use_dual_stack,
        };
        Ok(Self {
            stream_name: config.delivery_stream_name,
            append_newline: config.append_newline,
            place: Place::new("firehose", config.region, config.endpoint, variant)?,
        })
    }
}

/// The name of a Firehose stream: 1 to 64 of letters, digits, `_`, `.` and `-` (API reference of
/// `PutRecordBatch`).
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
        } else if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(name))
        } else {
            Err("a Firehose stream's name has 1 to 64 letters, digits, `_`, `.` and `-`".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_plugin::config::parse;

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
            settings(r#"{"deliveryStreamName": "plant.a_1-b", "region": "eu-central-1"}"#).unwrap();
        assert_eq!(settings.stream_name.as_str(), "plant.a_1-b");
        assert_eq!(settings.place.region().as_str(), "eu-central-1");
        assert!(!settings.append_newline);
    }

    #[test]
    fn each_wrong_value_is_named_by_its_field() {
        for (json, expected) in [
            (r#"{"region": "x"}"#, "deliveryStreamName"),
            (r#"{"deliveryStreamName": "a"}"#, "region"),
            (
                r#"{"deliveryStreamName": "a b", "region": "x"}"#,
                "deliveryStreamName",
            ),
            (
                r#"{"deliveryStreamName": "arn:aws:firehose:x", "region": "x"}"#,
                "deliveryStreamName",
            ),
            (r#"{"deliveryStreamName": "a", "region": "x y"}"#, "region"),
            (
                r#"{"deliveryStreamName": "a", "region": "x", "endpoint": "ftp://b"}"#,
                "endpoint",
            ),
            (
                r#"{"deliveryStreamName": "a", "region": "x", "endpoint": "http://b", "useFips": true}"#,
                "useFips",
            ),
            (
                r#"{"deliveryStreamName": "a", "region": "x", "appendNewLine": true}"#,
                "appendNewLine",
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
        let (_, message) = wrong_field(r#"{"?????????????????????": 1}"#);
        let listed = message
            .trim_end_matches('.')
            .rsplit_once(" are ")
            .unwrap()
            .1;
        let mut listed: Vec<&str> = listed.split(", ").collect();
        listed.sort_unstable();
        assert_eq!(listed, properties.keys().collect::<Vec<_>>());
    }
}
