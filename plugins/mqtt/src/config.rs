//! The configuration.

use std::time::Duration;

use millstream_mqtt_packet::{Version, check_topic};
use millstream_plugin::template::Template;
use millstream_plugin::{ConfigError, ExportContext, tcp};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// The longest text of MQTT, in bytes (MQTT 5, section 1.5.4).
const MAX_TEXT: usize = 65_535;

/// The keys of the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    pub(crate) broker: Broker,
    pub(crate) topic: Template,
    #[serde(default, deserialize_with = "version")]
    pub(crate) version: Version,
    #[serde(default)]
    pub(crate) retain: bool,
    pub(crate) client_id: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password_secret: Option<String>,
    #[serde(default = "usual_keep_alive")]
    pub(crate) keep_alive_seconds: u16,
    #[serde(default = "usual_in_flight")]
    pub(crate) max_in_flight: u16,
    #[serde(default)]
    pub(crate) timeout_seconds: tcp::Timeout,
}

/// The address of a broker.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Broker(pub(crate) tcp::Server);

impl TryFrom<String> for Broker {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        tcp::Server::parse(&text, &[("mqtt", false, 1883), ("mqtts", true, 8883)]).map(Self)
    }
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
    let value = Value::deserialize(deserializer)?;
    match (value.as_str(), value.as_u64()) {
        (Some("5"), _) | (_, Some(5)) => Ok(Version::V5),
        (Some("3.1.1"), _) => Ok(Version::V3),
        _ => Err(de::Error::custom(format!(
            "{value} is no version; give \"5\" or \"3.1.1\""
        ))),
    }
}

fn usual_keep_alive() -> u16 {
    60
}

fn usual_in_flight() -> u16 {
    100
}

impl Config {
    /// Checks what the types cannot know.
    pub(crate) fn check(&self, context: &ExportContext) -> Result<(), ConfigError> {
        if let Some(topic) = self.topic.constant(context) {
            // No message can make it right.
            check_topic(&topic).map_err(|reason| ConfigError::field("topic", reason))?;
        }
        let text = |field: &str, text: Option<&String>| match text {
            Some(text) if text.is_empty() || text.len() > MAX_TEXT || text.contains('\0') => Err(
                ConfigError::field(field, "Give a text of 1 to 65535 bytes."),
            ),
            _ => Ok(()),
        };
        text("clientId", self.client_id.as_ref())?;
        text("user", self.user.as_ref())?;
        if self.password_secret.is_some() && self.user.is_none() {
            let message = "A password belongs to a `user`.";
            return Err(ConfigError::field("passwordSecret", message));
        }
        if self.max_in_flight == 0 {
            return Err(ConfigError::field(
                "maxInFlight",
                "Give 1 to 65535 messages.",
            ));
        }
        if self.keep_alive() <= self.timeout_seconds.duration() {
            let message = "Give more than `timeoutSeconds`: within a batch nothing is sent to keep the \
                           connection alive.";
            return Err(ConfigError::field("keepAliveSeconds", message));
        }
        Ok(())
    }

    /// After this time without a packet from us, the broker may take the connection for dead.
    pub(crate) fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive_seconds.into())
    }

    /// The same for each connection, so that the broker ends the one before.
    pub(crate) fn client_id(&self, context: &ExportContext) -> String {
        self.client_id.clone().unwrap_or_else(|| {
            format!(
                "millstream-{}-{}",
                context.stream_name, context.export_identifier
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use millstream_plugin::config::{keys, parse};

    use super::*;

    fn context() -> ExportContext {
        ExportContext {
            stream_name: "s".into(),
            export_identifier: "e".into(),
        }
    }

    fn check(json: &str) -> Result<Config, ConfigError> {
        let config: Config = parse(json)?;
        config.check(&context()).map(|()| config)
    }

    #[test]
    fn a_broker_and_a_topic_are_enough() {
        let config = check(r#"{"broker": "mqtts://a", "topic": "plant/{stream}"}"#).unwrap();
        assert_eq!(config.broker.0.to_string(), "a:8883");
        assert!(config.broker.0.tls);
        assert_eq!(config.version, Version::V5);
        assert_eq!(config.client_id(&context()), "millstream-s-e");
    }

    #[test]
    fn a_version_is_a_text_or_a_number() {
        for (version, expected) in [
            (r#""5""#, Version::V5),
            ("5", Version::V5),
            (r#""3.1.1""#, Version::V3),
        ] {
            let json = format!(r#"{{"broker": "a", "topic": "t", "version": {version}}}"#);
            assert_eq!(check(&json).unwrap().version, expected);
        }
    }

    #[test]
    fn each_wrong_value_is_named_by_its_field() {
        for (json, field) in [
            (r#"{"topic": "t"}"#, "broker"),
            (r#"{"broker": "http://a", "topic": "t"}"#, "broker"),
            (r#"{"broker": "a"}"#, "topic"),
            (r#"{"broker": "a", "topic": ""}"#, "topic"),
            (r#"{"broker": "a", "topic": "t/#"}"#, "topic"),
            (r#"{"broker": "a", "topic": "t/{x}"}"#, "topic"),
            (r#"{"broker": "a", "topic": "t", "version": 4}"#, "version"),
            (
                r#"{"broker": "a", "topic": "t", "clientId": ""}"#,
                "clientId",
            ),
            (
                r#"{"broker": "a", "topic": "t", "passwordSecret": "p"}"#,
                "passwordSecret",
            ),
            (
                r#"{"broker": "a", "topic": "t", "maxInFlight": 0}"#,
                "maxInFlight",
            ),
            (
                r#"{"broker": "a", "topic": "t", "timeoutSeconds": 0}"#,
                "timeoutSeconds",
            ),
            (
                r#"{"broker": "a", "topic": "t", "keepAliveSeconds": 20}"#,
                "keepAliveSeconds",
            ),
            (r#"{"broker": "a", "topic": "t", "qos": 2}"#, "qos"),
        ] {
            let error = check(json).unwrap_err();
            assert_eq!(
                error.field.as_deref(),
                Some(field),
                "{json}: {}",
                error.message
            );
        }
    }

    #[test]
    fn the_schema_knows_the_same_keys() {
        let schema: Value = serde_json::from_str(include_str!("config.schema.json")).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(
            keys::<Config>(),
            properties.keys().cloned().collect::<Vec<_>>()
        );
    }
}
