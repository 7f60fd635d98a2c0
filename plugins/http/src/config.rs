//! The configuration.

use std::collections::BTreeMap;

use millstream_plugin::http::headers::Text;
use millstream_plugin::http::{Address, Compression, FINAL};
use millstream_plugin::secrets::SecretName;
use serde::Deserialize;
use serde_json::Value;

use crate::signature;

/// The keys of the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    pub(crate) uri: Address,
    #[serde(default)]
    pub(crate) export_format: Format,
    #[serde(default)]
    pub(crate) method: Method,
    /// These and the secret ones are checked where they are put together.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Text>,
    pub(crate) bearer: Option<SecretName>,
    #[serde(default)]
    pub(crate) secret_headers: BTreeMap<String, Text>,
    pub(crate) signature: Option<signature::Keys>,
    #[serde(default)]
    pub(crate) compression: Compression,
    #[serde(default)]
    pub(crate) final_statuses: FinalStatuses,
}

/// What a request carries (protocol specification, section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) enum Format {
    /// One message; the body is its payload.
    #[default]
    Raw,
    /// A batch; the body is a JSON list of messages.
    Json,
}

impl TryFrom<Value> for Format {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match (value.as_u64(), value.as_str()) {
            (Some(0), _) | (_, Some("RAW_NOT_BATCHED")) => Ok(Self::Raw),
            (Some(1), _) | (_, Some("JSON_BATCHED")) => Ok(Self::Json),
            _ => Err(format!(
                "{value} is no format; give RAW_NOT_BATCHED (or 0) or JSON_BATCHED (or 1)"
            )),
        }
    }
}

/// The method of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Method {
    #[default]
    Post,
    Put,
}

/// The statuses that refuse what a request carries, so that it is given up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<u16>")]
pub(crate) struct FinalStatuses(pub(crate) Vec<u16>);

impl Default for FinalStatuses {
    fn default() -> Self {
        Self(FINAL.to_vec())
    }
}

impl TryFrom<Vec<u16>> for FinalStatuses {
    type Error = String;

    fn try_from(statuses: Vec<u16>) -> Result<Self, String> {
        match statuses
            .iter()
            .find(|status| !(300..=599).contains(*status))
        {
            Some(status) => Err(format!(
                "{status} cannot be final; a status that refuses a message lies between 300 and 599"
            )),
            None => Ok(Self(statuses)),
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_plugin::config::parse;

    use super::*;

    fn format(json: &str) -> Format {
        parse::<Config>(&format!(r#"{{"uri": "http://a", "exportFormat": {json}}}"#))
            .unwrap()
            .export_format
    }

    #[test]
    fn an_address_is_enough() {
        let config: Config = parse(r#"{"uri": "https://example.com/in"}"#).unwrap();
        assert_eq!(config.uri.to_string(), "https://example.com/in");
        assert_eq!(config.export_format, Format::Raw);
        assert_eq!(config.method, Method::Post);
        assert!(config.headers.is_empty() && config.secret_headers.is_empty());
        assert_eq!(config.compression, Compression::None);
        assert_eq!(config.final_statuses.0, FINAL);
    }

    #[test]
    fn a_format_is_named_or_has_the_number_of_the_wire() {
        for raw in ["0", r#""RAW_NOT_BATCHED""#] {
            assert_eq!(format(raw), Format::Raw);
        }
        for json in ["1", r#""JSON_BATCHED""#] {
            assert_eq!(format(json), Format::Json);
        }
    }

    #[test]
    fn each_wrong_value_is_named_by_its_field() {
        for (json, expected) in [
            (r"{}", "uri"),
            (r#"{"uri": 1}"#, "uri"),
            (r#"{"uri": "ftp://a"}"#, "uri"),
            (r#"{"uri": "http://a", "url": "b"}"#, "url"),
            (r#"{"uri": "http://a", "exportFormat": 2}"#, "exportFormat"),
            (
                r#"{"uri": "http://a", "exportFormat": "RAW"}"#,
                "exportFormat",
            ),
            (
                r#"{"uri": "http://a", "exportFormat": null}"#,
                "exportFormat",
            ),
            (r#"{"uri": "http://a", "method": "GET"}"#, "method"),
            (r#"{"uri": "http://a", "method": "post"}"#, "method"),
            (r#"{"uri": "http://a", "headers": ["x"]}"#, "headers"),
            (
                r#"{"uri": "http://a", "headers": {"x-id": 17}}"#,
                "headers.x-id",
            ),
            (r#"{"uri": "http://a", "bearer": "a b"}"#, "bearer"),
            (
                r#"{"uri": "http://a", "secretHeaders": {"x-id": 17}}"#,
                "secretHeaders.x-id",
            ),
            (
                r#"{"uri": "http://a", "compression": "zip"}"#,
                "compression",
            ),
            (
                r#"{"uri": "http://a", "finalStatuses": [200]}"#,
                "finalStatuses",
            ),
            (
                r#"{"uri": "http://a", "signature": {"style": "github", "key": "a"}}"#,
                "signature.key",
            ),
        ] {
            let error = parse::<Config>(json).unwrap_err();
            let field = error.field.as_deref();
            assert_eq!(field, Some(expected), "{json}: {}", error.message);
        }
    }

    #[test]
    fn the_schema_knows_the_same_keys() {
        let schema: Value = serde_json::from_str(include_str!("config.schema.json")).unwrap();
        let check = |config: &str, properties: &Value| {
            let properties = properties.as_object().unwrap();
            let message = parse::<Config>(config).unwrap_err().message;
            let (_, listed) = message.trim_end_matches('.').rsplit_once(" are ").unwrap();
            let listed: Vec<&str> = listed.split(", ").collect();
            assert_eq!(listed.len(), properties.len(), "{message}");
            assert!(
                listed.iter().all(|key| properties.contains_key(*key)),
                "{message}"
            );
        };
        let properties = &schema["properties"];
        check(r#"{"????????????????????": 1}"#, properties);
        check(
            r#"{"uri": "http://a", "signature": {"????????????????????": 1}}"#,
            &properties["signature"]["properties"],
        );
    }
}
