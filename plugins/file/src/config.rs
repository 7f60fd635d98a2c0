//! The configuration.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use millstream_plugin::json_line::Payload;
use serde::Deserialize;
use serde_json::Value;

use crate::name::FileName;

/// The keys of the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// The guest's path of the granted folder.
    #[serde(default = "default_folder")]
    pub(crate) folder: PathBuf,
    /// The stream's name, encoded, if there is none.
    pub(crate) file_name: Option<FileName>,
    #[serde(default)]
    pub(crate) payload: Payload,
    #[serde(default)]
    pub(crate) compression: Compression,
    #[serde(default)]
    pub(crate) rotation: Rotation,
}

fn default_folder() -> PathBuf {
    PathBuf::from("/out")
}

/// Whether files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    #[default]
    None,
    Gzip,
}

/// When a file is closed, and how many closed ones stay.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Rotation {
    /// Size in bytes at which a file is closed.
    pub(crate) max_bytes: NonZeroU64,
    /// Age at which a file is closed; never, if there is none.
    pub(crate) max_age: Option<Age>,
    /// How many closed files stay; all, if there is none.
    pub(crate) keep: Option<NonZeroU32>,
}

impl Default for Rotation {
    fn default() -> Self {
        const DEFAULT_MAX_BYTES: NonZeroU64 = NonZeroU64::new(64 << 20).unwrap();
        Self {
            max_bytes: DEFAULT_MAX_BYTES,
            max_age: None,
            keep: None,
        }
    }
}

/// An age of at least a second, written as seconds or as text with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Age(pub(crate) Duration);

impl TryFrom<Value> for Age {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let seconds = match &value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => seconds(text),
            _ => None,
        };
        match seconds {
            Some(seconds @ 1..) => Ok(Self(Duration::from_secs(seconds))),
            _ => Err(format!(
                "{value} is no age; give whole seconds such as 3600, or `30s`, `15m`, `1h`, `7d`"
            )),
        }
    }
}

fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use millstream_plugin::config::parse;

    use super::*;

    #[test]
    fn an_empty_object_is_a_whole_configuration() {
        let config: Config = parse("{}").unwrap();
        assert_eq!(config.folder, PathBuf::from("/out"));
        assert_eq!(config.compression, Compression::None);
        assert_eq!(config.payload, Payload::Auto);
        assert_eq!(config.rotation.max_bytes.get(), 64 << 20);
        assert!(config.rotation.max_age.is_none() && config.rotation.keep.is_none());
    }

    #[test]
    fn an_age_has_a_unit_or_is_in_seconds() {
        for (text, seconds) in [
            ("30", 30),
            (r#""30s""#, 30),
            (r#""15m""#, 900),
            (r#""1h""#, 3600),
            (r#""7d""#, 604_800),
        ] {
            let config: Config =
                parse(&format!(r#"{{"rotation": {{"maxAge": {text}}}}}"#)).unwrap();
            assert_eq!(
                config.rotation.max_age,
                Some(Age(Duration::from_secs(seconds))),
                "{text}"
            );
        }
    }

    #[test]
    fn each_wrong_value_is_named_by_its_field() {
        for (json, expected) in [
            (r#"{"folders": "/out"}"#, "folders"),
            (r#"{"fileName": "../x"}"#, "fileName"),
            (r#"{"fileName": "a.b"}"#, "fileName"),
            (r#"{"fileName": ""}"#, "fileName"),
            (r#"{"payload": "xml"}"#, "payload"),
            (r#"{"compression": "zstd"}"#, "compression"),
            (r#"{"rotation": {"maxBytes": 0}}"#, "rotation.maxBytes"),
            (r#"{"rotation": {"maxAge": "1 week"}}"#, "rotation.maxAge"),
            (r#"{"rotation": {"maxAge": "é"}}"#, "rotation.maxAge"),
            (r#"{"rotation": {"maxAge": 0}}"#, "rotation.maxAge"),
            (r#"{"rotation": {"keep": -1}}"#, "rotation.keep"),
            (r#"{"rotation": {"max": 1}}"#, "rotation.max"),
        ] {
            let error = parse::<Config>(json).unwrap_err();
            assert_eq!(
                error.field.as_deref(),
                Some(expected),
                "{json}: {}",
                error.message
            );
        }
    }

    #[test]
    fn the_schema_knows_the_same_keys() {
        let schema: Value = serde_json::from_str(include_str!("config.schema.json")).unwrap();
        for (prefix, properties) in [
            ("", &schema["properties"]),
            ("rotation", &schema["properties"]["rotation"]["properties"]),
        ] {
            let wrong = match prefix {
                "" => r#"{"????????????????????": 1}"#,
                _ => r#"{"rotation": {"????????????????????": 1}}"#,
            };
            let message = parse::<Config>(wrong).unwrap_err().message;
            let listed: Vec<&str> = message
                .trim_end_matches('.')
                .rsplit_once(" are ")
                .unwrap()
                .1
                .split(", ")
                .collect();
            let properties = properties.as_object().unwrap();
            assert_eq!(listed.len(), properties.len(), "{message}");
            assert!(
                listed.iter().all(|key| properties.contains_key(*key)),
                "{message}"
            );
        }
    }
}
