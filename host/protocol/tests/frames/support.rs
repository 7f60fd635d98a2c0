//! Recorded frames, and CBOR as JSON.

use bytes::BytesMut;
use millstream_protocol::Frame;
use minicbor::Decoder;
use minicbor::data::Type;
use serde_json::{Map, Value};

use crate::properties::whole_frame;

/// One recorded frame (section 9 of the specification).
pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) from_client: bool,
    /// The frame without the connect version.
    pub(crate) bytes: Vec<u8>,
    /// What the file says of the frame.
    pub(crate) decoded: Value,
}

/// All recorded frames.
pub(crate) fn fixtures() -> Vec<Fixture> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/fixtures/stream-manager-frames.json"
    );
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    file.as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let mut bytes = from_hex(&text(&entry["hex"]));
            let decoded = entry["decoded"].clone();
            if let Some(version) = decoded.get("connectVersion") {
                assert_eq!(version.as_u64(), Some(u64::from(bytes.remove(0))));
            }
            Fixture {
                name: text(&entry["name"]),
                from_client: entry["direction"] == "client->server",
                bytes,
                decoded,
            }
        })
        .collect()
}

impl Fixture {
    /// The frame, taken out of its bytes.
    pub(crate) fn frame(&self) -> Frame {
        whole_frame(&mut BytesMut::from(self.bytes.as_slice()))
    }
}

/// Bytes from a line of hexadecimal digits.
pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// A payload as the fixture file writes it, bytes as `{"$hex": …}`.
pub(crate) fn to_json(payload: &[u8]) -> Value {
    let mut decoder = Decoder::new(payload);
    let value = item(&mut decoder);
    assert_eq!(decoder.position(), payload.len());
    value
}

fn item(decoder: &mut Decoder<'_>) -> Value {
    match decoder.datatype().unwrap() {
        Type::Bool => decoder.bool().unwrap().into(),
        Type::String => decoder.str().unwrap().into(),
        Type::Bytes => {
            let bytes = decoder.bytes().unwrap();
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Value::Object(Map::from_iter([("$hex".to_owned(), hex.into())]))
        }
        Type::Array => (0..decoder.array().unwrap().unwrap())
            .map(|_| item(decoder))
            .collect(),
        Type::Map | Type::MapIndef => {
            let mut left = decoder.map().unwrap();
            let mut map = Map::new();
            loop {
                match &mut left {
                    Some(0) => break,
                    Some(count) => *count -= 1,
                    None if decoder.datatype().unwrap() == Type::Break => {
                        decoder.skip().unwrap();
                        break;
                    }
                    None => {}
                }
                let key = decoder.str().unwrap().to_owned();
                assert!(map.insert(key, item(decoder)).is_none(), "a key twice");
            }
            Value::Object(map)
        }
        _ => decoder.i64().unwrap().into(),
    }
}
