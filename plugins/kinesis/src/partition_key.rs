//! Which shard a record goes to: Kinesis takes the hash of its partition key.

use millstream_plugin::ExportError;
use serde::Deserialize;
use serde_json::Value;

/// The shortest key in bytes (API reference of `PutRecordsRequestEntry`).
pub(crate) const MIN_KEY_BYTES: u64 = 1;
/// The longest key in characters (the same page).
const MAX_KEY_CHARS: usize = 256;

/// How a message gets its key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum PartitionKey {
    /// A fresh random UUID for each record: spreads evenly over the shards.
    #[default]
    Random,
    /// The same text for all: one shard, which keeps the order.
    Fixed(String),
    /// The text, number or boolean at this JSON pointer (RFC 6901) of the payload, so that the
    /// records of one device, say, keep their order. Longer ones are cut to 256 characters. Where
    /// there is none, a random key.
    Json(String),
}

impl TryFrom<String> for PartitionKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "random" => Ok(Self::Random),
            Some(("fixed", key)) if (1..=MAX_KEY_CHARS).contains(&key.chars().count()) => {
                Ok(Self::Fixed(key.to_owned()))
            }
            Some(("fixed", _)) => Err(format!(
                "a fixed partition key has 1 to {MAX_KEY_CHARS} characters"
            )),
            Some(("json", pointer)) if pointer.starts_with('/') => {
                Ok(Self::Json(pointer.to_owned()))
            }
            Some(("json", _)) => {
                Err("a JSON pointer starts with `/`, such as `json:/device/id`".to_owned())
            }
            _ => Err("a partition key is `random`, `fixed:TEXT` or `json:POINTER`".to_owned()),
        }
    }
}

impl PartitionKey {
    /// The key of a message with this payload.
    ///
    /// # Errors
    ///
    /// Unavailable, if the host gives no random numbers.
    pub(crate) fn of(&self, payload: &[u8]) -> Result<String, ExportError> {
        let found = match self {
            Self::Random => None,
            Self::Fixed(key) => Some(key.clone()),
            Self::Json(pointer) => find(payload, pointer),
        };
        found.map_or_else(random, Ok)
    }
}

/// The non-empty scalar at `pointer`, as text.
fn find(payload: &[u8], pointer: &str) -> Option<String> {
    let document: Value = serde_json::from_slice(payload).ok()?;
    let text = match document.pointer(pointer)? {
        Value::String(text) => text.chars().take(MAX_KEY_CHARS).collect(),
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

/// A random UUID (version 4), as text.
fn random() -> Result<String, ExportError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        ExportError::unavailable(format!(
            "The host gave no random numbers for partition keys: {error}."
        ))
    })?;
    let bits = u128::from_be_bytes(bytes) & !(0xf << 76 | 0x3 << 62) | (0x4 << 76 | 0x2 << 62);
    let digits = format!("{bits:032x}");
    let mut uuid = String::with_capacity(36);
    for (place, digit) in digits.chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            uuid.push('-');
        }
        uuid.push(digit);
    }
    Ok(uuid)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn key(text: &str) -> Result<PartitionKey, String> {
        PartitionKey::try_from(text.to_owned())
    }

    #[test]
    fn a_random_key_is_a_uuid_and_never_the_same() {
        let keys: HashSet<String> = (0..100)
            .map(|_| PartitionKey::Random.of(b"x").unwrap())
            .collect();
        assert_eq!(keys.len(), 100);
        for key in keys {
            assert_eq!(key.len(), 36, "{key}");
            assert_eq!(key.as_bytes()[14], b'4', "{key}");
            assert!(b"89ab".contains(&key.as_bytes()[19]), "{key}");
        }
    }

    #[test]
    fn a_fixed_key_is_taken_as_it_stands() {
        assert_eq!(key("fixed:a:b").unwrap().of(b"x").unwrap(), "a:b");
    }

    #[test]
    fn a_pointer_finds_text_numbers_and_booleans() {
        let payload = br#"{"device": {"id": "pump-7", "number": 12, "on": true}}"#;
        for (pointer, expected) in [("id", "pump-7"), ("number", "12"), ("on", "true")] {
            let key = key(&format!("json:/device/{pointer}")).unwrap();
            assert_eq!(key.of(payload).unwrap(), expected);
        }
    }

    #[test]
    fn a_pointer_that_finds_no_scalar_gives_a_random_key() {
        let by_id = key("json:/id").unwrap();
        for payload in [
            "no json",
            "{}",
            r#"{"id": ""}"#,
            r#"{"id": null}"#,
            r#"{"id": [1]}"#,
        ] {
            assert_eq!(by_id.of(payload.as_bytes()).unwrap().len(), 36, "{payload}");
        }
    }

    #[test]
    fn a_long_text_is_cut_to_what_the_service_takes() {
        let payload = format!(r#"{{"id": "{}"}}"#, "é".repeat(300));
        let found = key("json:/id").unwrap().of(payload.as_bytes()).unwrap();
        assert_eq!(found.chars().count(), 256);
    }

    #[test]
    fn other_words_are_refused() {
        let long = format!("fixed:{}", "k".repeat(257));
        for text in [
            "",
            "Random",
            "fixed",
            "fixed:",
            "json:",
            "json:id",
            long.as_str(),
        ] {
            assert!(key(text).is_err(), "{text}");
        }
    }
}
