//! From a message to a log record.

use millstream_plugin::Message;
use serde::Deserialize;
use serde_json::Value;

use crate::proto::{Any, AnyValue, KeyValue, LogRecord};
use crate::severity::Severity;
use crate::value::{any, attribute, of_json, text};

const NANOSECONDS: u64 = 1_000_000;

/// What the body of a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Body {
    /// A text where the payload is UTF-8, bytes where it is not.
    #[default]
    Text,
    /// What the payload says in JSON; as with `Text` where it is none.
    Json,
    /// Always bytes.
    Bytes,
}

/// Makes the records of one stream.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) stream_name: String,
    pub(crate) body: Body,
    /// A JSON pointer to the severity.
    pub(crate) severity: Option<String>,
}

impl Records {
    /// The record of a message. Every message has one: what is not as the configuration hopes is sent as
    /// it is.
    ///
    /// Its stream and number are attributes, by which a receiver can know a record that comes twice.
    pub(crate) fn record(&self, message: Message) -> LogRecord {
        let needs_json = self.body == Body::Json || self.severity.is_some();
        let json: Option<Value> = needs_json
            .then(|| serde_json::from_slice(&message.payload).ok())
            .flatten();
        let severity = self
            .severity
            .as_ref()
            .and_then(|pointer| Severity::of(json.as_ref()?.pointer(pointer)?));
        let (severity_number, severity_text) = severity.map_or((0, String::new()), |severity| {
            (severity.number, severity.text)
        });
        let time = message.ingest_time.saturating_mul(NANOSECONDS);
        let number = match i64::try_from(message.sequence_number) {
            Ok(number) => any(Any::Integer(number)),
            Err(_) => text(message.sequence_number.to_string()),
        };
        LogRecord {
            time_unix_nano: time,
            observed_time_unix_nano: time,
            severity_number,
            severity_text,
            body: Some(self.body(json, message.payload)),
            attributes: vec![
                attribute("millstream.stream", text(&*self.stream_name)),
                attribute("millstream.sequence_number", number),
            ],
        }
    }

    fn body(&self, json: Option<Value>, payload: Vec<u8>) -> AnyValue {
        match (self.body, json) {
            (Body::Bytes, _) => any(Any::Bytes(payload)),
            (Body::Json, Some(json)) => of_json(json),
            (Body::Json | Body::Text, _) => match String::from_utf8(payload) {
                Ok(payload) => text(payload),
                Err(error) => any(Any::Bytes(error.into_bytes())),
            },
        }
    }
}

/// The attributes of a configuration.
pub(crate) fn attributes(configured: serde_json::Map<String, Value>) -> Vec<KeyValue> {
    let attributes = configured.into_iter();
    attributes
        .map(|(key, value)| attribute(key, of_json(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body: Body, severity: Option<&str>, payload: &[u8]) -> LogRecord {
        let records = Records {
            stream_name: "s".into(),
            body,
            severity: severity.map(str::to_owned),
        };
        records.record(Message {
            sequence_number: 7,
            ingest_time: 1_700_000_000_123,
            payload: payload.to_vec(),
        })
    }

    fn body(body: Body, payload: &[u8]) -> Any {
        let record = record(body, None, payload);
        record.body.unwrap().value.unwrap()
    }

    #[test]
    fn a_record_has_its_time_its_stream_and_its_number() {
        let record = record(Body::Text, None, b"hello");
        assert_eq!(record.time_unix_nano, 1_700_000_000_123_000_000);
        assert_eq!(record.observed_time_unix_nano, record.time_unix_nano);
        assert_eq!(
            record.attributes,
            [
                attribute("millstream.stream", text("s")),
                attribute("millstream.sequence_number", any(Any::Integer(7))),
            ]
        );
        assert_eq!((record.severity_number, &*record.severity_text), (0, ""));
    }

    #[test]
    fn a_body_is_text_bytes_or_what_json_says() {
        assert_eq!(
            body(Body::Text, "grün".as_bytes()),
            Any::Text("grün".into())
        );
        assert_eq!(body(Body::Text, b"\xff\0"), Any::Bytes(b"\xff\0".to_vec()));
        assert_eq!(body(Body::Bytes, b"a"), Any::Bytes(b"a".to_vec()));
        assert_eq!(body(Body::Json, b"1.5"), Any::Float(1.5));
        assert!(matches!(body(Body::Json, br#"{"a": 1}"#), Any::Map(_)));
        assert_eq!(body(Body::Json, b"{oops"), Any::Text("{oops".into()));
        assert_eq!(body(Body::Json, b"\xff"), Any::Bytes(b"\xff".to_vec()));
    }

    #[test]
    fn the_severity_comes_from_inside_whatever_the_body_is() {
        let payload = br#"{"log": {"level": "error"}}"#;
        for kind in [Body::Text, Body::Json, Body::Bytes] {
            let record = record(kind, Some("/log/level"), payload);
            assert_eq!(
                (record.severity_number, &*record.severity_text),
                (17, "error")
            );
        }
        for without in [&b"{}"[..], b"no json", b"\xff"] {
            assert_eq!(
                record(Body::Text, Some("/log/level"), without).severity_number,
                0
            );
        }
    }
}
