//! Texts with places for what a message carries, such as the topic or the subject it goes to.
//!
//! `plant/{stream}/{json:/device/id}` becomes `plant/telemetry/press-4` for a message of the stream
//! `telemetry` whose payload is JSON with that id. The places are `{stream}`, `{export}`,
//! `{sequenceNumber}`, `{ingestTime}` (milliseconds since the Unix epoch) and `{json:POINTER}`, a JSON
//! pointer (RFC 6901) to a text, a number or a boolean of the payload. `{{` and `}}` stand for braces.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use crate::{ExportContext, Message};

/// A text with places, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Stream,
    Export,
    SequenceNumber,
    IngestTime,
    Json(String),
}

impl Template {
    /// The text as it is configured.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text, if every message gets the same: then it can be checked before there is one.
    pub fn constant(&self, context: &ExportContext) -> Option<String> {
        let depends = |part: &Part| !matches!(part, Part::Text(_) | Part::Stream | Part::Export);
        if self.parts.iter().any(depends) {
            return None;
        }
        let nothing = Message {
            sequence_number: 0,
            ingest_time: 0,
            payload: Vec::new(),
        };
        self.render(context, &nothing).ok()
    }

    /// The text for one message.
    ///
    /// # Errors
    ///
    /// The payload lacks what the template needs; a sentence for operators.
    pub fn render(&self, context: &ExportContext, message: &Message) -> Result<String, String> {
        let mut out = String::with_capacity(self.text.len() + 32);
        // Parsed once, and only if it is needed.
        let mut payload: Option<Value> = None;
        for part in &self.parts {
            let written = match part {
                Part::Text(text) => out.write_str(text),
                Part::Stream => out.write_str(&context.stream_name),
                Part::Export => out.write_str(&context.export_identifier),
                Part::SequenceNumber => write!(out, "{}", message.sequence_number),
                Part::IngestTime => write!(out, "{}", message.ingest_time),
                Part::Json(pointer) => {
                    if payload.is_none() {
                        let parsed = serde_json::from_slice(&message.payload);
                        let parsed = parsed.map_err(|_| {
                            format!("The payload is not JSON, which `{}` needs.", self.text)
                        })?;
                        payload = Some(parsed);
                    }
                    let found = payload
                        .as_ref()
                        .and_then(|payload| text_at(payload, pointer));
                    let found = found.ok_or_else(|| {
                        format!(
                            "The payload has no text or number at `{pointer}`, which `{}` needs.",
                            self.text
                        )
                    })?;
                    out.write_str(&found)
                }
            };
            written.map_err(|error| error.to_string())?;
        }
        Ok(out)
    }
}

/// The text, the number or the boolean at this JSON pointer (RFC 6901), as text.
pub fn text_at<'a>(document: &'a Value, pointer: &str) -> Option<Cow<'a, str>> {
    match document.pointer(pointer)? {
        Value::String(text) => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(value) => Some(value.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        const PLACES: &str = "{stream}, {export}, {sequenceNumber}, {ingestTime} and {json:/path}";
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            literal.push_str(before);
            if let Some(after) = brace.strip_prefix("{{") {
                literal.push('{');
                rest = after;
                continue;
            }
            if let Some(after) = brace.strip_prefix("}}") {
                literal.push('}');
                rest = after;
                continue;
            }
            let place = brace
                .strip_prefix('{')
                .and_then(|brace| brace.split_once('}'));
            let Some((place, after)) = place else {
                return Err(
                    "a single brace begins or ends a place; write {{ or }} for a brace".to_owned(),
                );
            };
            let part = match place {
                "stream" => Part::Stream,
                "export" => Part::Export,
                "sequenceNumber" => Part::SequenceNumber,
                "ingestTime" => Part::IngestTime,
                _ => match place.strip_prefix("json:") {
                    Some(pointer) if pointer.starts_with('/') => Part::Json(pointer.to_owned()),
                    _ => return Err(format!("`{{{place}}}` is no place; there are {PLACES}")),
                },
            };
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(part);
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { text, parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Result<Template, String> {
        Template::try_from(text.to_owned())
    }

    fn context() -> ExportContext {
        ExportContext {
            stream_name: "readings".into(),
            export_identifier: "cloud".into(),
        }
    }

    fn render(text: &str, payload: &str) -> Result<String, String> {
        let message = Message {
            sequence_number: 7,
            ingest_time: 99,
            payload: payload.into(),
        };
        template(text).unwrap().render(&context(), &message)
    }

    #[test]
    fn each_place_takes_what_the_message_carries() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("{stream}:{sequenceNumber}", "readings:7"),
            ("a/{export}/{ingestTime}/b", "a/cloud/99/b"),
            ("{{{stream}}}", "{readings}"),
            ("{json:/a}-{json:/b/0}-{json:/c}", "x-1.5-true"),
            ("{json:/d~1e}", "slash"),
        ] {
            let payload = r#"{"a":"x","b":[1.5],"c":true,"d/e":"slash","f":{}}"#;
            assert_eq!(render(text, payload).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_payload_that_lacks_what_is_needed_says_so() {
        for payload in ["", "{", "{}", r#"{"a":null}"#, r#"{"a":{}}"#] {
            let reason = render("x/{json:/a}", payload).unwrap_err();
            assert!(reason.contains("`x/{json:/a}`"), "{reason}");
        }
        assert!(render("x/{stream}", "no json").is_ok());
    }

    #[test]
    fn an_unknown_place_and_a_lost_brace_are_refused() {
        for text in [
            "{",
            "}",
            "a{b",
            "{streams}",
            "{}",
            "{json:}",
            "{json:a}",
            "{a}}",
        ] {
            assert!(template(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_does_not_depend_on_the_message_is_known() {
        let constant = |text| template(text).unwrap().constant(&context());
        let text = constant("a/{stream}/{export}");
        assert_eq!(text.as_deref(), Some("a/readings/cloud"));
        assert_eq!(constant("{json:/a}"), None);
    }
}
