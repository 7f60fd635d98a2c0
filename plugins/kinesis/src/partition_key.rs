//! Which shard a record goes to: Kinesis takes the hash of its partition key.

use millstream_plugin::ExportError;
use millstream_plugin::template::text_at;
use serde::Deserialize;
use serde_json::Value;

/// The shortest key in bytes (API reference of `PutRecordsRequestEntry`).
pub(crate) const MIN_KEY_BYTES: u64 = 1;
/// The length of a random key in bytes.
pub(crate) const UUID_BYTES: usize = 36;
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
    /// The key of a message with this payload; none if it is to be a random one.
    pub(crate) fn of(&self, payload: &[u8]) -> Option<String> {
        match self {
            Self::Random => None,
            Self::Fixed(key) => Some(key.clone()),
            Self::Json(pointer) => find(payload, pointer),
        }
    }
}

/// The non-empty scalar at `pointer`, as text.
fn find(payload: &[u8], pointer: &str) -> Option<String> {
    let document: Value = serde_json::from_slice(payload).ok()?;
    let text = text_at(&document, pointer)?;
    (!text.is_empty()).then(|| text.chars().take(MAX_KEY_CHARS).collect())
}

/// Random UUIDs (version 4). Numbers for many are asked of the host at once: a call for each record
/// would take longer than what the record takes otherwise.
#[derive(Debug, Default)]
pub(crate) struct Uuids {
    numbers: Vec<[u8; 16]>,
}

impl Uuids {
    /// UUIDs for one call of the service.
    const STOCK: usize = 500;

    /// The next one, as text.
    ///
    /// # Errors
    ///
    /// Unavailable, if the host gives no random numbers.
    pub(crate) fn take(&mut self) -> Result<String, ExportError> {
        loop {
            match self.numbers.pop() {
                Some(number) => return Ok(uuid(number)),
                None => self.fill()?,
            }
        }
    }

    fn fill(&mut self) -> Result<(), ExportError> {
        let mut numbers = vec![[0; 16]; Self::STOCK];
        getrandom::fill(numbers.as_flattened_mut()).map_err(|error| {
            ExportError::unavailable(format!(
                "The host gave no random numbers for partition keys: {error}."
            ))
        })?;
        self.numbers = numbers;
        Ok(())
    }
}

/// A UUID of version 4 (RFC 9562) with these random bits, as text.
fn uuid(mut number: [u8; 16]) -> String {
    number[6] = number[6] & 0x0f | 0x40;
    number[8] = number[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(UUID_BYTES);
    for (place, byte) in number.into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.extend([byte >> 4, byte & 0xf].map(|digit| char::from(DIGITS[usize::from(digit)])));
    }
    text
}

const DIGITS: [u8; 16] = *b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn key(text: &str) -> Result<PartitionKey, String> {
        PartitionKey::try_from(text.to_owned())
    }

    #[test]
    fn a_random_key_is_a_uuid_and_never_the_same() {
        let mut uuids = Uuids::default();
        let keys: HashSet<String> = (0..1200).map(|_| uuids.take().unwrap()).collect();
        assert_eq!(keys.len(), 1200);
        for key in keys {
            assert_eq!(key.len(), UUID_BYTES, "{key}");
            assert_eq!(key.as_bytes()[14], b'4', "{key}");
            assert!(b"89ab".contains(&key.as_bytes()[19]), "{key}");
        }
    }

    #[test]
    fn a_fixed_key_is_taken_as_it_stands() {
        let key = key("fixed:a:b").unwrap().of(b"x");
        assert_eq!(key.as_deref(), Some("a:b"));
    }

    #[test]
    fn a_pointer_finds_text_numbers_and_booleans() {
        let payload = br#"{"device": {"id": "pump-7", "number": 12, "on": true}}"#;
        for (pointer, expected) in [("id", "pump-7"), ("number", "12"), ("on", "true")] {
            let key = key(&format!("json:/device/{pointer}")).unwrap();
            assert_eq!(key.of(payload).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_pointer_that_finds_no_scalar_gives_none() {
        let by_id = key("json:/id").unwrap();
        for payload in [
            "no json",
            "{}",
            r#"{"id": ""}"#,
            r#"{"id": null}"#,
            r#"{"id": [1]}"#,
        ] {
            assert_eq!(by_id.of(payload.as_bytes()), None, "{payload}");
        }
    }

    #[test]
    fn a_long_text_is_cut_to_what_the_service_takes() {
        let payload = format!(r#"{{"id": "{}"}}"#, "é".repeat(300));
        let found = key("json:/id").unwrap().of(payload.as_bytes());
        assert_eq!(found.unwrap().chars().count(), 256);
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
