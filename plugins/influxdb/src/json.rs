//! Makes a line of a JSON object, as the configuration maps it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::time::Precision;

/// Which part of a message becomes what.
#[derive(Debug)]
pub(crate) struct Mapping {
    pub(crate) measurement: Source,
    pub(crate) tags: BTreeMap<String, Source>,
    /// None takes every number, text and truth value of the object that is not taken otherwise.
    pub(crate) fields: Option<BTreeMap<String, String>>,
    /// Names of fields that are whole numbers; others are written with a fraction, because a field keeps
    /// the type of its first value, and 21 comes before 21.5.
    pub(crate) integers: BTreeSet<String>,
    /// Where the time stands.
    pub(crate) time: Option<String>,
    pub(crate) precision: Precision,
}

/// Where a text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The same in every line.
    Fixed(String),
    /// From the message, by a JSON pointer (RFC 6901).
    Pointer(String),
}

impl Source {
    /// A text that begins with a slash is a pointer.
    pub(crate) fn of(text: String) -> Self {
        match text.starts_with('/') {
            true => Self::Pointer(text),
            false => Self::Fixed(text),
        }
    }

    /// The text; none where the message has nothing or `null` there.
    fn text(&self, message: &Value) -> Result<Option<String>, String> {
        match self {
            Self::Fixed(text) => Ok(Some(text.clone())),
            Self::Pointer(pointer) => match message.pointer(pointer) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) => Ok(Some(text.clone())),
                Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
                Some(_) => Err(format!("What stands at {pointer} is no single value.")),
            },
        }
    }
}

impl Mapping {
    /// The line of a message, with its time and a line end.
    ///
    /// # Errors
    ///
    /// It cannot be one; a sentence says why.
    pub(crate) fn line(&self, payload: &[u8], usual: i64) -> Result<String, String> {
        let message: Value = serde_json::from_slice(payload)
            .map_err(|error| format!("The message is not JSON: {error}."))?;
        let Value::Object(object) = &message else {
            return Err("The message is no JSON object.".to_owned());
        };
        let measurement = self.measurement.text(&message)?;
        let measurement = measurement.filter(|name| !name.is_empty());
        let measurement = measurement.ok_or("The message has no measurement.")?;
        if measurement.starts_with('#') {
            return Err("A measurement that begins with # would be a comment.".to_owned());
        }
        let mut line = escaped(&measurement, &[',', ' '])?;
        for (name, source) in &self.tags {
            let value = source.text(&message)?;
            // A tag without a value cannot be written.
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                line.push(',');
                line.push_str(&escaped(name, &[',', '=', ' '])?);
                line.push('=');
                line.push_str(&escaped(&value, &[',', '=', ' '])?);
            }
        }
        let mut separator = ' ';
        for (name, value) in self.fields(&message, object) {
            let Some(value) = self.field(&name, value)? else {
                continue;
            };
            line.push(separator);
            line.push_str(&escaped(&name, &[',', '=', ' '])?);
            line.push('=');
            line.push_str(&value);
            separator = ',';
        }
        if separator == ' ' {
            return Err("The message has none of the fields.".to_owned());
        }
        let time = self
            .time
            .as_ref()
            .and_then(|pointer| message.pointer(pointer));
        let time = match time {
            None | Some(Value::Null) => usual,
            Some(value) => self
                .precision
                .of_json(value)
                .ok_or_else(|| format!("The time {value} is no time that InfluxDB keeps."))?,
        };
        Ok(format!("{line} {time}\n"))
    }

    /// The fields by their names, with `null` left out.
    fn fields<'a>(
        &self,
        message: &'a Value,
        object: &'a Map<String, Value>,
    ) -> Vec<(String, &'a Value)> {
        match &self.fields {
            Some(fields) => fields
                .iter()
                .filter_map(|(name, pointer)| Some((name.clone(), message.pointer(pointer)?)))
                .filter(|(_, value)| !value.is_null())
                .collect(),
            None => object
                .iter()
                .filter(|(name, value)| {
                    let single = value.is_number() || value.is_string() || value.is_boolean();
                    single && !self.takes(name)
                })
                .map(|(name, value)| (name.clone(), value))
                .collect(),
        }
    }

    /// Whether a key of the object becomes the measurement, a tag or the time.
    fn takes(&self, name: &str) -> bool {
        let here = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let is_here = |source: &Source| *source == Source::Pointer(here.clone());
        is_here(&self.measurement)
            || self.tags.values().any(is_here)
            || self.time.as_ref() == Some(&here)
    }

    /// A field's value as a line has it.
    fn field(&self, name: &str, value: &Value) -> Result<Option<String>, String> {
        let integer = self.integers.contains(name);
        match value {
            Value::Number(number) if integer => match number.as_i64() {
                Some(number) => Ok(Some(format!("{number}i"))),
                None => Err(format!(
                    "The field {name} is {number}, which is no whole number."
                )),
            },
            Value::Number(number) => Ok(Some(number.to_string())),
            _ if integer => Err(format!("The field {name} is no number.")),
            Value::String(text) => {
                let text = text.replace('\\', "\\\\").replace('"', "\\\"");
                Ok(Some(format!("\"{text}\"")))
            }
            Value::Bool(truth) => Ok(Some(truth.to_string())),
            Value::Null => Ok(None),
            Value::Array(_) | Value::Object(_) => {
                Err(format!("The field {name} is no single value."))
            }
        }
    }
}

