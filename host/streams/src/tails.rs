//! How far each stream has been acknowledged, kept outside the storage engine.
//!
//! A damaged journal can make the engine open with fewer records than it had acknowledged, without
//! a word. This file notices: after each commit, and before the acknowledgement, the writer puts the
//! new tail of each touched stream into the stream's slot. A store that finds less in the engine
//! than the slot says knows what was lost, reports it, and never uses those numbers again.
//!
//! ```text
//! slot i at offset 32 i:  8 bytes XXH3-64 of the rest, 4 bytes stream id, 4 bytes version (0),
//!                         8 bytes tail, 8 bytes head (0 if it is not known)
//! ```
//!
//! Slots are written in place and never straddle a sector. The file is synchronised about once a
//! second, after the engine, and not at each commit: it has to survive the end of the process. A power
//! cut may find both a second old; then the last second of a stream that does not flush every append
//! is gone from both, and its numbers are given again, unless an export's cursor tells that they were
//! used. A stream that flushes every append has all it acknowledged in the engine.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use xxhash_rust::xxh3::xxh3_64;

use crate::error::Error;
use crate::segment::Position;
use crate::types::{SequenceNumber, StreamId};

const SLOT: usize = 32;
const VERSION: u32 = 0;

/// The open file.
#[derive(Debug)]
pub(crate) struct Tails {
    file: File,
    unsynced: AtomicBool,
}

/// Where in the file a stream has its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) u64);

/// Gives slots to streams and takes them back.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    next: u64,
    free: Vec<u64>,
}

impl Slots {
    /// All slots but these are free.
    pub(crate) fn with_used(used: &HashSet<u64>) -> Self {
        let next = used.iter().max().map_or(0, |highest| highest + 1);
        Self {
            next,
            free: (0..next).filter(|slot| !used.contains(slot)).collect(),
        }
    }

    pub(crate) fn take(&mut self) -> Slot {
        Slot(self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        }))
    }

    pub(crate) fn give_back(&mut self, slot: Slot) {
        self.free.push(slot.0);
    }
}

/// What the file remembers of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) slot: Slot,
    pub(crate) tail: SequenceNumber,
    pub(crate) head: SequenceNumber,
}

impl Tails {
    /// Opens or creates the file and returns what it remembers. A slot that does not add up is
    /// passed over: it can only be one that a power cut tore.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`], also for a slot of a newer version: passed over, it would be written to.
    pub(crate) fn open(folder: &Path) -> Result<(Self, HashMap<StreamId, Mark>), Error> {
        let path = folder.join("tails");
        let bad = |error: std::io::Error| Error::folder(&path, error);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(bad)?;
        let length = usize::try_from(file.metadata().map_err(bad)?.len()).unwrap_or(0);
        let mut content = vec![0; length];
        file.read_exact_at(&mut content, 0).map_err(bad)?;
        let mut known = HashMap::new();
        for (index, slot) in (0..).zip(content.chunks_exact(SLOT)) {
            let Some(content) = decode(slot) else {
                continue;
            };
            if content.version != VERSION {
                return Err(Error::folder(
                    &path,
                    format!(
                        "it was written by a newer version of the program (slot {index} has version \
                         {}, this program knows {VERSION}); use that version",
                        content.version
                    ),
                ));
            }
            let mark = Mark {
                slot: Slot(index),
                tail: content.tail,
                head: content.head,
            };
            known.insert(content.id, mark);
        }
        Ok((
            Self {
                file,
                unsynced: AtomicBool::new(false),
            },
            known,
        ))
    }

    /// Remembers a stream's tail and head.
    pub(crate) fn write(
        &self,
        slot: Slot,
        id: StreamId,
        position: Position,
    ) -> std::io::Result<()> {
        self.file
            .write_all_at(&encode(id, position), slot.0 * SLOT as u64)?;
        self.unsynced.store(true, Ordering::Release);
        Ok(())
    }

    /// Forgets a slot.
    pub(crate) fn clear(&self, slot: Slot) -> std::io::Result<()> {
        self.file.write_all_at(&[0; SLOT], slot.0 * SLOT as u64)
    }

    /// Brings to the disk what was written since the last time.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        if self.unsynced.swap(false, Ordering::AcqRel) {
            self.file.sync_data()
        } else {
            Ok(())
        }
    }
}

fn encode(id: StreamId, position: Position) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[8..12].copy_from_slice(&id.0.to_le_bytes());
    slot[16..24].copy_from_slice(&position.tail.get().to_le_bytes());
    slot[24..].copy_from_slice(&position.head.get().to_le_bytes());
    let checksum = xxh3_64(&slot[8..]);
    slot[..8].copy_from_slice(&checksum.to_le_bytes());
    slot
}

/// A slot whose checksum is right.
struct Content {
    id: StreamId,
    version: u32,
    tail: SequenceNumber,
    head: SequenceNumber,
}

fn decode(slot: &[u8]) -> Option<Content> {
    let checksum = u64::from_le_bytes(slot.get(..8)?.try_into().ok()?);
    let id = u32::from_le_bytes(slot.get(8..12)?.try_into().ok()?);
    let version = u32::from_le_bytes(slot.get(12..16)?.try_into().ok()?);
    let tail = u64::from_le_bytes(slot.get(16..24)?.try_into().ok()?);
    let head = u64::from_le_bytes(slot.get(24..)?.try_into().ok()?);
    (checksum == xxh3_64(slot.get(8..)?)).then_some(Content {
        id: StreamId(id),
        version,
        tail: SequenceNumber::new(tail),
        head: SequenceNumber::new(head),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_remembered_and_torn_slots_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let (tails, known) = Tails::open(folder.path()).unwrap();
        assert!(known.is_empty());
        let mut slots = Slots::default();
        let (one, two) = (slots.take(), slots.take());
        let position = |head, tail| Position {
            head: SequenceNumber::new(head),
            tail: SequenceNumber::new(tail),
            bytes: 0,
        };
        tails.write(one, StreamId(7), position(30, 70)).unwrap();
        tails.write(two, StreamId(8), position(0, 80)).unwrap();
        tails.file.write_all_at(&[1], 32 + 20).unwrap();
        let (_, known) = Tails::open(folder.path()).unwrap();
        assert_eq!(known.len(), 1);
        assert_eq!(known[&StreamId(7)].tail, SequenceNumber::new(70));
        assert_eq!(known[&StreamId(7)].head, SequenceNumber::new(30));
        let mut slots = Slots::with_used(&HashSet::from([one.0]));
        assert_ne!(slots.take(), one);
    }

    #[test]
    fn a_file_of_a_newer_version_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut slot = encode(StreamId(7), Position::default());
        slot[12] = 1;
        let checksum = xxh3_64(&slot[8..]);
        slot[..8].copy_from_slice(&checksum.to_le_bytes());
        let path = folder.path().join("tails");
        std::fs::write(&path, slot).unwrap();
        let error = Tails::open(folder.path()).err().unwrap();
        assert!(error.to_string().contains("newer version"), "{error}");
        assert_eq!(std::fs::read(path).unwrap(), slot);
    }
}
