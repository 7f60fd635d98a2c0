//! The configuration.

use std::collections::{BTreeMap, BTreeSet};

use millstream_plugin::http::headers::{Text, ask_for_secret, configured};
use millstream_plugin::http::{Address, Compression, HeaderMap, Transport, header};
use millstream_plugin::secrets::SecretName;
use millstream_plugin::{ConfigError, Message};
use serde::Deserialize;

use crate::json::{Mapping, Source};
use crate::line;
use crate::server::Server;
use crate::time::{self, Precision};

/// The keys of the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    uri: Address,
    #[serde(default)]
    api: Api,
    org: Option<String>,
    bucket: Option<String>,
    database: Option<String>,
    retention_policy: Option<String>,
    token: Option<SecretName>,
    user: Option<String>,
    password: Option<SecretName>,
    #[serde(default)]
    format: Format,
    #[serde(default)]
    precision: Precision,
    measurement: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, Text>,
    fields: Option<BTreeMap<String, Text>>,
    #[serde(default)]
    integers: BTreeSet<String>,
    timestamp: Option<String>,
    #[serde(default = "gzip")]
    compression: Compression,
    #[serde(default)]
    headers: BTreeMap<String, Text>,
}

/// Which write API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Api {
    V1,
    #[default]
    V2,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Format {
    #[default]
    LineProtocol,
    Json,
}

fn gzip() -> Compression {
    Compression::Gzip
}

/// How a message becomes lines.
#[derive(Debug)]
pub(crate) enum Form {
    /// It is some already; their times are of this unit.
    Lines(Precision),
    /// It is a JSON object.
    Json(Box<Mapping>),
}

impl Form {
    /// The lines of a message, all with times and line ends.
    ///
    /// # Errors
    ///
    /// It can never be delivered; why.
    pub(crate) fn lines(&self, message: &Message) -> Result<String, String> {
        let usual = time::of_message(message);
        match self {
            Self::Json(mapping) => mapping.line(&message.payload, usual),
            Self::Lines(precision) => {
                let text = str::from_utf8(&message.payload)
                    .map_err(|_| "The message is not text in UTF-8.")?;
                line::with_times(text, *precision, usual)
            }
        }
    }
}

impl Config {
    /// Checks what the keys mean together.
    ///
    /// # Errors
    ///
    /// The key that is missing, or has no meaning here.
    pub(crate) fn resolve<T: Transport>(
        self,
        transport: T,
    ) -> Result<(Form, Server<T>), ConfigError> {
        let address = self.address()?;
        let headers = self.headers()?;
        let compression = self.compression;
        let server = Server::new(transport, address, headers, compression);
        Ok((self.form()?, server))
    }

    /// Where lines are written to.
    fn address(&self) -> Result<Address, ConfigError> {
        if self.uri.path_with_query.contains('?') {
            let message = "The query is made of the other keys; leave it out.";
            return Err(ConfigError::field("uri", message));
        }
        let base = self.uri.path_with_query.trim_end_matches('/');
        let mut query = form_urlencoded::Serializer::new(String::new());
        let path = match self.api {
            Api::V1 => {
                only_of("v2", [("org", &self.org), ("bucket", &self.bucket)])?;
                query.append_pair("db", needed("database", "v1", &self.database)?);
                if let Some(policy) = &self.retention_policy {
                    query.append_pair("rp", policy);
                }
                "/write"
            }
            Api::V2 => {
                let others = [
                    ("database", &self.database),
                    ("retentionPolicy", &self.retention_policy),
                ];
                only_of("v1", others)?;
                query.append_pair("org", needed("org", "v2", &self.org)?);
                query.append_pair("bucket", needed("bucket", "v2", &self.bucket)?);
                "/api/v2/write"
            }
        };
        query.append_pair("precision", "ns");
        Ok(self
            .uri
            .with_path(format!("{base}{path}?{}", query.finish())))
    }

    fn headers(&self) -> Result<HeaderMap, ConfigError> {
        let mut headers = configured(&self.headers)?;
        let (field, credentials) = match (&self.token, &self.user, &self.password) {
            (None, None, None) => return Ok(headers),
            (Some(token), None, None) => ("token", format!("Token {{{token}}}")),
            (None, Some(user), Some(password)) => {
                if user.contains([':', '{', '}']) {
                    let message = "A user's name has no colon and no braces here.";
                    return Err(ConfigError::field("user", message));
                }
                ("user", format!("Basic {{basic:{user}:{password}}}"))
            }
            (Some(_), _, _) => {
                let message = "With `token` there is neither `user` nor `password`.";
                return Err(ConfigError::field("token", message));
            }
            (None, Some(_), None) => {
                let message = "`user` needs `password`, the name of a secret.";
                return Err(ConfigError::field("password", message));
            }
            (None, None, Some(_)) => {
                return Err(ConfigError::field("user", "`password` needs `user`."));
            }
        };
        if headers.contains_key(header::AUTHORIZATION) {
            let message = "`token` or `user` sets this header; leave one of them out.";
            return Err(ConfigError::field("headers.authorization", message));
        }
        ask_for_secret(&mut headers, &header::AUTHORIZATION, &credentials)
            .map_err(|message| ConfigError::field(field, message))?;
        Ok(headers)
    }

