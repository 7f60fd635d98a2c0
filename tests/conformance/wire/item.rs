//! CBOR in any form: the shortest and longer ones, definite and indefinite, well-formed and not.

use serde_json::Value;

/// A piece of CBOR.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    Int(i128),
    Bool(bool),
    Null,
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Item>),
    Map(Vec<(Item, Item)>),
    /// A list of indefinite length.
    OpenList(Vec<Item>),
    /// A map of indefinite length, as the Java SDK sends it.
    OpenMap(Vec<(Item, Item)>),
    /// Text in chunks.
    TextChunks(Vec<String>),
    /// Bytes in chunks.
    BytesChunks(Vec<Vec<u8>>),
    Float(f32),
    Double(f64),
    /// Bytes that are taken as they are.
    Raw(Vec<u8>),
}

/// A map of definite length.
pub(crate) fn map<const N: usize>(fields: [(&str, Item); N]) -> Item {
    let fields = fields.map(|(key, value)| (Item::from(key), value));
    Item::Map(fields.to_vec())
}

/// A list of definite length.
pub(crate) fn list(items: impl Into<Vec<Item>>) -> Item {
    Item::List(items.into())
}

/// Encoded bytes as they are.
pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Item {
    Item::Raw(bytes.into())
}

impl Item {
    /// The map with a field added behind the others, whether it has one of that name or not.
    pub(crate) fn with(self, key: &str, value: impl Into<Self>) -> Self {
        let (Self::Map(mut fields) | Self::OpenMap(mut fields)) = self else {
            panic!("only a map has fields");
        };
        fields.push((key.into(), value.into()));
        Self::Map(fields)
    }

    /// The fields of one map and then those of another, which keeps its form.
    pub(crate) fn joined(self, more: Self) -> Self {
        let Self::Map(mut fields) = self else {
            panic!("only maps can be joined");
        };
        match more {
            Self::Map(more) => {
                fields.extend(more);
                Self::Map(fields)
            }
            Self::OpenMap(more) => {
                fields.extend(more);
                Self::OpenMap(fields)
            }
            other => panic!("{other:?} is not a map"),
        }
    }

    /// The map without a field.
    pub(crate) fn without(self, gone: &str) -> Self {
        let Self::Map(mut fields) = self else {
            panic!("only a map has fields");
        };
        fields.retain(|(key, _)| *key != Self::from(gone));
        Self::Map(fields)
    }

    /// The map with a field replaced, in its place.
    pub(crate) fn replacing(self, changed: &str, with: impl Into<Self>) -> Self {
        let Self::Map(mut fields) = self else {
            panic!("only a map has fields");
        };
        let field = fields
            .iter_mut()
            .find(|(key, _)| *key == Self::from(changed));
        field.expect("the map has the field").1 = with.into();
        Self::Map(fields)
    }

    /// The same with every map of indefinite length.
    pub(crate) fn opened(self) -> Self {
        match self {
            Self::Map(fields) => Self::OpenMap(
                fields
                    .into_iter()
                    .map(|(key, value)| (key, value.opened()))
                    .collect(),
            ),
            Self::List(items) => Self::List(items.into_iter().map(Self::opened).collect()),
            other => other,
        }
    }

    /// The same with everything of indefinite length that can be, text and bytes in single bytes.
    pub(crate) fn in_pieces(self) -> Self {
        match self {
            Self::Map(fields) => Self::OpenMap(
                fields
                    .into_iter()
                    .map(|(key, value)| (key.in_pieces(), value.in_pieces()))
                    .collect(),
            ),
            Self::List(items) => Self::OpenList(items.into_iter().map(Self::in_pieces).collect()),
            Self::Text(text) => Self::TextChunks(text.chars().map(String::from).collect()),
            Self::Bytes(bytes) => Self::BytesChunks(bytes.iter().map(|byte| vec![*byte]).collect()),
            other => other,
        }
    }

    /// The bytes of the item.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Int(value) if *value >= 0 => head(out, 0, *value),
            Self::Int(value) => head(out, 1, -1 - *value),
            Self::Bool(value) => out.push(if *value { 0xf5 } else { 0xf4 }),
            Self::Null => out.push(0xf6),
            Self::Text(text) => {
                head(out, 3, text.len() as i128);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Bytes(bytes) => {
                head(out, 2, bytes.len() as i128);
                out.extend_from_slice(bytes);
            }
            Self::List(items) => {
                head(out, 4, items.len() as i128);
                items.iter().for_each(|item| item.write(out));
            }
            Self::Map(fields) => {
                head(out, 5, fields.len() as i128);
                write_fields(out, fields);
            }
            Self::OpenList(items) => {
                out.push(0x9f);
                items.iter().for_each(|item| item.write(out));
                out.push(0xff);
            }
            Self::OpenMap(fields) => {
                out.push(0xbf);
                write_fields(out, fields);
                out.push(0xff);
            }
            Self::TextChunks(chunks) => {
                out.push(0x7f);
                chunks
                    .iter()
                    .for_each(|chunk| Self::from(chunk.as_str()).write(out));
                out.push(0xff);
            }
            Self::BytesChunks(chunks) => {
                out.push(0x5f);
                chunks
                    .iter()
                    .for_each(|chunk| Self::Bytes(chunk.clone()).write(out));
                out.push(0xff);
            }
            Self::Float(value) => {
                out.push(0xfa);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Double(value) => {
                out.push(0xfb);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }
}

fn write_fields(out: &mut Vec<u8>, fields: &[(Item, Item)]) {
    for (key, value) in fields {
        key.write(out);
        value.write(out);
    }
}

/// Writes the head of an item in its shortest form.
fn head(out: &mut Vec<u8>, major: u8, value: i128) {
    let value = u64::try_from(value).expect("CBOR integers have 64 bits");
    let bytes = value.to_be_bytes();
    let (low, rest) = match value {
        0..=23 => (bytes[7], &bytes[8..]),
        24..=0xff => (24, &bytes[7..]),
        0x100..=0xffff => (25, &bytes[6..]),
        0x1_0000..=0xffff_ffff => (26, &bytes[4..]),
        _ => (27, &bytes[..]),
    };
    out.push(major << 5 | low);
    out.extend_from_slice(rest);
}

impl From<&str> for Item {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Item {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Item {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<bool> for Item {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i128> for Item {
    fn from(value: i128) -> Self {
        Self::Int(value)
    }
}

impl From<&[u8]> for Item {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<Value> for Item {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::Int(number.as_i128().expect("an integer")),
            Value::String(text) => Self::Text(text),
            Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Value::Object(fields) => Self::Map(
                fields
                    .into_iter()
                    .map(|(key, value)| (key.into(), value.into()))
                    .collect(),
            ),
        }
    }
}

impl From<i32> for Item {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u64> for Item {
    fn from(value: u64) -> Self {
        Self::Int(value.into())
    }
}
