//! What an exporter says of itself, checked.

use std::path::{Component, Path};
use std::time::Duration;

use crate::contract::exports::millstream::plugin::exporter as wit;
use crate::contract::transform;
use crate::guest::MAX_TEXT;

/// The longest schema, in bytes; in memory it takes many times that.
const MAX_SCHEMA: usize = 256 << 10;
/// The most things that an exporter may ask for.
const MAX_WANTS: usize = 250;

/// Who an exporter is and what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Lower-case letters, digits and hyphens, 1 to 64 characters.
    pub name: String,
    /// The exporter's own version.
    pub version: String,
    /// One sentence: what it exports to.
    pub summary: String,
    /// A JSON Schema of its configuration.
    pub config_schema: serde_json::Value,
    /// The largest batch it takes.
    pub limits: BatchLimits,
    /// The pause it recommends from the end of one call of `export` to the beginning of the next:
    /// above zero, at most an hour.
    pub call_interval: Option<Duration>,
    /// What it asks the operator to grant.
    pub wants: Wants,
}

/// The largest batch an exporter takes. No limit is zero, and `max_batch_bytes` is at least
/// `max_message_bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Messages a batch.
    pub max_messages: u32,
    /// Bytes of payload a batch.
    pub max_batch_bytes: u64,
    /// Bytes of payload a message.
    pub max_message_bytes: u64,
}

/// What an exporter asks for. It is a request: only what the configuration grants is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    /// Names of hosts, in the form of a [`HostGrant`](crate::HostGrant).
    pub hosts: Vec<String>,
    /// AWS services whose requests the host shall sign.
    pub aws_services: Vec<String>,
    /// Folders, by their path in the component.
    pub folders: Vec<String>,
    /// Streams to append to or read from.
    pub streams: Vec<String>,
}

/// Who a transform is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformDescription {
    /// Lower-case letters, digits and hyphens, 1 to 64 characters.
    pub name: String,
    /// The transform's own version.
    pub version: String,
    /// One sentence: what it does to messages.
    pub summary: String,
    /// A JSON Schema of its configuration.
    pub config_schema: serde_json::Value,
    /// The most messages that it makes of one, from 1 to 65,535.
    pub most_outputs: u32,
}

impl TransformDescription {
    /// Checks a description against the contract; the error says what is wrong.
    pub(crate) fn parse(raw: transform::Description) -> Result<Self, String> {
        check_texts([("version", &raw.version), ("summary", &raw.summary)])?;
        check_identity(&raw.name, &raw.version)?;
        if !(1..=u32::from(u16::MAX)).contains(&raw.most_outputs) {
            return Err("`most-outputs` is not a number from 1 to 65535".into());
        }
        Ok(Self {
            config_schema: schema(&raw.config_schema)?,
            name: raw.name,
            version: raw.version,
            summary: raw.summary,
            most_outputs: raw.most_outputs,
        })
    }
}

fn check_identity(name: &str, version: &str) -> Result<(), String> {
    if !is_plugin_name(name) {
        return Err("`name` must be 1 to 64 lower-case letters, digits and hyphens".into());
    }
    if version.is_empty() {
        return Err("`version` is empty".into());
    }
    Ok(())
}

/// Texts of a description, by their fields, have bounds: they stand in the log and in terminals.
fn check_texts<'a>(
    texts: impl IntoIterator<Item = (&'static str, &'a String)>,
) -> Result<(), String> {
    for (field, text) in texts {
        if text.len() > MAX_TEXT || text.chars().any(char::is_control) {
            return Err(format!(
                "`{field}` has more than {MAX_TEXT} bytes, or control characters"
            ));
        }
    }
    Ok(())
}

fn schema(text: &str) -> Result<serde_json::Value, String> {
    if text.len() > MAX_SCHEMA {
        return Err(format!("`config-schema` has more than {MAX_SCHEMA} bytes"));
    }
    let schema: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| format!("`config-schema` is not JSON ({error})"))?;
    if !schema.is_object() {
        return Err("`config-schema` is not a JSON object".into());
    }
    Ok(schema)
}

impl Description {
    /// Checks a description against the contract; the error says what is wrong.
    pub(crate) fn parse(raw: wit::Description) -> Result<Self, String> {
        check_texts(texts(&raw))?;
        check_identity(&raw.name, &raw.version)?;
        let wants = &raw.wants;
        let wanted = [
            &wants.hosts,
            &wants.aws_services,
            &wants.folders,
            &wants.streams,
        ];
        if wanted.into_iter().map(Vec::len).sum::<usize>() > MAX_WANTS {
            return Err(format!("`wants` asks for more than {MAX_WANTS} things"));
        }
        check_folders(&wants.folders)?;
        let config_schema = schema(&raw.config_schema)?;
        let limits = BatchLimits {
            max_messages: raw.limits.max_messages,
            max_batch_bytes: raw.limits.max_batch_bytes,
            max_message_bytes: raw.limits.max_message_bytes,
        };
        if limits.max_messages == 0 || limits.max_message_bytes == 0 {
            return Err("a limit of zero would let nothing through".into());
        }
        if limits.max_batch_bytes < limits.max_message_bytes {
            return Err("`max-batch-bytes` is below `max-message-bytes`".into());
        }
        Ok(Self {
            name: raw.name,
            version: raw.version,
            summary: raw.summary,
            call_interval: call_interval(&config_schema)?,
            config_schema,
            limits,
            wants: Wants {
                hosts: raw.wants.hosts,
                aws_services: raw.wants.aws_services,
                folders: raw.wants.folders,
                streams: raw.wants.streams,
            },
        })
    }
}

