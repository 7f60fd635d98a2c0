//! Names of files.
//!
//! With `N` for the name that the configuration gives, or that is made of the stream's:
//!
//! | file | name |
//! | --- | --- |
//! | active | `N.jsonl` |
//! | closed | `N.20260131T235959Z.42.jsonl`: when it was closed (UTC), its first sequence number |
//! | set aside | `N.20260131T235959Z.damaged.jsonl` |
//!
//! and `.gz` behind each of them with compression. `N` has no full stop, so no stream's file can be
//! taken for a closed file of another.

use std::fmt;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::Deserialize;

use crate::config::Compression;

/// The longest `N` that is made of a stream's name. A file system takes 255 bytes a name; the rest is
/// for what stands behind `N`.
const MAX_ENCODED: usize = 180;

/// The first part of the names of an export's files: letters, digits, `_`, `-` and `%`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct FileName(String);

impl TryFrom<String> for FileName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if (1..=100).contains(&name.len()) && name.bytes().all(is_plain) {
            Ok(Self(name))
        } else {
            Err(
                "a file name has 1 to 100 letters, digits, `_` and `-`; its ending is added"
                    .to_owned(),
            )
        }
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

impl FileName {
    /// The name for a stream. Stream names such as `..` or `a b` are legal, so everything but letters,
    /// digits, `_` and `-` is percent-encoded. A name that becomes too long is cut, and a hash of the
    /// whole keeps it apart from others with the same beginning.
    pub(crate) fn of_stream(stream_name: &str) -> Self {
        let mut encoded = String::with_capacity(stream_name.len());
        for byte in stream_name.bytes() {
            if is_plain(byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        }
        if encoded.len() > MAX_ENCODED {
            encoded.truncate(MAX_ENCODED - 17);
            encoded.push_str(&format!("-{:016x}", fnv1a(stream_name.as_bytes())));
        }
        Self(encoded)
    }

    /// The file that is written.
    pub(crate) fn active(&self, compression: Compression) -> String {
        format!("{}{}", self.0, ending(compression))
    }

    /// A closed file.
    pub(crate) fn closed(&self, closed: &Closed, compression: Compression) -> String {
        let Closed {
            stamp,
            first_sequence_number,
        } = closed;
        format!(
            "{}.{stamp}.{first_sequence_number}{}",
            self.0,
            ending(compression)
        )
    }

    /// A file whose content is not what this exporter wrote.
    pub(crate) fn damaged(&self, stamp: Stamp, compression: Compression) -> String {
        format!("{}.{stamp}.damaged{}", self.0, ending(compression))
    }

    /// Reads the name of a closed file of this export; none for any other file.
    pub(crate) fn parse_closed(&self, file_name: &str) -> Option<Closed> {
        let rest = file_name.strip_prefix(self.0.as_str())?.strip_prefix('.')?;
        let rest = rest
            .strip_suffix(".gz")
            .unwrap_or(rest)
            .strip_suffix(".jsonl")?;
        let (stamp, number) = rest.split_once('.')?;
        Some(Closed {
            stamp: Stamp::parse(stamp)?,
            first_sequence_number: number.parse().ok()?,
        })
    }
}

fn ending(compression: Compression) -> &'static str {
    match compression {
        Compression::None => ".jsonl",
        Compression::Gzip => ".jsonl.gz",
    }
}

/// The 64-bit FNV-1a hash: small, and the same in every version, which the standard library's is not.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What the name of a closed file says. The order is that of closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Closed {
    pub(crate) stamp: Stamp,
    pub(crate) first_sequence_number: u64,
}

/// A second, in seconds since the epoch; written as `20260131T235959Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(i64);

impl Stamp {
    const FORMAT: &str = "%Y%m%dT%H%M%SZ";

    pub(crate) fn new(time: Timestamp) -> Self {
        Self(time.as_second())
    }

    /// One second later.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    fn parse(text: &str) -> Option<Self> {
        let time = DateTime::strptime(Self::FORMAT, text).ok()?;
        Some(Self(TimeZone::UTC.to_timestamp(time).ok()?.as_second()))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_second(self.0).unwrap_or(Timestamp::MAX);
        time.strftime(Self::FORMAT).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(stream_name: &str) -> String {
        FileName::of_stream(stream_name).0
    }

    #[test]
    fn a_plain_stream_name_stays_readable() {
        assert_eq!(encoded("plant-1_Line2"), "plant-1_Line2");
    }

    #[test]
    fn names_that_mean_something_to_a_file_system_are_encoded() {
        assert_eq!(encoded("."), "%2E");
        assert_eq!(encoded(".."), "%2E%2E");
        assert_eq!(encoded("a/b, c.d%2E"), "a%2Fb%2C%20c%2Ed%252E");
        assert_eq!(encoded("ä"), "%C3%A4");
    }

    #[test]
    fn long_names_fit_and_stay_apart() {
        let (a, b) = (
            format!("{}a", ".".repeat(254)),
            format!("{}b", ".".repeat(254)),
        );
        assert_ne!(encoded(&a), encoded(&b));
        let closed = Closed {
            stamp: Stamp(0),
            first_sequence_number: u64::MAX,
        };
        assert!(
            FileName::of_stream(&a)
                .closed(&closed, Compression::Gzip)
                .len()
                <= 255
        );
    }

    #[test]
    fn a_closed_name_is_read_back() {
        let name = FileName::of_stream("a b");
        let time: Timestamp = "2026-01-31T23:59:59.9Z".parse().unwrap();
        let closed = Closed {
            stamp: Stamp::new(time),
            first_sequence_number: 42,
        };
        let text = name.closed(&closed, Compression::None);
        assert_eq!(text, "a%20b.20260131T235959Z.42.jsonl");
        assert_eq!(name.parse_closed(&text), Some(closed));
        assert_eq!(name.parse_closed(&format!("{text}.gz")), Some(closed));
    }

    #[test]
    fn other_files_are_not_taken_for_closed_ones() {
        let name = FileName::of_stream("a");
        for other in [
            "a.jsonl",
            "a.jsonl.gz",
            "ab.20260131T235959Z.42.jsonl",
            "a-20260131T235959Z-42.jsonl",
            "a.20260131T235959Z.damaged.jsonl",
            "a.20260131T235959Z.42.txt",
            "a.20260131T235959Z.jsonl",
            "a.yesterday.42.jsonl",
            "b.20260131T235959Z.42.jsonl",
        ] {
            assert_eq!(name.parse_closed(other), None, "{other}");
        }
    }

    #[test]
    fn closed_files_are_ordered_by_time_and_then_by_number() {
        let name = FileName::of_stream("a");
        let order = [
            "a.20260101T000000Z.9.jsonl",
            "a.20260101T000000Z.10.jsonl",
            "a.20270101T000000Z.0.jsonl",
        ];
        let read: Vec<_> = order
            .iter()
            .map(|text| name.parse_closed(text).unwrap())
            .collect();
        assert!(read.is_sorted());
    }
}
