//! The envelope of a dead letter: one JSON object, which `docs/dead-letters.md` describes to those who
//! read it.
//!
//! A field may be added; a reader passes over those that it does not know. Whatever else changes
//! makes another version.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use millstream_runtime::Message;
use serde::{Deserialize, Serialize};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// A rejected message with what is known about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Envelope {
    version: u32,
    pub(crate) stream: String,
    pub(crate) export: String,
    pub(crate) plugin: String,
    /// The number of the message in its own stream.
    pub(crate) sequence_number: u64,
    /// When its own stream took it, in milliseconds since the epoch.
    pub(crate) ingest_time: u64,
    /// In milliseconds since the epoch.
    pub(crate) rejected_at: u64,
    pub(crate) reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoding>,
    /// In bytes, where the payload is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_size: Option<u64>,
}

/// How a payload is written that is not written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Base64,
}

/// What the message carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    Whole(Bytes),
    /// It did not fit into the dead-letter stream; it had this many bytes.
    LeftOut(u64),
}

impl Envelope {
    /// Puts a message into an envelope that was rejected by the export `from`: its stream, its
    /// identifier and its plugin.
    pub(super) fn new(
        from: (&str, &str, &str),
        message: &Message,
        rejected_at: u64,
        reason: &str,
    ) -> Self {
        let (stream, export, plugin) = from;
        let (payload, encoding) = match as_text(&message.payload) {
            Some(text) => (text.to_owned(), None),
            None => (STANDARD.encode(&message.payload), Some(Encoding::Base64)),
        };
        Self {
            version: VERSION,
            stream: stream.to_owned(),
            export: export.to_owned(),
            plugin: plugin.to_owned(),
            sequence_number: message.sequence_number,
            ingest_time: message.ingest_time,
            rejected_at,
            reason: reason.to_owned(),
            payload: Some(payload),
            encoding,
            payload_size: None,
        }
    }

    /// Says the size in place of the payload.
    pub(super) fn leave_payload_out(&mut self, size: u64) {
        (self.payload, self.encoding) = (None, None);
        self.payload_size = Some(size);
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        // Text and numbers: there is nothing here that JSON cannot hold.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Reads a message of a dead-letter stream; none if it is not an envelope of this version.
    /// Everybody may append to a stream, so nothing is sure before it was read.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let envelope: Self = serde_json::from_slice(bytes).ok()?;
        envelope.payload()?;
        (envelope.version == VERSION).then_some(envelope)
    }

    /// What the message carried, byte for byte; none if that is not base64 which should be.
    pub(crate) fn payload(&self) -> Option<Payload> {
        Some(match (&self.payload, self.encoding) {
            (Some(text), None) => Payload::Whole(Bytes::copy_from_slice(text.as_bytes())),
            (Some(text), Some(Encoding::Base64)) => {
                Payload::Whole(STANDARD.decode(text).ok()?.into())
            }
            (None, _) => Payload::LeftOut(self.payload_size.unwrap_or_default()),
        })
    }
}

/// A payload as text, if it is UTF-8 and JSON does not make it longer than twice its size. Zeroed
/// bytes are UTF-8 too, and as text would take six bytes each.
fn as_text(payload: &[u8]) -> Option<&str> {
    let written = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    let length: usize = payload.iter().map(written).sum();
    let text = std::str::from_utf8(payload).ok()?;
    (length / 2 <= payload.len()).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const FROM: (&str, &str, &str) = ("telemetry", "to-server", "http");

    fn message(payload: &[u8]) -> Message {
        Message {
            sequence_number: 13,
            ingest_time: 1_767_225_600_000,
            payload: Bytes::copy_from_slice(payload),
        }
    }

    fn written(payload: &[u8]) -> Bytes {
        Envelope::new(FROM, &message(payload), 1_767_225_601_000, "no such sensor").to_bytes()
    }

    fn json_of(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn an_envelope_is_what_the_document_shows() {
        let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/dead-letters.md");
        let document = std::fs::read_to_string(document).unwrap();
        let shown: Vec<Value> = document
            .split("```json\n")
            .skip(1)
            .map(|rest| json_of(rest.split("```").next().unwrap().as_bytes()))
            .collect();
        let mut left_out = Envelope::new(
            FROM,
            &message(b"x"),
            1_767_225_601_000,
            "its 20971520 bytes are more than the plugin takes (16777216)",
        );
        left_out.leave_payload_out(20_971_520);
        let expected = [
            json_of(&written(br#"{"sensor":99}"#)),
            json_of(&written(&[0xff, 0, 1])),
            json_of(&left_out.to_bytes()),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn text_stays_text_and_anything_else_is_base64_and_at_most_twice_as_long() {
        assert_eq!(json_of(&written("°C\n".as_bytes()))["payload"], "°C\n");
        assert_eq!(json_of(&written("°C".as_bytes())).get("encoding"), None);
        for payload in [&[0xff; 1000][..], &[0; 1000], &[b'"'; 1000]] {
            let written = written(payload);
            assert!(written.len() < 2 * 1000 + 300, "{}", written.len());
        }
        assert_eq!(json_of(&written(&[0; 9]))["encoding"], "base64");
    }

    #[test]
    fn what_is_no_envelope_of_this_version_is_not_read_as_one() {
        let mut envelope = json_of(&written(&[0xff]));
        envelope["later"] = json!(1);
        assert!(Envelope::read(envelope.to_string().as_bytes()).is_some());
        for (key, value) in [
            ("version", json!(2)),
            ("payload", json!("not base64!")),
            ("encoding", json!("rot13")),
            ("sequenceNumber", json!("13")),
        ] {
            let mut other = envelope.clone();
            other[key] = value;
            assert_eq!(Envelope::read(other.to_string().as_bytes()), None, "{key}");
        }
        assert_eq!(Envelope::read(b"21.5"), None);
    }

    proptest! {
        #[test]
        fn any_message_comes_out_of_its_envelope_as_it_went_in(
            payload in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                "\\PC{0,60}".prop_map(String::into_bytes),
                any::<String>().prop_map(String::into_bytes),
            ],
            numbers in any::<(u64, u64, u64)>(),
            texts in any::<(String, String, String, String)>(),
        ) {
            let (sequence_number, ingest_time, rejected_at) = numbers;
            let (stream, export, plugin, reason) = texts;
            let payload = Bytes::from(payload);
            let message = Message { sequence_number, ingest_time, payload: payload.clone() };
            let from = (stream.as_str(), export.as_str(), plugin.as_str());
            let envelope = Envelope::new(from, &message, rejected_at, &reason);
            let read = Envelope::read(&envelope.to_bytes());
            prop_assert_eq!(read.as_ref(), Some(&envelope));
            prop_assert_eq!(envelope.payload(), Some(Payload::Whole(payload)));
            prop_assert_eq!(
                (envelope.sequence_number, envelope.ingest_time, envelope.rejected_at),
                numbers
            );
            prop_assert_eq!(
                (envelope.stream, envelope.export, envelope.plugin, envelope.reason),
                (stream, export, plugin, reason)
            );
        }
    }
}
