//! The keys of the two keyspaces. Integers are big-endian, so that keys sort as the numbers do.
//!
//! ```text
//! data   stream id (u32), base sequence number (u64)        → chunk
//! meta   'h', stream id (u32)                               → head (u64, little-endian)
//!        's', stream id (u32), base sequence number (u64)   → a completed segment
//!        'c', stream id (u32), export identifier            → cursor (JSON)
//!        'g', stream id (u32), first sequence number (u64)  → end (u64, little-endian) of a gap that
//!                                                             damage has left and an open has told of
//!        'u'                                                → nothing
//! ```

use std::ops::{Range, RangeInclusive};

use crate::segment::Segment;
use crate::types::{SequenceNumber, StreamId, Timestamp};

/// A key of `meta` without meaning, written where the engine needs a commit to move on.
pub(crate) const UPKEEP: &[u8] = b"u";

/// The key of a chunk.
pub(crate) fn chunk(id: StreamId, base: SequenceNumber) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&id.0.to_be_bytes());
    key[4..].copy_from_slice(&base.get().to_be_bytes());
    key
}

/// The stream and base in a chunk's key.
pub(crate) fn decode_chunk(key: &[u8]) -> Option<(StreamId, SequenceNumber)> {
    let id = u32::from_be_bytes(key.get(..4)?.try_into().ok()?);
    let base = u64::from_be_bytes(key.get(4..)?.try_into().ok()?);
    Some((StreamId(id), SequenceNumber::new(base)))
}

/// Every chunk of a stream from `first` on.
pub(crate) fn chunks_from(id: StreamId, first: SequenceNumber) -> RangeInclusive<[u8; 12]> {
    chunk(id, first)..=chunk(id, SequenceNumber::new(u64::MAX))
}

/// The key under which a stream's head is kept.
pub(crate) fn head(id: StreamId) -> Vec<u8> {
    meta(b'h', id, &[])
}

/// The key of a completed segment.
pub(crate) fn segment(id: StreamId, base: SequenceNumber) -> Vec<u8> {
    meta(b's', id, &base.get().to_be_bytes())
}

/// What the keys of all a stream's completed segments begin with.
pub(crate) fn segments(id: StreamId) -> Vec<u8> {
    meta(b's', id, &[])
}

/// The key of an export's cursor.
pub(crate) fn cursor(id: StreamId, identifier: &str) -> Vec<u8> {
    meta(b'c', id, identifier.as_bytes())
}

/// What the keys of all a stream's cursors begin with.
pub(crate) fn cursors(id: StreamId) -> Vec<u8> {
    meta(b'c', id, &[])
}

/// The key of a gap that begins with `first`.
pub(crate) fn gap(id: StreamId, first: SequenceNumber) -> Vec<u8> {
    meta(b'g', id, &first.get().to_be_bytes())
}

/// What the keys of all a stream's gaps begin with.
pub(crate) fn gaps(id: StreamId) -> Vec<u8> {
    meta(b'g', id, &[])
}

/// The gap in a key and its value, which is encoded as a head is.
pub(crate) fn decode_gap(key: &[u8], value: &[u8]) -> Option<Range<SequenceNumber>> {
    let first = u64::from_be_bytes(key.get(5..)?.try_into().ok()?);
    Some(SequenceNumber::new(first)..decode_head(value)?)
}

/// Whether a key of `meta` is that of a cursor.
pub(crate) fn is_cursor(key: &[u8]) -> bool {
    key.first() == Some(&b'c')
}

/// The stream to which a key of `meta` belongs.
pub(crate) fn owner(key: &[u8]) -> Option<StreamId> {
    key.get(1..5)?
        .try_into()
        .ok()
        .map(|id| StreamId(u32::from_be_bytes(id)))
}

/// The export's identifier in a cursor's key.
pub(crate) fn cursor_identifier(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(5..)?).ok()
}

fn meta(kind: u8, id: StreamId, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(5 + rest.len());
    key.push(kind);
    key.extend_from_slice(&id.0.to_be_bytes());
    key.extend_from_slice(rest);
    key
}

/// A head as a value.
pub(crate) fn encode_head(head: SequenceNumber) -> Vec<u8> {
    head.get().to_le_bytes().to_vec()
}

/// The head in a value.
pub(crate) fn decode_head(value: &[u8]) -> Option<SequenceNumber> {
    value
        .try_into()
        .ok()
        .map(u64::from_le_bytes)
        .map(SequenceNumber::new)
}

/// A completed segment as a value; its base is in the key.
pub(crate) fn encode_segment(segment: &Segment) -> Vec<u8> {
    [segment.end.get(), segment.bytes, segment.newest.as_millis()]
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// The completed segment in a key and its value.
pub(crate) fn decode_segment(key: &[u8], value: &[u8]) -> Option<Segment> {
    let base = u64::from_be_bytes(key.get(5..)?.try_into().ok()?);
    let mut numbers = value
        .chunks_exact(8)
        .map(|eight| eight.try_into().map(u64::from_le_bytes));
    Some(Segment {
        base: SequenceNumber::new(base),
        end: SequenceNumber::new(numbers.next()?.ok()?),
        bytes: numbers.next()?.ok()?,
        newest: Timestamp::from_millis(numbers.next()?.ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_sort_by_number() {
        let (id, base) = (StreamId(9), SequenceNumber::new(300));
        assert_eq!(decode_chunk(&chunk(id, base)), Some((id, base)));
        assert!(chunk(id, base) < chunk(id, base + 1));
        assert!(chunk(id, base + 1) < chunk(StreamId(10), SequenceNumber::ZERO));
        assert_eq!(owner(&cursor(id, "e")), Some(id));
        assert_eq!(cursor_identifier(&cursor(id, "e")), Some("e"));
        assert!(is_cursor(&cursor(id, "e")) && !is_cursor(&head(id)));
        assert_eq!(
            decode_gap(&gap(id, base), &encode_head(base + 2)),
            Some(base..base + 2)
        );
        let segment_ = Segment {
            base,
            end: base + 4,
            bytes: 77,
            newest: Timestamp::from_millis(5),
        };
        assert_eq!(
            decode_segment(&segment(id, base), &encode_segment(&segment_)),
            Some(segment_)
        );
    }
}
