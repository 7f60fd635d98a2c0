//! What the engine knows of a stream when it opens, and what it should know and does not.
//!
//! A stream that is whole costs a few records of `meta` and one look at its last chunk. Where the
//! segments from the head on do not follow one another, or the end cannot be read, the chunks of just
//! that range are gone through and tell what is there. What cannot be read is damage of this stream
//! and no reason not to open; what the system refuses (permissions, open files) is an error.

use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::ops::Range;

use super::{Engine, Unreadable};
use crate::chunk::{Chunk, Header};
use crate::cursor::Record;
use crate::error::Error;
use crate::keys;
use crate::segment::Segment;
use crate::types::{SequenceNumber, StreamId};

/// What is stored of a stream.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    pub(crate) segments: VecDeque<Segment>,
    /// Behind the last number that was found.
    pub(crate) tail: SequenceNumber,
    pub(crate) cursors: HashMap<String, Record>,
    /// Numbers from the head on for which there is no readable chunk, in order.
    pub(crate) missing: Vec<Range<SequenceNumber>>,
    /// Those of which an earlier open has told.
    pub(crate) known_gaps: Vec<Range<SequenceNumber>>,
    /// Whether something could not be read.
    pub(crate) damaged: bool,
}

impl Restored {
    /// Takes what a read gave; none where the disk holds something else than was written.
    fn readable<T>(&mut self, found: Result<T, fjall::Error>) -> Result<Option<T>, Error> {
        match found {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_environment(&error) => Err(Error::failed(error)),
            Err(damage) => {
                if !std::mem::replace(&mut self.damaged, true) {
                    tracing::error!(%damage, "a stream has stored data that cannot be read");
                }
                Ok(None)
            }
        }
    }

    /// Adds a chunk behind all others.
    fn add(&mut self, header: &Header) {
        if header.base > self.tail {
            self.missing.push(self.tail..header.base);
        }
        self.tail = self.tail.max(header.end());
        match self.segments.back_mut() {
            Some(last) if last.base == header.segment_base => {
                last.end = header.end();
                last.bytes = header.segment_bytes;
                last.newest = last.newest.max(header.ingest_time);
            }
            _ => self.segments.push_back(Segment {
                // A segment whose first chunks are gone begins with the first that is there.
                base: header.segment_base.max(header.base),
                end: header.end(),
                bytes: header.segment_bytes,
                newest: header.ingest_time,
            }),
        }
    }

    /// Notes that nothing was found up to here.
    fn skip_to(&mut self, number: SequenceNumber) {
        if number > self.tail {
            self.missing.push(self.tail..number);
            self.tail = number;
        }
    }
}

/// Whether the system, and not the content of the disk, is why a read failed.
pub(crate) fn is_environment(error: &fjall::Error) -> bool {
    let (fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error))) = error
    else {
        return false;
    };
    is_environment_kind(error)
}

/// The same of an error of the file system.
fn is_environment_kind(error: &std::io::Error) -> bool {
    let out_of_files = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
    out_of_files
        || matches!(
            error.kind(),
            ErrorKind::PermissionDenied
                | ErrorKind::StorageFull
                | ErrorKind::QuotaExceeded
                | ErrorKind::ReadOnlyFilesystem
                | ErrorKind::OutOfMemory
                | ErrorKind::ResourceBusy
                | ErrorKind::Interrupted
                | ErrorKind::StaleNetworkFileHandle
        )
}

impl Engine {
    /// What is stored of a stream, whose head is not below `head`.
    pub(crate) fn restore(&self, id: StreamId, head: SequenceNumber) -> Result<Restored, Error> {
        let (mut restored, completed) = self.restore_records(id, head)?;
        for segment in completed {
            if segment.base > restored.tail {
                self.survey(&mut restored, id, segment.base)?;
                restored.skip_to(segment.base);
            }
            restored.tail = restored.tail.max(segment.end);
            restored.segments.push_back(segment);
        }
        self.restore_end(&mut restored, id)?;
        Ok(restored)
    }

    /// The same, where the records of segments are not to be trusted: every chunk is looked at.
    pub(crate) fn restore_from_chunks(
        &self,
        id: StreamId,
        head: SequenceNumber,
    ) -> Result<Restored, Error> {
        let (mut restored, completed) = self.restore_records(id, head)?;
        self.survey(&mut restored, id, SequenceNumber::new(u64::MAX))?;
        for segment in &mut restored.segments {
            // The record follows corrections of the clock, chunks do not.
            let record = completed.iter().find(|record| record.base == segment.base);
            segment.newest = record.map_or(segment.newest, |record| record.newest);
        }
        Ok(restored)
    }

