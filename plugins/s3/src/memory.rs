//! What an export remembers of the task in hand, from call to call and through restarts.

use serde::{Deserialize, Serialize};

use crate::parts::Parts;
use crate::source::Stamp;

/// A task that has begun. It fits into a part of what the host lets an export remember: a key has at
/// most 1,024 bytes, and an upload's id a few hundred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Begun {
    /// The number of the task's message.
    pub(crate) sequence_number: u64,
    pub(crate) bucket: String,
    /// The key, with its placeholders filled in at the first try.
    pub(crate) key: String,
    /// The upload in parts, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upload: Option<Upload>,
}

/// An upload in parts that S3 knows of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Upload {
    pub(crate) id: String,
    /// The file as it was when the upload began.
    pub(crate) file: Stamp,
    pub(crate) parts: Parts,
    /// Parts that S3 has acknowledged, from the first on. Their tags are not here: ten thousand would
    /// not fit, and S3 lists them.
    pub(crate) done: u32,
    /// The tag that the object will have; there once all parts are, and the upload is to be completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
}

impl Begun {
    /// Reads what [`Self::to_bytes`] wrote.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// The text that is remembered.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Text and numbers: there is nothing here that JSON cannot hold.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_read_again_and_small() {
        let mut begun = Begun {
            sequence_number: u64::MAX,
            bucket: "b".repeat(63),
            key: "\u{1}".repeat(1024),
            upload: None,
        };
        assert_eq!(Begun::from_bytes(&begun.to_bytes()).unwrap(), begun);
        begun.upload = Some(Upload {
            id: "i".repeat(1024),
            file: Stamp {
                bytes: u64::MAX,
                modified_nanos: i64::MIN,
            },
            parts: Parts::of(150 << 30, 5 << 20).unwrap(),
            done: 10_000,
            tag: Some("t".repeat(40)),
        });
        let bytes = begun.to_bytes();
        assert_eq!(Begun::from_bytes(&bytes).unwrap(), begun);
        assert!(bytes.len() < 16 << 10, "{}", bytes.len());
        assert!(Begun::from_bytes(b"{").is_err());
    }
}
