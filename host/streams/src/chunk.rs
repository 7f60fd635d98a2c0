//! The unit on disk: the messages that one group commit brought to one stream.
//!
//! ```text
//! offset  0  8 bytes  XXH3-64 of everything behind it
//!         8  1 byte   format version, 1
//!         9  3 bytes  zero
//!        12  4 bytes  number of messages, n, at least 1
//!        16  8 bytes  sequence number of the first message
//!        24  8 bytes  sequence number of the first message of its segment
//!        32  8 bytes  size of its segment up to and with this chunk, see `message_size`
//!        40  8 bytes  ingest time of all its messages, ms since the Unix epoch
//!        48  4n bytes length of each payload
//!            ...      the payloads
//! ```
//!
//! Integers are little-endian. The segment's base and size in every chunk let a store open with one
//! look at the last chunk of each stream: no other record is written for an append.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::types::{Message, SequenceNumber, Timestamp};

const VERSION: u8 = 1;
const HEADER: usize = 48;

/// A chunk is closed when its payloads reach this size, so that a reader never has to hold much
/// more than it asked for.
pub(crate) const TARGET_BYTES: usize = 512 * 1024;

/// What a chunk says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) base: SequenceNumber,
    pub(crate) count: u32,
    pub(crate) segment_base: SequenceNumber,
    pub(crate) segment_bytes: u64,
    pub(crate) ingest_time: Timestamp,
}

impl Header {
    /// The number behind the chunk's last message.
    pub(crate) fn end(&self) -> SequenceNumber {
        self.base + u64::from(self.count)
    }
}

/// A chunk in the making.
#[derive(Debug)]
pub(crate) struct Builder {
    base: SequenceNumber,
    lengths: Vec<u8>,
    payloads: Vec<u8>,
    count: u32,
}

impl Builder {
    pub(crate) fn new(base: SequenceNumber) -> Self {
        Self {
            base,
            lengths: Vec::new(),
            payloads: Vec::new(),
            count: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn is_at_target(&self) -> bool {
        self.payloads.len() >= TARGET_BYTES
    }

    /// Adds a payload of less than 4 GiB, which the caller has checked.
    pub(crate) fn push(&mut self, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        self.lengths.extend_from_slice(&length.to_le_bytes());
        self.payloads.extend_from_slice(payload);
        self.count += 1;
    }

    /// The finished chunk.
    pub(crate) fn finish(
        self,
        segment_base: SequenceNumber,
        segment_bytes: u64,
        ingest_time: Timestamp,
    ) -> (Header, Bytes) {
        let header = Header {
            base: self.base,
            count: self.count,
            segment_base,
            segment_bytes,
            ingest_time,
        };
        let mut chunk = Vec::with_capacity(HEADER + self.lengths.len() + self.payloads.len());
        chunk.extend_from_slice(&[0; 8]);
        chunk.extend_from_slice(&[VERSION, 0, 0, 0]);
        chunk.extend_from_slice(&header.count.to_le_bytes());
        chunk.extend_from_slice(&header.base.get().to_le_bytes());
        chunk.extend_from_slice(&header.segment_base.get().to_le_bytes());
        chunk.extend_from_slice(&header.segment_bytes.to_le_bytes());
        chunk.extend_from_slice(&header.ingest_time.as_millis().to_le_bytes());
        chunk.extend_from_slice(&self.lengths);
        chunk.extend_from_slice(&self.payloads);
        let checksum = xxh3_64(&chunk[8..]);
        chunk[..8].copy_from_slice(&checksum.to_le_bytes());
        (header, chunk.into())
    }
}

/// A chunk that has been checked and can be read without copying.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    header: Header,
    bytes: Bytes,
}

impl Chunk {
    /// Checks a chunk; none if it is not exactly what was written.
    pub(crate) fn decode(bytes: Bytes) -> Option<Self> {
        let checksum = u64_at(&bytes, 0)?;
        if checksum != xxh3_64(bytes.get(8..)?) || bytes.get(8..12)? != [VERSION, 0, 0, 0] {
            return None;
        }
        let header = Header {
            count: u32_at(&bytes, 12)?,
            base: SequenceNumber::new(u64_at(&bytes, 16)?),
            segment_base: SequenceNumber::new(u64_at(&bytes, 24)?),
            segment_bytes: u64_at(&bytes, 32)?,
            ingest_time: Timestamp::from_millis(u64_at(&bytes, 40)?),
        };
        let lengths = bytes.get(HEADER..HEADER.checked_add(4 * header.count as usize)?)?;
        let payloads: u64 = lengths
            .chunks_exact(4)
            .map(|four| u64::from(read_u32(four)))
            .sum();
        let whole = (HEADER + lengths.len()) as u64 + payloads;
        (header.count > 0 && whole == bytes.len() as u64).then_some(Self { header, bytes })
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Its messages, in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message> + '_ {
        let count = self.header.count as usize;
        let mut offset = HEADER + 4 * count;
        (0..count).map(move |index| {
            let length = read_u32(&self.bytes[HEADER + 4 * index..]) as usize;
            let payload = self.bytes.slice(offset..offset + length);
            offset += length;
            Message {
                sequence_number: self.header.base + index as u64,
                ingest_time: self.header.ingest_time,
                payload,
            }
        })
    }
}

fn read_u32(bytes: &[u8]) -> u32 {
    u32_at(bytes, 0).unwrap_or_default()
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes
        .get(offset..offset + 4)?
        .try_into()
        .ok()
        .map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes
        .get(offset..offset + 8)?
        .try_into()
        .ok()
        .map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Header, Bytes) {
        let mut builder = Builder::new(SequenceNumber::new(7));
        builder.push(b"one");
        builder.push(&[0, 255]);
        builder.finish(SequenceNumber::new(5), 123, Timestamp::from_millis(99))
    }

    #[test]
    fn a_chunk_reads_back_as_it_was_written() {
        let (header, bytes) = sample();
        let chunk = Chunk::decode(bytes).unwrap();
        assert_eq!(*chunk.header(), header);
        assert_eq!(header.end(), SequenceNumber::new(9));
        let messages: Vec<_> = chunk.messages().collect();
        assert_eq!(messages[0].payload, "one");
        assert_eq!(messages[1].payload, vec![0, 255]);
        assert_eq!(messages[1].sequence_number, SequenceNumber::new(8));
        assert_eq!(messages[1].ingest_time, Timestamp::from_millis(99));
    }

    #[test]
    fn no_changed_byte_and_no_cut_goes_unnoticed() {
        let (_, bytes) = sample();
        for position in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[position] ^= 1;
            assert!(Chunk::decode(damaged.into()).is_none(), "byte {position}");
            assert!(
                Chunk::decode(bytes.slice(..position)).is_none(),
                "cut at {position}"
            );
        }
    }

    #[test]
    fn a_chunk_of_a_newer_version_is_not_misread() {
        let (_, bytes) = sample();
        let mut newer = bytes.to_vec();
        newer[8] = VERSION + 1;
        let checksum = xxh3_64(&newer[8..]);
        newer[..8].copy_from_slice(&checksum.to_le_bytes());
        assert!(Chunk::decode(newer.into()).is_none());
    }
}