    /// What `meta` says of a stream, and the segments that it lists from the head on.
    fn restore_records(
        &self,
        id: StreamId,
        head: SequenceNumber,
    ) -> Result<(Restored, Vec<Segment>), Error> {
        let mut restored = Restored::default();
        let stored = restored.readable(self.meta.get(keys::head(id)))?.flatten();
        let head = stored
            .and_then(|value| keys::decode_head(&value))
            .map_or(head, |stored| stored.max(head));
        restored.tail = head;
        let mut completed = Vec::new();
        for (key, value) in self.records(&mut restored, keys::segments(id))? {
            completed
                .extend(keys::decode_segment(&key, &value).filter(|segment| segment.base >= head));
        }
        for (key, value) in self.records(&mut restored, keys::cursors(id))? {
            if let (Some(identifier), Some(record)) =
                (keys::cursor_identifier(&key), Record::decode(&value))
            {
                restored.cursors.insert(identifier.to_owned(), record);
            }
        }
        for (key, value) in self.records(&mut restored, keys::gaps(id))? {
            restored.known_gaps.extend(keys::decode_gap(&key, &value));
        }
        Ok((restored, completed))
    }

    /// Puts the segment together that was still growing.
    fn restore_end(&self, restored: &mut Restored, id: StreamId) -> Result<(), Error> {
        let last = self
            .data
            .range(keys::chunks_from(id, restored.tail))
            .next_back()
            .map(fjall::Guard::into_inner);
        let Some(last) = last else {
            return Ok(());
        };
        let last = restored
            .readable(last)?
            .and_then(|(_, value)| Chunk::decode(value.into()));
        let Some(last) = last else {
            restored.damaged = true;
            return self.survey(restored, id, SequenceNumber::new(u64::MAX));
        };
        let header = last.header();
        if header.segment_base < restored.tail {
            // Its segment has a record of its own that says less than there is.
            return self.survey(restored, id, SequenceNumber::new(u64::MAX));
        }
        if header.segment_base > restored.tail {
            self.survey(restored, id, header.segment_base)?;
            restored.skip_to(header.segment_base);
        }
        restored.segments.push_back(Segment {
            base: header.segment_base,
            end: header.end(),
            bytes: header.segment_bytes,
            newest: header.ingest_time,
        });
        restored.tail = header.end();
        Ok(())
    }

    /// Goes through the chunks from what was found so far up to `end`.
    fn survey(
        &self,
        restored: &mut Restored,
        id: StreamId,
        end: SequenceNumber,
    ) -> Result<(), Error> {
        let mut unreadable_to = restored.tail;
        for found in self.chunks(id, restored.tail, restored.tail) {
            match found {
                Ok(chunk) if chunk.header().base >= end => break,
                Ok(chunk) => restored.add(chunk.header()),
                Err(Unreadable::Damaged { certain, .. }) => {
                    restored.damaged = true;
                    unreadable_to = certain.min(end);
                }
                Err(Unreadable::Refused(error)) => return Err(error),
            }
        }
        restored.skip_to(unreadable_to);
        Ok(())
    }

    /// The records of `meta` whose keys begin like this, as far as they can be read.
    fn records(
        &self,
        restored: &mut Restored,
        prefix: Vec<u8>,
    ) -> Result<Vec<(fjall::UserKey, fjall::UserValue)>, Error> {
        let mut records = Vec::new();
        for found in self.meta.prefix(prefix) {
            match restored.readable(found.into_inner())? {
                Some(record) => records.push(record),
                None => break,
            }
        }
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_refuses_is_no_damage() {
        let io = |kind: ErrorKind| std::io::Error::from(kind);
        let denied = fjall::Error::Storage(io(ErrorKind::PermissionDenied).into());
        assert!(is_environment(&denied));
        let files = rustix::io::Errno::MFILE.raw_os_error();
        assert!(is_environment(&fjall::Error::Io(
            std::io::Error::from_raw_os_error(files)
        )));
        assert!(!is_environment(&fjall::Error::Io(io(
            ErrorKind::UnexpectedEof
        ))));
        assert!(!is_environment(&fjall::Error::InvalidTrailer));
    }
}
