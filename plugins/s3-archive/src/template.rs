//! Keys of objects.
//!
//! A template such as `{stream}/{year}/{month}/{day}/{first}-{last}-{time}.{ext}` becomes a key with
//! what is known of an object before it is written, and with nothing else: written again, the same
//! object has the same key. Numbers have 20 digits and dates all their zeros, so that a listing is in
//! the order of the stream.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::plan::Plan;

/// The longest key, in bytes of UTF-8 (Amazon S3 User Guide, "Naming Amazon S3 objects").
const MAX_KEY: usize = 1024;
/// Characters beside letters and digits that S3 calls safe (the same page), and `=`, with which data
/// lakes name their partitions.
const SAFE: &[u8] = b"!-_.*'()=/";

/// The usual template.
pub(crate) const USUAL: &str = "{stream}/{year}/{month}/{day}/{first}-{last}-{time}.{ext}";

/// How the keys of an export are made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Stream,
    Export,
    Year,
    Month,
    Day,
    Hour,
    Time,
    First,
    Last,
    Extension,
}

impl Field {
    const ALL: [(&'static str, Self); 10] = [
        ("stream", Self::Stream),
        ("export", Self::Export),
        ("year", Self::Year),
        ("month", Self::Month),
        ("day", Self::Day),
        ("hour", Self::Hour),
        ("time", Self::Time),
        ("first", Self::First),
        ("last", Self::Last),
        ("ext", Self::Extension),
    ];
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (plain, behind) = rest.split_once('{').unwrap_or((rest, ""));
            if let Some(wrong) = plain.chars().find(|c| !is_safe(*c)) {
                return Err(format!(
                    "{wrong:?} is no character for a key; letters, digits and !-_.*'()=/ are"
                ));
            }
            if !plain.is_empty() {
                parts.push(Part::Text(plain.to_owned()));
            }
            if plain.len() == rest.len() {
                break;
            }
            let (name, behind) = behind
                .split_once('}')
                .ok_or("a `{` has no `}` that closes it")?;
            let (_, field) = Field::ALL
                .into_iter()
                .find(|(known, _)| *known == name)
                .ok_or_else(|| unknown(name))?;
            parts.push(Part::Field(field));
            rest = behind;
        }
        if !parts.contains(&Part::Field(Field::First)) {
            return Err("without `{first}` objects would overwrite each other".to_owned());
        }
        let wrong_segment =
            |segment: &str| segment.is_empty() || segment.bytes().all(|b| b == b'.');
        if text.split('/').any(wrong_segment) {
            return Err(
                "a key neither begins nor ends with `/`, and has something between two of them \
                 that is not only dots"
                    .to_owned(),
            );
        }
        Ok(Self(parts))
    }
}

fn unknown(name: &str) -> String {
    let known = Field::ALL.map(|(name, _)| format!("{{{name}}}")).join(", ");
    format!("there is no `{{{name}}}`; a key is made of {known}")
}

fn is_safe(c: char) -> bool {
    u8::try_from(c).is_ok_and(|byte| byte.is_ascii_alphanumeric() || SAFE.contains(&byte))
}

/// The keys of one export.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    template: Template,
    stream: String,
    export: String,
    extension: &'static str,
}

impl Keys {
    /// Keys for an export of a stream.
    ///
    /// # Errors
    ///
    /// They would be too long.
    pub(crate) fn new(
        template: Template,
        stream: &str,
        export: &str,
        extension: &'static str,
    ) -> Result<Self, String> {
        let keys = Self {
            template,
            stream: encoded(stream),
            export: encoded(export),
            extension,
        };
        // The fields of an object have the same length in every key.
        let length = keys.key(&Plan::new(0, 0, 0)).len();
        if length > MAX_KEY {
            return Err(format!(
                "The keys of the stream `{stream}` would have {length} bytes, and S3 takes {MAX_KEY}; \
                 shorten the template."
            ));
        }
        Ok(keys)
    }

    /// The name of the stream as it stands in keys.
    pub(crate) fn stream(&self) -> &str {
        &self.stream
    }

    /// The key of an object.
    pub(crate) fn key(&self, plan: &Plan) -> String {
        let time = i64::try_from(plan.first_time)
            .ok()
            .and_then(|millis| Timestamp::from_millisecond(millis).ok())
            .unwrap_or(Timestamp::MAX)
            .to_zoned(TimeZone::UTC);
        let mut key = String::new();
        for part in &self.template.0 {
            let field = match part {
                Part::Text(text) => {
                    key.push_str(text);
                    continue;
                }
                Part::Field(field) => field,
            };
            let written = match field {
                Field::Stream => write!(key, "{}", self.stream),
                Field::Export => write!(key, "{}", self.export),
                Field::Year => write!(key, "{:04}", time.year()),
                Field::Month => write!(key, "{:02}", time.month()),
                Field::Day => write!(key, "{:02}", time.day()),
                Field::Hour => write!(key, "{:02}", time.hour()),
                Field::Time => write!(
                    key,
                    "{:04}{:02}{:02}T{:02}{:02}{:02}.{:03}Z",
                    time.year(),
                    time.month(),
                    time.day(),
                    time.hour(),
                    time.minute(),
                    time.second(),
                    time.millisecond()
                ),
                Field::First => write!(key, "{:020}", plan.first),
                Field::Last => write!(key, "{:020}", plan.last),
                Field::Extension => write!(key, "{}", self.extension),
            };
            // Writing into a text cannot fail.
            debug_assert!(written.is_ok());
        }
        key
    }
}

