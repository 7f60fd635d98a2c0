//! The key of a record.

use bytes::Bytes;
use millstream_plugin::template::text_at;
use serde::Deserialize;
use serde_json::Value;

/// How a message gets its key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Key {
    /// It has none.
    #[default]
    None,
    /// The same text for all.
    Fixed(String),
    /// The text, number or boolean at this JSON pointer (RFC 6901) of the payload; none where there is
    /// none.
    Json(String),
}

/// The longest key that a configuration may fix, in bytes; the protocol's own limit is the batch.
const LONGEST_FIXED: usize = 1024;

impl TryFrom<String> for Key {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "none" => Ok(Self::None),
            Some(("fixed", key)) if (1..=LONGEST_FIXED).contains(&key.len()) => {
                Ok(Self::Fixed(key.to_owned()))
            }
            Some(("fixed", _)) => Err(format!("a fixed key has 1 to {LONGEST_FIXED} bytes")),
            Some(("json", pointer)) if pointer.starts_with('/') => {
                Ok(Self::Json(pointer.to_owned()))
            }
            Some(("json", _)) => {
                Err("a JSON pointer starts with `/`, such as `json:/device/id`".to_owned())
            }
            _ => Err("a key is `none`, `fixed:TEXT` or `json:POINTER`".to_owned()),
        }
    }
}

impl Key {
    /// The key of a message with this payload.
    pub(crate) fn of(&self, payload: &[u8]) -> Option<Bytes> {
        match self {
            Self::None => None,
            Self::Fixed(key) => Some(Bytes::copy_from_slice(key.as_bytes())),
            Self::Json(pointer) => {
                let document: Value = serde_json::from_slice(payload).ok()?;
                let text = text_at(&document, pointer)?;
                Some(text.into_owned().into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<Key, String> {
        text.to_owned().try_into()
    }

    #[test]
    fn a_fixed_key_is_taken_as_it_stands() {
        assert_eq!(key("fixed:a:b").unwrap().of(b"x").unwrap(), "a:b");
        assert_eq!(key("none").unwrap().of(b"x"), None);
    }

    #[test]
    fn a_pointer_finds_text_numbers_and_booleans() {
        let payload = br#"{"device": {"id": "pump-7", "number": 12, "on": true, "no": ""}}"#;
        for (name, expected) in [
            ("id", "pump-7"),
            ("number", "12"),
            ("on", "true"),
            ("no", ""),
        ] {
            let key = key(&format!("json:/device/{name}")).unwrap();
            assert_eq!(key.of(payload).unwrap(), expected);
        }
    }

    #[test]
    fn where_a_pointer_finds_nothing_there_is_no_key() {
        let by_id = key("json:/id").unwrap();
        for payload in ["no json", "{}", r#"{"id": null}"#, r#"{"id": [1]}"#] {
            assert_eq!(by_id.of(payload.as_bytes()), None, "{payload}");
        }
    }

    #[test]
    fn other_words_are_refused() {
        let long = format!("fixed:{}", "k".repeat(LONGEST_FIXED + 1));
        for text in [
            "", "None", "random", "fixed", "fixed:", "json:", "json:id", &long,
        ] {
            assert!(key(text).is_err(), "{text}");
        }
    }
}