    fn form(self) -> Result<Form, ConfigError> {
        match self.format {
            Format::LineProtocol => {
                for (key, given) in [
                    ("measurement", self.measurement.is_some()),
                    ("tags", !self.tags.is_empty()),
                    ("fields", self.fields.is_some()),
                    ("integers", !self.integers.is_empty()),
                    ("timestamp", self.timestamp.is_some()),
                ] {
                    if given {
                        let message = "Only `format` json has it; line protocol says it itself.";
                        return Err(ConfigError::field(key, message));
                    }
                }
                Ok(Form::Lines(self.precision))
            }
            Format::Json => {
                let pointer = |field: String, text: String| match text.starts_with('/') {
                    true => Ok(text),
                    false => Err(ConfigError::field(
                        field,
                        format!(
                            "`{text}` is no JSON pointer, which begins with a slash: `/{text}`."
                        ),
                    )),
                };
                let fields = self.fields.map(|fields| {
                    let field = |(name, Text(text)): (String, Text)| {
                        let pointer = pointer(format!("fields.{name}"), text)?;
                        Ok((name, pointer))
                    };
                    fields
                        .into_iter()
                        .map(field)
                        .collect::<Result<_, ConfigError>>()
                });
                let tags = self.tags.into_iter();
                let time = self.timestamp.map(|text| pointer("timestamp".into(), text));
                let measurement = needed("measurement", "format json", &self.measurement)?;
                Ok(Form::Json(Box::new(Mapping {
                    measurement: Source::of(measurement.to_owned()),
                    tags: tags
                        .map(|(name, Text(text))| (name, Source::of(text)))
                        .collect(),
                    fields: fields.transpose()?,
                    integers: self.integers,
                    time: time.transpose()?,
                    precision: self.precision,
                })))
            }
        }
    }
}

fn needed<'a>(key: &str, with: &str, value: &'a Option<String>) -> Result<&'a str, ConfigError> {
    match value.as_deref() {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(ConfigError::field(
            key,
            format!("The key `{key}` is missing; {with} needs it."),
        )),
    }
}

fn only_of(api: &str, keys: [(&str, &Option<String>); 2]) -> Result<(), ConfigError> {
    match keys.iter().find(|(_, value)| value.is_some()) {
        None => Ok(()),
        Some((key, _)) => Err(ConfigError::field(
            *key,
            format!("Only the API {api} has it; set `api` to that, or leave `{key}` out."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use millstream_plugin::config::parse;
    use millstream_plugin::http::Network;
    use serde_json::Value;

    use super::*;

    fn resolved(keys: &str) -> Result<(Form, Server<Network>), ConfigError> {
        parse::<Config>(&format!(r#"{{"uri": "https://a/base/", {keys}}}"#))?.resolve(Network)
    }

    fn server(keys: &str) -> (String, Vec<String>) {
        let (_, server) = resolved(keys).unwrap();
        let asked = server.headers().get_all("x-millstream-secret").iter();
        (
            server.address().url(),
            asked
                .map(|value| value.to_str().unwrap().to_owned())
                .collect(),
        )
    }

    #[test]
    fn each_api_has_its_address_and_its_credentials() {
        let (url, asked) = server(r#""org": "my org", "bucket": "a&b", "token": "influx""#);
        assert_eq!(
            url,
            "https://a/base/api/v2/write?org=my+org&bucket=a%26b&precision=ns"
        );
        assert_eq!(asked, ["authorization Token {influx}"]);
        let keys = r#""api": "v1", "database": "db", "retentionPolicy": "week", "user": "me",
            "password": "pass""#;
        let (url, asked) = server(keys);
        assert_eq!(url, "https://a/base/write?db=db&rp=week&precision=ns");
        assert_eq!(asked, ["authorization Basic {basic:me:pass}"]);
    }

    #[test]
    fn keys_that_do_not_go_together_are_named() {
        let v2 = r#""org": "o", "bucket": "b""#;
        for (keys, field) in [
            (r#""bucket": "b""#.to_owned(), "org"),
            (r#""org": "o""#.to_owned(), "bucket"),
            (format!(r#"{v2}, "database": "d""#), "database"),
            (r#""api": "v1""#.to_owned(), "database"),
            (
                r#""api": "v1", "database": "d", "org": "o""#.to_owned(),
                "org",
            ),
            (format!(r#"{v2}, "user": "u""#), "password"),
            (format!(r#"{v2}, "password": "p""#), "user"),
            (format!(r#"{v2}, "token": "t", "user": "u""#), "token"),
            (format!(r#"{v2}, "user": "a:b", "password": "p""#), "user"),
            (
                format!(r#"{v2}, "token": "t", "headers": {{"Authorization": "x"}}"#),
                "headers.authorization",
            ),
            (format!(r#"{v2}, "measurement": "m""#), "measurement"),
            (format!(r#"{v2}, "format": "json""#), "measurement"),
            (
                format!(r#"{v2}, "format": "json", "measurement": "m", "fields": {{"a": "b"}}"#),
                "fields.a",
            ),
            (
                format!(r#"{v2}, "format": "json", "measurement": "m", "timestamp": "t""#),
                "timestamp",
            ),
            (format!(r#"{v2}, "precision": "h""#), "precision"),
            (format!(r#"{v2}, "token": "not a name""#), "token"),
        ] {
            let error = resolved(&keys).unwrap_err();
            assert_eq!(
                error.field.as_deref(),
                Some(field),
                "{keys}: {}",
                error.message
            );
        }
        let error = parse::<Config>(r#"{"uri": "https://a/?db=x", "org": "o", "bucket": "b"}"#);
        let error = error.unwrap().resolve(Network).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("uri"));
    }

    #[test]
    fn the_schema_knows_the_same_keys() {
        let schema: Value = serde_json::from_str(include_str!("config.schema.json")).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        let wrong = r#"{"????????????????????": 1}"#;
        let message = parse::<Config>(wrong).unwrap_err().message;
        let (_, listed) = message.trim_end_matches('.').rsplit_once(" are ").unwrap();
        let listed: Vec<&str> = listed.split(", ").collect();
        assert_eq!(listed.len(), properties.len(), "{message}");
        assert!(listed.iter().all(|key| properties.contains_key(*key)));
    }
}