/// A name in characters that are safe in a key. Letters, digits, `-`, `.` and `_` stay; any other byte,
/// and a dot at the beginning, becomes `_x` and two hexadecimal digits. A `_` that would then be read as
/// such a sign is written so itself: two names never become one.
fn encoded(name: &str) -> String {
    let bytes = name.as_bytes();
    let mut encoded = String::with_capacity(bytes.len());
    for (place, &byte) in bytes.iter().enumerate() {
        let stays = match byte {
            b'.' => place > 0,
            b'_' => !looks_like_a_sign(bytes.get(place..).unwrap_or_default()),
            _ => byte.is_ascii_alphanumeric() || byte == b'-',
        };
        if stays {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("_x{byte:02X}"));
        }
    }
    encoded
}

fn looks_like_a_sign(bytes: &[u8]) -> bool {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    matches!(bytes, [b'_', b'x', high, low, ..] if is_digit(high) && is_digit(low))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(text: &str) -> Template {
        Template::try_from(text.to_owned()).unwrap()
    }

    fn keys(template: Template, stream: &str) -> Keys {
        Keys::new(template, stream, "to-s3", "jsonl.gz").unwrap()
    }

    // 2026-01-31T23:59:59.007Z
    const PLAN: Plan = Plan {
        first: 42,
        last: 1234,
        end: 1234,
        was_cut: false,
        first_time: 1_769_903_999_007,
    };

    #[test]
    fn the_usual_key_has_stream_date_and_numbers() {
        assert_eq!(
            keys(template(USUAL), "press 4").key(&PLAN),
            "press_x204/2026/01/31/00000000000000000042-00000000000000001234-\
             20260131T235959.007Z.jsonl.gz"
        );
    }

    #[test]
    fn the_usual_template_is_the_one_of_the_schema() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("config.schema.json")).unwrap();
        assert_eq!(schema["properties"]["key"]["default"], USUAL);
    }

    #[test]
    fn every_field_has_its_place() {
        let template =
            template("a/{stream}-{export}/d={year}-{month}-{day}/h={hour}/{last}.{first}");
        assert_eq!(
            keys(template, "s").key(&PLAN),
            "a/s-to-s3/d=2026-01-31/h=23/00000000000000001234.00000000000000000042"
        );
    }

    #[test]
    fn times_that_no_calendar_has_still_make_a_key() {
        let plan = Plan {
            first_time: u64::MAX,
            ..PLAN
        };
        let key = keys(template("{year}/{first}"), "s").key(&plan);
        assert_eq!(key, "9999/00000000000000000042");
    }

    #[test]
    fn a_template_that_cannot_work_says_why() {
        for (text, why) in [
            ("", "without `{first}`"),
            ("{stream}/{last}", "without `{first}`"),
            ("/{first}", "begins"),
            ("{first}/", "ends"),
            ("a//{first}", "between"),
            ("a/../{first}", "dots"),
            ("{first", "no `}`"),
            ("{first}}", "'}' is no character"),
            ("{date}/{first}", "there is no `{date}`"),
            ("a b/{first}", "' ' is no character"),
            ("ä/{first}", "'ä' is no character"),
            ("a\\{first}", "is no character"),
        ] {
            let error = Template::try_from(text.to_owned()).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn keys_that_would_be_too_long_are_refused() {
        let long = template(&format!("{}/{{first}}", "a".repeat(1003)));
        assert_eq!(keys(long, "s").key(&PLAN).len(), 1024);
        let longer = template(&format!("{}/{{first}}", "a".repeat(1004)));
        let error = Keys::new(longer, "s", "e", "x").unwrap_err();
        assert!(error.contains("1025 bytes"), "{error}");
    }

    #[test]
    fn names_stay_readable_where_they_can() {
        for (name, wanted) in [
            ("press-4_line.12", "press-4_line.12"),
            ("a b,c/ä", "a_x20b_x2Cc_x2F_xC3_xA4"),
            ("..", "_x2E."),
            ("a_x20b", "a_x5Fx20b"),
            ("a_xy", "a_xy"),
        ] {
            assert_eq!(encoded(name), wanted);
        }
    }

    fn decoded(text: &str) -> Vec<u8> {
        let mut rest = text.as_bytes();
        let mut name = Vec::new();
        while let Some((&byte, behind)) = rest.split_first() {
            if looks_like_a_sign(rest) {
                let digits = std::str::from_utf8(&rest[2..4]).unwrap();
                name.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &rest[4..];
            } else {
                name.push(byte);
                rest = behind;
            }
        }
        name
    }

    proptest! {
        #[test]
        fn two_names_never_become_one(name in "[_x25F. ä]{0,12}|\\PC{0,20}") {
            let encoded = encoded(&name);
            prop_assert_eq!(decoded(&encoded), name.as_bytes());
            prop_assert!(encoded.chars().all(|c| is_safe(c) && c != '/'));
        }
    }
}
