//! What the executor asks of S3, apart from how it is asked.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use millstream_plugin::ExportError;

/// An object that is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
    pub(crate) metadata: &'a BTreeMap<String, String>,
}

impl std::fmt::Display for Object<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "s3://{}/{}", self.bucket, self.key)
    }
}

/// A part that S3 has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) number: u32,
    pub(crate) bytes: u64,
    /// As S3 writes it, in quotes.
    pub(crate) tag: String,
}

/// Why a call did not do what it should.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// Time or an operator can mend it.
    Later(ExportError),
    /// This task can never succeed, for this reason.
    Never(String),
    /// S3 does not know the upload, or not its parts, any more.
    UploadGone(String),
}

impl Fault {
    /// Why, in one sentence.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Later(error) => error.reason(),
            Self::Never(reason) | Self::UploadGone(reason) => reason,
        }
    }
}

/// The calls of S3 that an upload takes. What they send is verified by S3.
pub(crate) trait ObjectStore {
    /// Makes the object in one call.
    fn put(&mut self, object: Object<'_>, body: Vec<u8>) -> Result<(), Fault>;

    /// Begins an upload in parts, and returns its id.
    fn create_upload(&mut self, object: Object<'_>) -> Result<String, Fault>;

    /// Adds a part, by its number from 1, or replaces it.
    fn upload_part(
        &mut self,
        object: Object<'_>,
        upload: &str,
        number: u32,
        body: Vec<u8>,
    ) -> Result<(), Fault>;

    /// The parts that are there, in order.
    fn list_parts(&mut self, object: Object<'_>, upload: &str) -> Result<Vec<Part>, Fault>;

    /// Makes the object of its parts.
    fn complete_upload(
        &mut self,
        object: Object<'_>,
        upload: &str,
        parts: &[Part],
    ) -> Result<(), Fault>;

    /// Gives an upload up, and its parts with it.
    fn abort_upload(&mut self, object: Object<'_>, upload: &str) -> Result<(), Fault>;

    /// The tag of the object; none if there is none.
    fn tag(&mut self, object: Object<'_>) -> Result<Option<String>, Fault>;
}

/// The tag that an object of these parts has, where tags are the MD5 of the content: not with every kind
/// of encryption. Without the quotes; empty if the parts' own tags are no MD5.
pub(crate) fn tag_of(parts: &[Part]) -> String {
    let mut all = Md5::new();
    for part in parts {
        let tag = part.tag.trim_matches('"');
        match u128::from_str_radix(tag, 16) {
            Ok(md5) if tag.len() == 32 => all.update(md5.to_be_bytes()),
            _ => return String::new(),
        }
    }
    let mut tag = String::new();
    for byte in all.finalize() {
        tag.push_str(&format!("{byte:02x}"));
    }
    format!("{tag}-{}", parts.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_an_object_in_parts_is_known_beforehand() {
        let part = |number, tag: &str| Part {
            number,
            bytes: 1,
            tag: tag.to_owned(),
        };
        // The MD5 of `a` and of `b`; then that of both digests, one behind the other.
        let parts = [
            part(1, "\"0cc175b9c0f1b6a831c399e269772661\""),
            part(2, "\"92eb5ffee6ae2fec3ad71c777531578f\""),
        ];
        assert_eq!(tag_of(&parts), "96e024ba2074fe77e8e965ba43a704be-2");
        assert_eq!(tag_of(&[part(1, "\"no-md5\"")]), "");
        assert_eq!(
            tag_of(&[part(1, "\"+cc175b9c0f1b6a831c399e26977266\"")]),
            ""
        );
    }
}
