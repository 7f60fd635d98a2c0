//! How a large file is cut into parts.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The least part that S3 takes, but for the last one (Amazon S3 User Guide, "Amazon S3 multipart upload
/// limits").
pub(crate) const LEAST_PART_BYTES: u64 = 5 << 20;
/// The largest body that the host signs, since it holds it whole; so the largest part, and the largest
/// file that goes in one piece.
pub(crate) const MAX_BODY_BYTES: u64 = 16 << 20;
/// Parts of an upload, at most (the same page).
const MAX_PARTS: u64 = 10_000;
/// The largest file that can be uploaded in parts: 156.25 GiB.
const MAX_FILE_BYTES: u64 = MAX_PARTS * MAX_BODY_BYTES;

/// The parts of one file: all equal but the last, which has the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Parts {
    file_bytes: u64,
    part_bytes: u64,
}

impl Parts {
    /// Cuts a file into parts that are as small as allowed.
    ///
    /// # Errors
    ///
    /// A sentence, if the file is too large.
    pub(crate) fn of(file_bytes: u64, least_part_bytes: u64) -> Result<Self, String> {
        if file_bytes > MAX_FILE_BYTES {
            return Err(format!(
                "The file has {file_bytes} bytes; the most that can be uploaded is {MAX_FILE_BYTES}, \
                 {MAX_PARTS} parts of {MAX_BODY_BYTES} bytes."
            ));
        }
        let part_bytes = file_bytes.div_ceil(MAX_PARTS).max(least_part_bytes);
        Ok(Self {
            file_bytes,
            part_bytes: part_bytes.clamp(LEAST_PART_BYTES, MAX_BODY_BYTES),
        })
    }

    /// How many there are.
    pub(crate) fn count(self) -> u32 {
        u32::try_from(self.file_bytes.div_ceil(self.part_bytes.max(1))).unwrap_or(u32::MAX)
    }

    /// The bytes of the file that a part has, by its number from 1.
    pub(crate) fn bytes(self, number: u32) -> Range<u64> {
        let start = u64::from(number.saturating_sub(1)).saturating_mul(self.part_bytes);
        start..start.saturating_add(self.part_bytes).min(self.file_bytes)
    }

    /// The size of a part in bytes, by its number from 1.
    pub(crate) fn size(self, number: u32) -> u64 {
        let bytes = self.bytes(number);
        bytes.end.saturating_sub(bytes.start)
    }

    /// The size of the file.
    pub(crate) fn file_bytes(self) -> u64 {
        self.file_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_file_without_holes() {
        const MIB: u64 = 1 << 20;
        for (size, least, part, count) in [
            (5 * MIB + 1, 5 * MIB, 5 * MIB, 2),
            (10 * MIB, 5 * MIB, 5 * MIB, 2),
            (20 * MIB, 6_000_000, 6_000_000, 4),
            (50_000 * MIB, 5 * MIB, 5 * MIB, 10_000),
            (50_000 * MIB + 1, 5 * MIB, 5 * MIB + 1, 10_000),
            (MAX_FILE_BYTES, 5 * MIB, 16 * MIB, 10_000),
            (100 * MIB, 64 * MIB, 16 * MIB, 7),
        ] {
            let parts = Parts::of(size, least).unwrap();
            assert_eq!((parts.part_bytes, parts.count()), (part, count), "{size}");
            assert_eq!(parts.bytes(1).start, 0);
            assert_eq!(parts.bytes(count).end, size);
            assert!((1..=part).contains(&parts.size(count)), "{size}");
            assert_eq!(parts.bytes(2).start, parts.bytes(1).end);
            let sum: u64 = (1..=count).map(|number| parts.size(number)).sum();
            assert_eq!(sum, size);
        }
    }

    #[test]
    fn a_file_of_more_than_ten_thousand_large_parts_is_refused() {
        let reason = Parts::of(MAX_FILE_BYTES + 1, 5 << 20).unwrap_err();
        assert!(reason.contains("167772160000"), "{reason}");
    }
}
