//! The configuration.

use std::collections::BTreeMap;

use millstream_plugin::http::Address;
use serde::Deserialize;
use serde_json::Value;

/// The keys of the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    pub(crate) uri: Address,
    #[serde(default)]
    pub(crate) export_format: Format,
    #[serde(default)]
    pub(crate) method: Method,
    /// Checked where they are put together with the others: [`headers`](crate::headers).
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Text>,
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

/// A text. In an address such as `plugin:http?headers.x-id=17` a number is easily meant as one, so the
/// error says how to write it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Text(pub(crate) String);

impl TryFrom<Value> for Text {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(Self(text)),
            other => Err(format!(
                "{other} is no text; put it in quotation marks (%22 in a `plugin:` address)"
            )),
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
        assert!(config.headers.is_empty());
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
        ] {
            let error = parse::<Config>(json).unwrap_err();
            let field = error.field.as_deref();
            assert_eq!(field, Some(expected), "{json}: {}", error.message);
        }
    }

    #[test]
    fn the_schema_knows_the_same_keys() {
        let schema: Value = serde_json::from_str(include_str!("config.schema.json")).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        let wrong = r#"{"????????????????????": 1}"#;
        let message = parse::<Config>(wrong).unwrap_err().message;
        let listed: Vec<&str> = message
            .trim_end_matches('.')
            .rsplit_once(" are ")
            .unwrap()
            .1
            .split(", ")
            .collect();
        assert_eq!(listed.len(), properties.len(), "{message}");
        assert!(listed.iter().all(|key| properties.contains_key(*key)));
    }
}
