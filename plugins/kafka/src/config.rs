//! The configuration.

use std::time::Duration;

use kafka_protocol::records;
use millstream_plugin::ConfigError;
use serde::Deserialize;

use crate::address::Address;
use crate::key::Key;
use crate::sasl::Mechanism;

/// The largest that a batch of records may be configured to be, and so a message.
pub(crate) const MOST_BATCH_BYTES: u64 = 8 << 20;
/// What brokers take by default, `message.max.bytes` (broker configuration), less room for their own
/// fields.
const USUAL_BATCH_BYTES: u64 = 1_000_000;
const LEAST_BATCH_BYTES: u64 = 1 << 10;
/// The longest name of a topic (`Topic.MAX_NAME_LENGTH` of Kafka).
const LONGEST_TOPIC: usize = 249;

/// The keys of the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    brokers: Vec<String>,
    topic: String,
    #[serde(default)]
    key: Key,
    #[serde(default)]
    compression: Compression,
    #[serde(default = "usual_batch_bytes")]
    max_batch_bytes: u64,
    #[serde(default = "usual_answer_time")]
    answer_time_ms: u64,
    #[serde(default = "usual_client_id")]
    client_id: String,
    #[serde(default)]
    tls: bool,
    #[serde(default)]
    sasl: Option<Sasl>,
}

fn usual_batch_bytes() -> u64 {
    USUAL_BATCH_BYTES
}

fn usual_answer_time() -> u64 {
    15_000
}

fn usual_client_id() -> String {
    "millstream".to_owned()
}

/// How records are packed. Others are not there: their libraries are in C.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    #[default]
    None,
    Gzip,
    Snappy,
}

impl From<Compression> for records::Compression {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::None,
            Compression::Gzip => Self::Gzip,
            Compression::Snappy => Self::Snappy,
        }
    }
}

/// Who this device is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Sasl {
    pub(crate) mechanism: Mechanism,
    pub(crate) username: String,
    /// The name of a secret, not the password.
    pub(crate) password_secret: String,
}

/// The configuration as it was found right.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// At least one.
    pub(crate) brokers: Vec<Address>,
    pub(crate) topic: String,
    pub(crate) key: Key,
    pub(crate) compression: Compression,
    pub(crate) max_batch_bytes: u64,
    pub(crate) answer_time: Duration,
    pub(crate) client_id: String,
    pub(crate) tls: bool,
    pub(crate) sasl: Option<Sasl>,
}

impl TryFrom<Config> for Settings {
    type Error = ConfigError;

    fn try_from(config: Config) -> Result<Self, ConfigError> {
        let brokers = config.brokers.iter().enumerate().map(|(place, text)| {
            Address::parse(text).ok_or_else(|| {
                ConfigError::field(
                    format!("brokers[{place}]"),
                    format!(
                        "`{text}` is no broker; write HOST:PORT, such as broker.example.com:9092."
                    ),
                )
            })
        });
        let brokers = brokers.collect::<Result<Vec<_>, _>>()?;
        if brokers.is_empty() {
            return Err(ConfigError::field(
                "brokers",
                "Name at least one broker, as HOST:PORT.",
            ));
        }
        if !is_topic(&config.topic) {
            return Err(ConfigError::field(
                "topic",
                format!(
                    "`{}` is no topic; its name has 1 to {LONGEST_TOPIC} letters, digits, dots, \
                     underscores and hyphens.",
                    config.topic
                ),
            ));
        }
        range(
            "maxBatchBytes",
            config.max_batch_bytes,
            LEAST_BATCH_BYTES,
            MOST_BATCH_BYTES,
        )?;
        range("answerTimeMs", config.answer_time_ms, 100, 30_000)?;
        // A text on the wire has a length of two bytes.
        if config.client_id.len() > 255 {
            return Err(ConfigError::field(
                "clientId",
                "A client id has at most 255 bytes.",
            ));
        }
        if config
            .sasl
            .as_ref()
            .is_some_and(|sasl| sasl.username.is_empty())
        {
            return Err(ConfigError::field("sasl.username", "A user has a name."));
        }
        Ok(Self {
            brokers,
            topic: config.topic,
            key: config.key,
            compression: config.compression,
            max_batch_bytes: config.max_batch_bytes,
            answer_time: Duration::from_millis(config.answer_time_ms),
            client_id: config.client_id,
            tls: config.tls,
            sasl: config.sasl,
        })
    }
}

