//! Answers, held against what every SDK stands (specification, 1.3 and 2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_protocol::{Frame, ResponseStatusCode};
use minicbor::Decoder;
use minicbor::data::Type;
use serde_json::{Map, Value};

/// The greatest status that a client knows, by the version of its protocol.
const GREATEST_STATUS: u64 = 18;

/// An answer that obeys the rules of all answers: one map with text keys and nothing behind it, no
/// key twice, never null, lists and text of definite length, a status that clients know, and an
/// `errorMessage` that is empty exactly on success.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) operation: u8,
    pub(crate) request_id: Option<String>,
    pub(crate) status: ResponseStatusCode,
    pub(crate) message: String,
    /// Everything else; bytes are in base64.
    pub(crate) fields: Map<String, Value>,
}

impl Answer {
    /// Reads a frame.
    ///
    /// # Panics
    ///
    /// If it breaks a rule.
    pub(crate) fn read(frame: &Frame) -> Self {
        let mut decoder = Decoder::new(&frame.payload);
        let Value::Object(mut fields) = value(&mut decoder, "") else {
            panic!("an answer is not a map: {frame:?}");
        };
        assert_eq!(
            decoder.position(),
            frame.payload.len(),
            "bytes follow the map"
        );
        let request_id = fields
            .remove("requestId")
            .map(|id| id.as_str().expect("requestId is text").to_owned());
        let status = fields.remove("status").expect("an answer has a status");
        let status = status.as_u64().expect("the status is a number");
        assert!(status <= GREATEST_STATUS, "no client knows status {status}");
        let status = u8::try_from(status)
            .ok()
            .and_then(ResponseStatusCode::from_code)
            .unwrap();
        let message = fields
            .remove("errorMessage")
            .expect("an answer has an errorMessage");
        let message = message
            .as_str()
            .expect("the errorMessage is text")
            .to_owned();
        assert_eq!(
            message.is_empty(),
            status == ResponseStatusCode::Success,
            "{status}: {message:?}"
        );
        Self {
            operation: frame.operation,
            request_id,
            status,
            message,
            fields,
        }
    }

    /// The answer, if it is a success.
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.status, ResponseStatusCode::Success, "{self:?}");
        self
    }

    /// The answer, if it refuses with a status.
    pub(crate) fn refused(self, status: ResponseStatusCode) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        assert!(
            self.fields.is_empty(),
            "a refusal carries nothing: {self:?}"
        );
        self
    }
}

/// The next item. `key` is that of the field it is in: bytes and text must not stand for each other.
fn value(decoder: &mut Decoder<'_>, key: &str) -> Value {
    let bytes_belong_here = key == "payload";
    match decoder.datatype().unwrap() {
        Type::Bytes if bytes_belong_here => STANDARD.encode(decoder.bytes().unwrap()).into(),
        Type::String if !bytes_belong_here => decoder.str().unwrap().into(),
        Type::Bool => decoder.bool().unwrap().into(),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => {
            let number = decoder.u64().unwrap();
            assert!(i64::try_from(number).is_ok(), "{key} is beyond 2^63 - 1");
            number.into()
        }
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => decoder.i64().unwrap().into(),
        Type::Array => {
            let length = decoder.array().unwrap().expect("a definite length");
            (0..length).map(|_| value(decoder, key)).collect()
        }
        Type::Map | Type::MapIndef => {
            let mut left = decoder.map().unwrap();
            let mut fields = Map::new();
            while left != Some(0) {
                if left.is_none() && decoder.datatype().unwrap() == Type::Break {
                    decoder.skip().unwrap();
                    break;
                }
                let key = decoder.str().unwrap();
                let value = value(decoder, key);
                let before = fields.insert(key.to_owned(), value);
                assert!(before.is_none(), "the key {key} comes twice");
                left = left.map(|left| left - 1);
            }
            fields.into()
        }
        other => panic!("{key} is {other}, which no client expects there"),
    }
}
