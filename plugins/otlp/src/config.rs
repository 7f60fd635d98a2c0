//! The configuration.

use std::collections::BTreeMap;

use millstream_plugin::ConfigError;
use millstream_plugin::http::headers::{Text, add_secrets, configured};
use millstream_plugin::http::{Address, Compression, HeaderValue, Transport, header};
use millstream_plugin::secrets::SecretName;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::collector::Collector;
use crate::proto::Resource;
use crate::record::{Body, Records, attributes};

/// The keys of the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    uri: Address,
    #[serde(default)]
    body: Body,
    severity: Option<String>,
    #[serde(default = "service")]
    resource: Map<String, Value>,
    #[serde(default)]
    headers: BTreeMap<String, Text>,
    bearer: Option<SecretName>,
    #[serde(default)]
    secret_headers: BTreeMap<String, Text>,
    #[serde(default = "gzip")]
    compression: Compression,
}

/// A resource has at least the name of its service (semantic conventions, "Service").
fn service() -> Map<String, Value> {
    Map::from_iter([("service.name".to_owned(), Value::from("millstream"))])
}

fn gzip() -> Compression {
    Compression::Gzip
}

impl Config {
    /// Checks what serde cannot know.
    ///
    /// # Errors
    ///
    /// The key that is wrong, by its name.
    pub(crate) fn resolve<T: Transport>(
        self,
        stream_name: &str,
        transport: T,
    ) -> Result<(Records, Collector<T>), ConfigError> {
        if let Some(pointer) = &self.severity
            && !pointer.starts_with('/')
        {
            let message =
                format!("`{pointer}` is no JSON pointer, which begins with a slash: `/{pointer}`.");
            return Err(ConfigError::field("severity", message));
        }
        let mut headers = configured(&self.headers)?;
        add_secrets(&mut headers, self.bearer.as_ref(), &self.secret_headers)?;
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        if headers.insert(header::CONTENT_TYPE, protobuf).is_some() {
            let message = "The type of the body is always application/x-protobuf; leave it out.";
            return Err(ConfigError::field("headers.content-type", message));
        }
        // A collector is often named without the path, as the SDKs do.
        let address = match &*self.uri.path_with_query {
            "/" => self.uri.with_path("/v1/logs"),
            _ => self.uri,
        };
        let mut resource = service();
        resource.extend(self.resource);
        let records = Records {
            stream_name: stream_name.to_owned(),
            body: self.body,
            severity: self.severity,
        };
        let collector = Collector {
            transport,
            address,
            headers,
            compression: self.compression,
            resource: Resource {
                attributes: attributes(resource),
            },
        };
        Ok((records, collector))
    }
}

#[cfg(test)]
mod tests {
    use millstream_plugin::config::parse;
    use millstream_plugin::http::Network;

    use super::*;

    fn resolved(json: &str) -> Result<(Records, Collector), ConfigError> {
        parse::<Config>(json)?.resolve("s", Network)
    }

    #[test]
    fn an_address_is_enough_and_may_lack_the_path() {
        let (records, collector) = resolved(r#"{"uri": "http://a:4318"}"#).unwrap();
        assert_eq!(collector.address.url(), "http://a:4318/v1/logs");
        assert_eq!(collector.compression, Compression::Gzip);
        assert_eq!(collector.headers["content-type"], "application/x-protobuf");
        assert_eq!(records.body, Body::Text);
        assert_eq!(collector.resource.attributes[0].key, "service.name");
        let (_, collector) = resolved(r#"{"uri": "http://a/otlp/v1/logs"}"#).unwrap();
        assert_eq!(collector.address.url(), "http://a/otlp/v1/logs");
    }

    #[test]
    fn a_resource_is_named_and_secrets_are_asked_of_the_host() {
        let (_, collector) = resolved(
            r#"{"uri": "http://a", "resource": {"service.name": "press", "n": 4}, "bearer": "token",
            "secretHeaders": {"api-key": "{key}"}}"#,
        )
        .unwrap();
        let attributes = &collector.resource.attributes;
        assert_eq!(attributes.len(), 2);
        assert_eq!(attributes[1].value, Some(crate::value::text("press")));
        let asked: Vec<_> = collector
            .headers
            .get_all("x-millstream-secret")
            .iter()
            .collect();
        assert_eq!(asked, ["authorization Bearer {token}", "api-key {key}"]);
    }

    #[test]
    fn each_wrong_value_is_named_by_its_field() {
        for (json, field) in [
            (r#"{}"#, "uri"),
            (r#"{"uri": "a"}"#, "uri"),
            (r#"{"uri": "http://a", "body": "xml"}"#, "body"),
            (r#"{"uri": "http://a", "severity": "level"}"#, "severity"),
            (r#"{"uri": "http://a", "resource": "x"}"#, "resource"),
            (r#"{"uri": "http://a", "bearer": "not a name"}"#, "bearer"),
            (
                r#"{"uri": "http://a", "headers": {"Content-Type": "text/plain"}}"#,
                "headers.content-type",
            ),
            (
                r#"{"uri": "http://a", "compression": "zstd"}"#,
                "compression",
            ),
        ] {
            let error = resolved(json).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{json}");
        }
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