fn is_topic(name: &str) -> bool {
    (1..=LONGEST_TOPIC).contains(&name.len())
        && name != "."
        && name != ".."
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
}

fn range(field: &str, value: u64, least: u64, most: u64) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::field(
        field,
        format!("{value} is not between {least} and {most}."),
    ))
}

#[cfg(test)]
mod tests {
    use millstream_plugin::config::{keys, parse};
    use serde_json::{Value, json};

    use super::*;

    fn settings(config: &Value) -> Result<Settings, ConfigError> {
        parse::<Config>(&config.to_string())?.try_into()
    }

    fn with(key: &str, value: Value) -> Result<Settings, ConfigError> {
        let mut config = json!({ "brokers": ["192.0.2.7:9092"], "topic": "telemetry" });
        config[key] = value;
        settings(&config)
    }

    #[test]
    fn brokers_and_a_topic_are_enough() {
        let settings = settings(&json!({ "brokers": ["a:1", "[::1]:2"], "topic": "t" })).unwrap();
        assert_eq!(settings.brokers.len(), 2);
        assert_eq!(settings.key, Key::None);
        assert_eq!(settings.compression, Compression::None);
        assert_eq!(settings.max_batch_bytes, 1_000_000);
        assert_eq!(settings.answer_time, Duration::from_secs(15));
        assert_eq!(settings.client_id, "millstream");
        assert!(!settings.tls);
        assert_eq!(settings.sasl, None);
    }

    #[test]
    fn mistakes_are_named_by_their_field() {
        let sasl = |mechanism: &str, user: &str| json!({ "mechanism": mechanism, "username": user, "passwordSecret": "kafka" });
        for (key, value, field) in [
            ("brokers", json!([]), "brokers"),
            ("brokers", json!("a:1"), "brokers"),
            ("brokers", json!(["a:1", "b"]), "brokers[1]"),
            ("topic", json!("a b"), "topic"),
            ("topic", json!(""), "topic"),
            ("topic", json!(".."), "topic"),
            ("topic", json!("t".repeat(250)), "topic"),
            ("key", json!("random"), "key"),
            ("compression", json!("zstd"), "compression"),
            ("maxBatchBytes", json!(1023), "maxBatchBytes"),
            ("maxBatchBytes", json!(8 * 1024 * 1024 + 1), "maxBatchBytes"),
            ("answerTimeMs", json!(99), "answerTimeMs"),
            ("clientId", json!("c".repeat(256)), "clientId"),
            ("sasl", sasl("GSSAPI", "u"), "sasl.mechanism"),
            ("sasl", sasl("PLAIN", ""), "sasl.username"),
            ("password", json!("x"), "password"),
        ] {
            let error = with(key, value.clone()).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{key} = {value}");
        }
    }

    #[test]
    fn each_mechanism_goes_by_its_own_name() {
        for name in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let sasl = json!({ "mechanism": name, "username": "u", "passwordSecret": "kafka" });
            let settings = with("sasl", sasl).unwrap();
            assert_eq!(settings.sasl.unwrap().mechanism.name(), name);
        }
    }

    #[test]
    fn the_schema_knows_the_keys_of_the_code_and_their_defaults() {
        let schema: Value = serde_json::from_str(include_str!("config.schema.json")).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(
            keys::<Config>(),
            properties.keys().cloned().collect::<Vec<_>>()
        );

        let mut defaults = json!({ "brokers": ["a:1"], "topic": "t" });
        for (key, property) in properties {
            assert!(property["description"].is_string(), "{key}");
            if let Some(default) = property.get("default") {
                defaults[key] = default.clone();
            }
        }
        let spelt_out = settings(&defaults).unwrap();
        let left_out = settings(&json!({ "brokers": ["a:1"], "topic": "t" })).unwrap();
        assert_eq!(format!("{spelt_out:?}"), format!("{left_out:?}"));
    }
}