/// A folder that is asked for may be granted under the same name beside the configuration, so its name
/// must not lead elsewhere. Nor does one lie in another: who may write to the outer one could put a link
/// to anywhere in the place of the inner one.
fn check_folders(folders: &[String]) -> Result<(), String> {
    let mut names = Vec::with_capacity(folders.len());
    for folder in folders {
        let path = Path::new(folder);
        let is_plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
        if folder.is_empty() || !path.components().all(is_plain) {
            return Err(format!(
                "`wants` asks for the folder \"{folder}\"; a path such as \"/out\" has neither . nor .. in it"
            ));
        }
        names.push(path.strip_prefix("/").unwrap_or(path));
    }
    for (outer, inner) in names
        .iter()
        .flat_map(|one| names.iter().map(move |two| (one, two)))
    {
        if inner != outer && inner.starts_with(outer) {
            return Err(format!(
                "`wants` asks for the folder \"{}\" and for one that it lies in",
                inner.display()
            ));
        }
    }
    Ok(())
}

/// What operators are shown, and where it stands.
fn texts(raw: &wit::Description) -> impl Iterator<Item = (&'static str, &String)> {
    let wants = &raw.wants;
    let lists = [
        &wants.hosts,
        &wants.aws_services,
        &wants.folders,
        &wants.streams,
    ];
    let wants = lists.into_iter().flatten().map(|text| ("wants", text));
    [("version", &raw.version), ("summary", &raw.summary)]
        .into_iter()
        .chain(wants)
}

/// Reads the annotation of the schema (`wit/exporter.wit`).
fn call_interval(schema: &serde_json::Value) -> Result<Option<Duration>, String> {
    const KEY: &str = "x-millstream-call-interval-ms";
    const MAX_MS: u64 = 3_600_000;
    match schema.get(KEY) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(0) => Ok(None),
            Some(ms @ ..=MAX_MS) => Ok(Some(Duration::from_millis(ms))),
            _ => Err(format!(
                "`{KEY}` in `config-schema` is not a whole number from 0 to {MAX_MS}"
            )),
        },
    }
}

fn is_plugin_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> wit::Description {
        wit::Description {
            name: "a-1".into(),
            version: "1.0.0".into(),
            summary: "Exports.".into(),
            config_schema: "{}".into(),
            limits: wit::Limits {
                max_messages: 1,
                max_batch_bytes: 2,
                max_message_bytes: 2,
            },
            wants: wit::Wants {
                hosts: vec![],
                aws_services: vec![],
                folders: vec![],
                streams: vec![],
            },
        }
    }

    #[test]
    fn a_description_within_the_contract_is_taken() {
        let mut description = raw();
        description.wants.folders = vec!["/out".into(), "/outer".into(), "/var/in".into()];
        assert_eq!(
            Description::parse(description).unwrap().limits.max_messages,
            1
        );
    }

    #[test]
    fn a_pause_between_calls_is_read_from_the_schema() {
        let interval = |schema: &str| {
            let mut description = raw();
            description.config_schema = schema.into();
            Description::parse(description).map(|parsed| parsed.call_interval)
        };
        let ms = |ms| Ok(Some(Duration::from_millis(ms)));
        assert_eq!(
            interval(r#"{"x-millstream-call-interval-ms": 250}"#),
            ms(250)
        );
        assert_eq!(
            interval(r#"{"x-millstream-call-interval-ms": 3600000}"#),
            ms(3_600_000)
        );
        assert_eq!(
            interval(r#"{"x-millstream-call-interval-ms": 0}"#),
            Ok(None)
        );
        assert_eq!(interval("{}"), Ok(None));
        for wrong in ["-1", "3600001", "1.5", "\"1000\"", "null"] {
            let schema = format!(r#"{{"x-millstream-call-interval-ms": {wrong}}}"#);
            let problem = interval(&schema).unwrap_err();
            assert!(
                problem.contains("x-millstream-call-interval-ms"),
                "{problem}"
            );
        }
    }

    #[test]
    fn each_breach_of_the_contract_is_named() {
        type Break = fn(&mut wit::Description);
        let breaches: [(&str, Break); 14] = [
            ("`name`", |d| d.name = "Kinesis!".into()),
            ("`version`", |d| d.version.clear()),
            ("`config-schema`", |d| d.config_schema = "{".into()),
            ("zero", |d| d.limits.max_messages = 0),
            ("`max-batch-bytes`", |d| d.limits.max_batch_bytes = 1),
            ("`summary`", |d| d.summary = "x".repeat(1025)),
            ("`summary`", |d| d.summary = "one\nERROR two".into()),
            ("`wants`", |d| d.wants.hosts = vec!["\u{1b}[2J".into()]),
            ("`wants`", |d| d.wants.streams = vec!["s".into(); 300]),
            ("/../../etc", |d| {
                d.wants.folders = vec!["/../../etc".into()]
            }),
            ("./plugins", |d| d.wants.folders = vec!["./plugins".into()]),
            ("`wants`", |d| d.wants.folders = vec!["".into()]),
            ("lies in", |d| {
                d.wants.folders = vec!["/out/in".into(), "/out".into()];
            }),
            ("`config-schema`", |d| {
                d.config_schema = format!("{{\"a\":[{}0]}}", "0,".repeat(200_000));
            }),
        ];
        for (word, break_it) in breaches {
            let mut description = raw();
            break_it(&mut description);
            let problem = Description::parse(description).unwrap_err();
            assert!(problem.contains(word), "{problem}");
        }
    }
}