/// A name or a tag's value with what has a meaning escaped. A line end, and a backslash at the end, cannot
/// be written at all.
fn escaped(text: &str, meaning: &[char]) -> Result<String, String> {
    if text.contains(['\n', '\r']) || text.ends_with('\\') {
        return Err(format!(
            "{text:?} has a line end, or ends with a backslash, which a name or tag cannot have."
        ));
    }
    let mut escaped = String::with_capacity(text.len() + 2);
    for character in text.chars() {
        if meaning.contains(&character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    Ok(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping() -> Mapping {
        Mapping {
            measurement: Source::Fixed("my weather".into()),
            tags: BTreeMap::from([
                ("city".to_owned(), Source::Pointer("/place/city".into())),
                ("site".to_owned(), Source::Fixed("a=1".into())),
            ]),
            fields: None,
            integers: BTreeSet::from(["count".to_owned()]),
            time: Some("/at".into()),
            precision: Precision::Seconds,
        }
    }

    fn line(mapping: &Mapping, json: &str) -> Result<String, String> {
        let line = mapping.line(json.as_bytes(), 42)?;
        // What is made here is what the reader of lines takes.
        let again = crate::line::with_times(&line, Precision::Nanoseconds, 0);
        assert_eq!(again.as_ref(), Ok(&line));
        Ok(line)
    }

    #[test]
    fn each_kind_of_value_is_written_in_its_own_way() {
        let json = r#"{"at": 17, "temp": 21, "count": 3, "wet": true, "note": "say \"hi\" \\ now",
            "place": {"city": "Köln, Süd"}, "nothing": null, "list": [1]}"#;
        assert_eq!(
            line(&mapping(), json).unwrap(),
            "my\\ weather,city=Köln\\,\\ Süd,site=a\\=1 count=3i,note=\"say \\\"hi\\\" \\\\ now\",temp=21,\
             wet=true 17000000000\n"
        );
    }

    #[test]
    fn fields_may_be_chosen_and_come_from_inside() {
        let mut mapping = mapping();
        mapping.measurement = Source::Pointer("/kind".into());
        mapping.tags.clear();
        let fields = [("t", "/values/0"), ("gone", "/values/9"), ("null", "/no")];
        let fields = fields.map(|(name, pointer)| (name.to_owned(), pointer.to_owned()));
        mapping.fields = Some(BTreeMap::from(fields));
        let json = r#"{"kind": "probe", "values": [0.5], "no": null, "other": 1}"#;
        assert_eq!(line(&mapping, json).unwrap(), "probe t=0.5 42\n");
    }

    #[test]
    fn keys_that_are_tags_or_the_time_are_no_fields() {
        let mut mapping = mapping();
        mapping.tags = BTreeMap::from([("a".to_owned(), Source::Pointer("/a~1b".into()))]);
        let json = r#"{"a/b": "x", "at": 1, "v": 2.5}"#;
        assert_eq!(
            line(&mapping, json).unwrap(),
            "my\\ weather,a=x v=2.5 1000000000\n"
        );
    }

    #[test]
    fn a_tag_that_is_missing_or_empty_is_left_out() {
        let json = r#"{"place": {"city": ""}, "v": 1}"#;
        assert_eq!(
            line(&mapping(), json).unwrap(),
            "my\\ weather,site=a\\=1 v=1 42\n"
        );
    }

    #[test]
    fn what_cannot_be_a_line_is_refused_with_the_reason() {
        for (json, reason) in [
            ("{", "not JSON"),
            ("[1]", "no JSON object"),
            ("{}", "none of the fields"),
            (r#"{"at": "soon", "v": 1}"#, "no time"),
            (r#"{"count": 1.5}"#, "no whole number"),
            (r#"{"count": "1"}"#, "no number"),
            (r#"{"place": {"city": {}}, "v": 1}"#, "no single value"),
            (r#"{"place": {"city": "a\nb"}, "v": 1}"#, "line end"),
            (r#"{"place": {"city": "a\\"}, "v": 1}"#, "backslash"),
            (r#"{"a\nb": 1}"#, "line end"),
        ] {
            let error = line(&mapping(), json).unwrap_err();
            assert!(error.contains(reason), "{json}: {error}");
        }
        let mut unnamed = mapping();
        unnamed.measurement = Source::Pointer("/kind".into());
        let error = line(&unnamed, r#"{"v": 1}"#).unwrap_err();
        assert!(error.contains("no measurement"), "{error}");
        let error = line(&unnamed, r##"{"kind": "#1", "v": 1}"##).unwrap_err();
        assert!(error.contains("comment"), "{error}");
    }
}
