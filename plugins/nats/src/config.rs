//! The configuration.

use std::collections::BTreeMap;

use millstream_plugin::template::Template;
use millstream_plugin::{ConfigError, ExportContext, tcp};
use serde::Deserialize;

/// Servers that are tried in turn.
const MAX_SERVERS: usize = 16;
/// The longest subject, in bytes. A server takes lines of 4 KiB, and another subject is in the same line.
const MAX_SUBJECT: usize = 2 << 10;

/// The keys of the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    pub(crate) servers: Vec<Server>,
    pub(crate) subject: Template,
    #[serde(default = "usual_message_id")]
    pub(crate) message_id: Template,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) expected_stream: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password_secret: Option<String>,
    pub(crate) token_secret: Option<String>,
    pub(crate) nkey_seed_secret: Option<String>,
    pub(crate) credentials_secret: Option<String>,
    #[serde(default = "usual_inbox_prefix")]
    pub(crate) inbox_prefix: String,
    #[serde(default)]
    pub(crate) timeout_seconds: tcp::Timeout,
}

/// The address of a server.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Server(pub(crate) tcp::Server);

impl TryFrom<String> for Server {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        tcp::Server::parse(&text, &[("nats", false, 4222), ("tls", true, 4222)]).map(Self)
    }
}

fn usual_message_id() -> Template {
    Template::try_from("{stream}:{sequenceNumber}".to_owned()).unwrap_or_default()
}

fn usual_inbox_prefix() -> String {
    "_INBOX".to_owned()
}

impl Config {
    /// Checks what the types cannot know.
    pub(crate) fn check(&self, context: &ExportContext) -> Result<(), ConfigError> {
        if self.servers.is_empty() || self.servers.len() > MAX_SERVERS {
            let message = format!("Name 1 to {MAX_SERVERS} servers.");
            return Err(ConfigError::field("servers", message));
        }
        if let Some(subject) = self.subject.constant(context) {
            // No message can make it right.
            check_subject(subject).map_err(|reason| ConfigError::field("subject", reason))?;
        }
        check_subject(self.inbox_prefix.clone())
            .map_err(|reason| ConfigError::field("inboxPrefix", reason))?;
        for (name, value) in &self.headers {
            let path = format!("headers.{name}");
            if name.to_ascii_lowercase().starts_with("nats-") {
                let message =
                    "Headers that begin with `Nats-` belong to JetStream and this plugin.";
                return Err(ConfigError::field(path, message));
            }
            let is_name = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b':');
            if !is_name || !is_header_value(value) {
                let message = "A header is a word without a colon, and a text in one line.";
                return Err(ConfigError::field(path, message));
            }
        }
        if self
            .expected_stream
            .as_deref()
            .is_some_and(|name| name.is_empty() || !is_header_value(name))
        {
            return Err(ConfigError::field(
                "expectedStream",
                "Give the name of a stream.",
            ));
        }
        self.check_credentials()
    }

    fn check_credentials(&self) -> Result<(), ConfigError> {
        if self.user.is_some() != self.password_secret.is_some() {
            let message = "`user` and `passwordSecret` belong together: give both or neither.";
            return Err(ConfigError::field("user", message));
        }
        let kinds = [
            self.user.is_some(),
            self.token_secret.is_some(),
            self.nkey_seed_secret.is_some(),
            self.credentials_secret.is_some(),
        ];
        if kinds.into_iter().filter(|kind| *kind).count() > 1 {
            let message = "Give one kind of credentials: `user` with `passwordSecret`, `tokenSecret`, \
                           `nkeySeedSecret` or `credentialsSecret`.";
            return Err(ConfigError::field("user", message));
        }
        Ok(())
    }
}

/// Whether a text may stand in a header.
pub(crate) fn is_header_value(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Gives a subject back if one can publish to it.
pub(crate) fn check_subject(subject: String) -> Result<String, String> {
    let wrong = |why: &str| Err(format!("`{subject}` is no subject to publish to: {why}."));
    if subject.len() > MAX_SUBJECT {
        return Err(format!("A subject has at most {MAX_SUBJECT} bytes."));
    }
    if subject.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return wrong("it has a space or a control character");
    }
    for token in subject.split('.') {
        match token {
            "" => return wrong("a part of it is empty"),
            "*" | ">" => return wrong("it has a wildcard"),
            _ => {}
        }
    }
    Ok(subject)
}

#[cfg(test)]
mod tests {
    use millstream_plugin::config::{keys, parse};
    use serde_json::Value;

    use super::*;

    fn check(more: &str) -> Result<Config, ConfigError> {
        let json = format!(r#"{{"servers": ["nats://a"], "subject": "plant.{{stream}}" {more}}}"#);
        let config: Config = parse(&json)?;
        let context = ExportContext {
            stream_name: "s".into(),
            export_identifier: "e".into(),
        };
        config.check(&context).map(|()| config)
    }

    #[test]
    fn servers_and_a_subject_are_enough() {
        let config = check("").unwrap();
        assert_eq!(config.servers[0].0.to_string(), "a:4222");
        assert_eq!(config.message_id.as_str(), "{stream}:{sequenceNumber}");
        assert_eq!(config.inbox_prefix, "_INBOX");
        assert_eq!(config.timeout_seconds, 20.try_into().unwrap());
    }

    #[test]
    fn each_wrong_value_is_named_by_its_field() {
        for (more, field) in [
            (r#", "servers": []"#, "servers"),
            (r#", "servers": ["http://a"]"#, "servers[0]"),
            (r#", "subject": "a b""#, "subject"),
            (r#", "subject": "a..b""#, "subject"),
            (r#", "subject": "a.>""#, "subject"),
            (r#", "subject": "{x}""#, "subject"),
            (r#", "messageId": "{""#, "messageId"),
            (r#", "headers": {"Nats-TTL": "1"}"#, "headers.Nats-TTL"),
            (r#", "headers": {"a:": "1"}"#, "headers.a:"),
            (r#", "headers": {"a": "1\n"}"#, "headers.a"),
            (r#", "expectedStream": """#, "expectedStream"),
            (r#", "inboxPrefix": "*""#, "inboxPrefix"),
            (r#", "timeoutSeconds": 0"#, "timeoutSeconds"),
            (r#", "user": "u""#, "user"),
            (r#", "passwordSecret": "p""#, "user"),
            (r#", "tokenSecret": "t", "nkeySeedSecret": "n""#, "user"),
            (r#", "password": "p""#, "password"),
        ] {
            // The later of two equal keys would be an error of its own.
            let key = more.split('"').nth(1).unwrap();
            let base = [("servers", r#"["a"]"#), ("subject", r#""s""#)];
            let base = base.iter().filter(|(name, _)| *name != key);
            let base: Vec<_> = base
                .map(|(name, value)| format!(r#""{name}": {value}"#))
                .collect();
            let json = format!("{{{}{more}}}", base.join(", "));
            let context = ExportContext {
                stream_name: "s".into(),
                export_identifier: "e".into(),
            };
            let error = parse::<Config>(&json)
                .and_then(|config| config.check(&context))
                .unwrap_err();
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
