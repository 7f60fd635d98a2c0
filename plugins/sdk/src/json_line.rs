//! One message as one line of JSON, for exporters that write files:
//! `{"stream":"readings","sequenceNumber":7,"ingestTime":1767225600000,"payload":"21.5"}`.

use std::io::{self, Write};

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::Message;

/// How payloads stand in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    /// As text if it is UTF-8, else as base64.
    #[default]
    Auto,
    /// As text; what is not UTF-8 is rejected.
    Text,
    /// As base64, always.
    Base64,
    /// As the JSON value that it is, else as `Auto` has it.
    Json,
}

/// A payload in the form that its line will have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form<'a> {
    /// A JSON string.
    Text(&'a str),
    /// A JSON string in base64; the line says so with `"encoding":"base64"`.
    Base64(&'a [u8]),
    /// One JSON value.
    Json(&'a str),
}

impl<'a> Form<'a> {
    /// The form that `wanted` gives to a payload.
    ///
    /// # Errors
    ///
    /// It has none; why, in a sentence for a rejection.
    pub fn new(payload: &'a [u8], wanted: Payload) -> Result<Self, String> {
        let text = match wanted {
            Payload::Base64 => return Ok(Self::Base64(payload)),
            Payload::Auto | Payload::Text | Payload::Json => std::str::from_utf8(payload),
        };
        match (text, wanted) {
            (Ok(text), Payload::Json) if is_json(text) => Ok(Self::Json(text)),
            (Ok(text), _) => Ok(Self::Text(text)),
            (Err(error), Payload::Text) => Err(format!(
                "The payload is not text: {error}; with `payload` set to `auto` it would be exported \
                 in base64."
            )),
            (Err(_), _) => Ok(Self::Base64(payload)),
        }
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// More than what stands before a payload beside the stream's name: keys and two numbers.
const HEAD_BYTES: usize = 96;

/// Writes the line of a message, with its end.
///
/// # Errors
///
/// Those of `out`.
pub fn write(
    out: &mut dyn Write,
    stream_name: &str,
    message: &Message,
    form: Form<'_>,
) -> io::Result<()> {
    let mut number = itoa::Buffer::new();
    let mut head = Vec::with_capacity(stream_name.len() + HEAD_BYTES);
    head.extend_from_slice(b"{\"stream\":");
    serde_json::to_writer(&mut head, stream_name)?;
    head.extend_from_slice(b",\"sequenceNumber\":");
    head.extend_from_slice(number.format(message.sequence_number).as_bytes());
    head.extend_from_slice(b",\"ingestTime\":");
    head.extend_from_slice(number.format(message.ingest_time).as_bytes());
    head.extend_from_slice(b",\"payload\":");
    out.write_all(&head)?;
    match form {
        Form::Text(text) => serde_json::to_writer(&mut *out, text)?,
        Form::Json(text) => {
            // Line ends stand between the tokens of a JSON value only: inside a string they are
            // escaped. Without them the value keeps its meaning and fits in a line.
            for part in text.split(['\r', '\n']) {
                out.write_all(part.as_bytes())?;
            }
        }
        Form::Base64(bytes) => {
            out.write_all(b"\"")?;
            let mut encoder = EncoderWriter::new(&mut *out, &STANDARD);
            encoder.write_all(bytes)?;
            encoder.finish()?;
            drop(encoder);
            out.write_all(b"\",\"encoding\":\"base64\"")?;
        }
    }
    out.write_all(b"}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(payload: &[u8], wanted: Payload) -> String {
        let message = Message {
            sequence_number: 7,
            ingest_time: 1_767_225_600_000,
            payload: payload.to_vec(),
        };
        let mut out = Vec::new();
        write(
            &mut out,
            "a \"b\"",
            &message,
            Form::new(payload, wanted).unwrap(),
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    }

    fn payload_of(line: &str) -> serde_json::Value {
        assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["payload"].clone()
    }

    #[test]
    fn a_line_has_the_message_and_where_it_came_from() {
        assert_eq!(
            line(b"21.5", Payload::Auto),
            "{\"stream\":\"a \\\"b\\\"\",\"sequenceNumber\":7,\"ingestTime\":1767225600000,\
             \"payload\":\"21.5\"}\n"
        );
    }

    #[test]
    fn what_is_not_text_becomes_base64_and_says_so() {
        let line = line(b"\xff\x00", Payload::Auto);
        assert!(
            line.ends_with("\"payload\":\"/wA=\",\"encoding\":\"base64\"}\n"),
            "{line}"
        );
    }

    #[test]
    fn base64_is_used_for_text_too_where_it_is_asked_for() {
        assert_eq!(payload_of(&line(b"text", Payload::Base64)), "dGV4dA==");
    }

    #[test]
    fn text_with_line_ends_and_control_characters_stays_one_line() {
        let payload = "a\r\nb\u{0}\u{2028}c";
        assert_eq!(
            payload_of(&line(payload.as_bytes(), Payload::Text)),
            payload
        );
    }

    #[test]
    fn where_text_is_asked_for_other_bytes_are_rejected_with_a_reason() {
        let reason = Form::new(b"\xff", Payload::Text).unwrap_err();
        assert!(reason.contains("`auto`"), "{reason}");
    }

    #[test]
    fn a_json_payload_is_embedded_with_all_its_digits_on_one_line() {
        let line = line(
            b"{\n  \"t\": 0.10,\r\n  \"n\": 12345678901234567890123\n}",
            Payload::Json,
        );
        assert!(
            line.contains("\"payload\":{  \"t\": 0.10,  \"n\": 12345678901234567890123}"),
            "{line}"
        );
        payload_of(&line);
    }

    #[test]
    fn a_payload_that_is_almost_json_becomes_text() {
        for payload in ["{", "1 2", "nul", "{\"a\":\"\n\"}", ""] {
            assert_eq!(
                payload_of(&line(payload.as_bytes(), Payload::Json)),
                payload
            );
        }
    }

    #[test]
    fn where_json_is_asked_for_other_bytes_become_base64() {
        assert_eq!(
            Form::new(b"\"\xff\"", Payload::Json),
            Ok(Form::Base64(b"\"\xff\""))
        );
    }
}
