//! The configuration: what stands in the host's file, and what the rest of the crate works with.

use millstream_aws::endpoint::Variant;
use millstream_aws::{Place, Region};
use millstream_plugin::http::Address;
use millstream_plugin::{ConfigError, ExportContext};
use serde::Deserialize;

/// The keys of the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    log_group_name: GroupName,
    #[serde(default)]
    log_stream_name: StreamName,
    #[serde(default = "yes")]
    create_log_stream: bool,
    #[serde(default)]
    create_log_group: bool,
    #[serde(default)]
    binary: Binary,
    region: Option<Region>,
    endpoint: Option<Address>,
    #[serde(default)]
    use_fips: bool,
    #[serde(default)]
    use_dual_stack: bool,
}

fn yes() -> bool {
    true
}

/// What becomes of a payload that is not text in UTF-8, which is all that a log event can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Binary {
    /// The event is the payload in base64.
    #[default]
    Base64,
    /// The message is rejected.
    Reject,
}

/// What is created where it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Create {
    Nothing,
    Stream,
    GroupAndStream,
}

/// A configuration that was checked as a whole.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) group: String,
    pub(crate) stream: String,
    pub(crate) create: Create,
    pub(crate) binary: Binary,
    pub(crate) place: Place,
}

impl Settings {
    /// Checks the configuration of the export of `context`.
    ///
    /// # Errors
    ///
    /// What is wrong, by its field.
    pub(crate) fn new(context: &ExportContext, config: Config) -> Result<Self, ConfigError> {
        let variant = Variant {
            fips: config.use_fips,
            dual_stack: config.use_dual_stack,
        };
        let create = match (config.create_log_stream, config.create_log_group) {
            (false, false) => Create::Nothing,
            (true, false) => Create::Stream,
            (true, true) => Create::GroupAndStream,
            (false, true) => {
                return Err(ConfigError::field(
                    "createLogGroup",
                    "A new log group has no log stream; set `createLogStream` to true as well.",
                ));
            }
        };
        Ok(Self {
            group: config.log_group_name.0,
            stream: config.log_stream_name.filled(context)?,
            create,
            binary: config.binary,
            place: Place::new("cloudwatch-logs", config.region, config.endpoint, variant)?,
        })
    }
}

/// The most characters of either name (API reference of `PutLogEvents`).
const MAX_NAME: usize = 512;

/// The name of a log group: letters, digits and `.-_/#` (the same page).
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
struct GroupName(String);

impl TryFrom<String> for GroupName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte);
        if name.starts_with("arn:") {
            Err("give the name of the log group, not its ARN".to_owned())
        } else if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(name))
        } else {
            Err(format!(
                "a log group's name has 1 to {MAX_NAME} letters, digits, `.`, `-`, `_`, `/` and `#`"
            ))
        }
    }
}

/// The name of a log stream, with `{stream}` and `{export}` in the place of their names.
#[derive(Debug, Clone, Deserialize)]
struct StreamName(String);

impl Default for StreamName {
    fn default() -> Self {
        Self("{stream}".to_owned())
    }
}

impl StreamName {
    fn filled(&self, context: &ExportContext) -> Result<String, ConfigError> {
        let wrong = |message: String| ConfigError::field("logStreamName", message);
        let mut name = String::new();
        let mut rest = self.0.as_str();
        while let Some((text, behind)) = rest.split_once('{') {
            let (placeholder, behind) = behind
                .split_once('}')
                .ok_or_else(|| wrong("A `{` has no `}` behind it.".to_owned()))?;
            name.push_str(text);
            name.push_str(match placeholder {
                "stream" => &context.stream_name,
                "export" => &context.export_identifier,
                other => {
                    return Err(wrong(format!(
                        "There is no placeholder `{{{other}}}`; there are `{{stream}}` and `{{export}}`."
                    )));
                }
            });
            rest = behind;
        }
        name.push_str(rest);
        let allowed = |c: char| !matches!(c, ':' | '*') && !c.is_control();
        if (1..=MAX_NAME).contains(&name.chars().count()) && name.chars().all(allowed) {
            Ok(name)
        } else {
            Err(wrong(format!(
                "A log stream's name has 1 to {MAX_NAME} characters, `:` and `*` not among them."
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_plugin::config::parse;

    use super::*;

    fn settings(json: &str) -> Result<Settings, ConfigError> {
        let context = ExportContext {
            stream_name: "telemetry".to_owned(),
            export_identifier: "to-logs".to_owned(),
        };
        Settings::new(&context, parse::<Config>(json)?)
    }

    fn wrong_field(json: &str) -> (String, String) {
        let error = settings(json).unwrap_err();
        (error.field.unwrap(), error.message)
    }

    fn with(more: &str) -> String {
        format!(r#"{{"logGroupName": "/plant/7", "region": "x"{more}}}"#)
    }

    #[test]
    fn a_group_and_a_region_are_enough() {
        let settings = settings(&with("")).unwrap();
        assert_eq!(settings.group, "/plant/7");
        assert_eq!(settings.stream, "telemetry");
        assert_eq!(settings.create, Create::Stream);
        assert_eq!(settings.binary, Binary::Base64);
    }

    #[test]
    fn the_name_of_a_log_stream_is_filled_in() {
        let name = r#", "logStreamName": "{export}/{stream}-1""#;
        assert_eq!(settings(&with(name)).unwrap().stream, "to-logs/telemetry-1");
    }

    #[test]
    fn each_wrong_value_is_named_by_its_field() {
        for (json, expected) in [
            (r#"{"region": "x"}"#.to_owned(), "logGroupName"),
            (
                r#"{"logGroupName": "a b", "region": "x"}"#.to_owned(),
                "logGroupName",
            ),
            (
                r#"{"logGroupName": "arn:aws:logs", "region": "x"}"#.to_owned(),
                "logGroupName",
            ),
            (r#"{"logGroupName": "a"}"#.to_owned(), "region"),
            (with(r#", "logStreamName": """#), "logStreamName"),
            (with(r#", "logStreamName": "a:b""#), "logStreamName"),
            (with(r#", "logStreamName": "{thing}""#), "logStreamName"),
            (with(r#", "logStreamName": "{stream""#), "logStreamName"),
            (
                with(r#", "createLogStream": false, "createLogGroup": true"#),
                "createLogGroup",
            ),
            (with(r#", "binary": "drop""#), "binary"),
            (with(r#", "endpoint": "b""#), "endpoint"),
            (with(r#", "logStream": "a""#), "logStream"),
        ] {
            assert_eq!(wrong_field(&json).0, expected, "{json}");
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
        let default = properties["logStreamName"]["default"].as_str();
        assert_eq!(default, Some(StreamName::default().0.as_str()));
    }
}
