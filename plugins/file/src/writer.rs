//! Appends batches to the active file, and closes it when it is full or old.
//!
//! The file is opened for each batch and closed behind it: between two batches an operator may move
//! or delete it, and the next batch finds out by its length. A closed file is renamed and never
//! touched again, except that the oldest are deleted where the configuration says how many to keep.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use millstream_plugin::{ExportError, log};

use crate::config::{Compression, Rotation};
use crate::gzip;
use crate::name::{Closed, FileName, Stamp};
use crate::tail::{self, Tail};

/// Writes the files of one export. There must be no second one for the same folder and name.
#[derive(Debug)]
pub(crate) struct Writer {
    folder: PathBuf,
    name: FileName,
    compression: Compression,
    rotation: Rotation,
    state: State,
}

/// What is known of the active file.
#[derive(Debug, Clone, Copy)]
enum State {
    /// Nothing: the export was just opened, or the last write failed.
    Unknown,
    /// It was in order when it had this many bytes.
    Known(Active),
}

/// An active file with at least one message, in order from its beginning to its end.
#[derive(Debug, Clone, Copy)]
struct Active {
    bytes: u64,
    first_sequence_number: u64,
    begun: Timestamp,
}

impl Writer {
    /// A writer for files in `folder`, which must exist. Nothing is read or written yet.
    pub(crate) fn new(
        folder: PathBuf,
        name: FileName,
        compression: Compression,
        rotation: Rotation,
    ) -> Self {
        Self {
            folder,
            name,
            compression,
            rotation,
            state: State::Unknown,
        }
    }

    /// Appends the lines that `lines` writes, as one batch, and syncs them. `first` is the number of
    /// the first message.
    ///
    /// # Errors
    ///
    /// Nothing of the batch counts as written; a part of it may stay in the file if the device fails
    /// in the middle.
    pub(crate) fn append(
        &mut self,
        first: u64,
        now: Timestamp,
        lines: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        self.try_append(first, now, lines)
            .map_err(|error| self.explain(&error))
    }

    fn try_append(
        &mut self,
        first: u64,
        now: Timestamp,
        lines: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let active = match self.active(now)? {
            Some(active) if self.is_due(active, now) => {
                self.close(active, self.compression, now)?;
                None
            }
            active => active,
        };
        // Until this batch is safe nothing is known: an error leaves it so.
        self.state = State::Unknown;
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.active_path())?;
        if let Err(error) = self.write(&mut file, active.is_none(), lines) {
            // The next append looks at the file's end, whether this succeeds or not.
            let _ = file.set_len(active.map_or(0, |active| active.bytes));
            return Err(error);
        }
        let bytes = file.metadata()?.len();
        self.state = State::Known(match active {
            Some(active) => Active { bytes, ..active },
            None => Active {
                bytes,
                first_sequence_number: first,
                begun: now,
            },
        });
        Ok(())
    }

    fn write(
        &self,
        file: &mut fs::File,
        new: bool,
        lines: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.compression {
            Compression::None => {
                // Large enough that a usual batch reaches the file in one write.
                let mut buffered = BufWriter::with_capacity(1 << 20, &mut *file);
                lines(&mut buffered)?;
                buffered.flush()?;
            }
            Compression::Gzip => file.write_all(&gzip::member(lines)?)?,
        }
        if new {
            file.sync_all()?;
            // The file's name is safe only when the folder is.
            fs::File::open(&self.folder)?.sync_all()
        } else {
            file.sync_data()
        }
    }

    /// The active file, if there is one that can be appended to.
    fn active(&mut self, now: Timestamp) -> io::Result<Option<Active>> {
        let length = length(&self.active_path())?;
        match self.state {
            State::Known(active) if active.bytes == length => Ok(Some(active)),
            State::Known(_) => self.recover(self.compression, length, now),
            State::Unknown => {
                self.close_other(now)?;
                self.recover(self.compression, length, now)
            }
        }
    }

    /// Closes an active file that an earlier configuration left, with the other compression.
    fn close_other(&self, now: Timestamp) -> io::Result<()> {
        let other = match self.compression {
            Compression::None => Compression::Gzip,
            Compression::Gzip => Compression::None,
        };
        let length = length(&self.path(&self.name.active(other)))?;
        match self.recover(other, length, now)? {
            Some(active) => self.close(active, other, now),
            None => Ok(()),
        }
    }

    /// Brings a file that somebody else may have written last into order.
    fn recover(
        &self,
        compression: Compression,
        length: u64,
        now: Timestamp,
    ) -> io::Result<Option<Active>> {
        if length == 0 {
            return Ok(None);
        }
        let path = self.path(&self.name.active(compression));
        let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
        let bytes = match tail::examine(&mut file, length, compression)? {
            Tail::Whole => length,
            Tail::Torn { keep } => {
                file.set_len(keep)?;
                file.sync_all()?;
                log::warn(&format!(
                    "{}: cut off the last {} bytes, a batch that was not written to its end; it is \
                     exported again",
                    path.display(),
                    length - keep
                ));
                keep
            }
            Tail::Damaged => return self.set_aside(&path, compression, now),
        };
        if bytes == 0 {
            return Ok(None);
        }
        let Some(head) = tail::head(&mut file, compression)? else {
            return self.set_aside(&path, compression, now);
        };
        // A file is begun when its first message comes, and a message comes after it was taken. Where
        // the stream was far behind this is early, and the file is closed once before its time.
        let ingested = i64::try_from(head.ingest_time).map(Timestamp::from_millisecond);
        let begun = ingested.ok().and_then(Result::ok).unwrap_or(now).min(now);
        Ok(Some(Active {
            bytes,
            first_sequence_number: head.sequence_number,
            begun,
        }))
    }

    fn set_aside(
        &self,
        path: &Path,
        compression: Compression,
        now: Timestamp,
    ) -> io::Result<Option<Active>> {
        let aside = self.free_path(Stamp::new(now), |stamp| {
            self.name.damaged(stamp, compression)
        });
        fs::rename(path, &aside)?;
        log::error(&format!(
            "{}: its content is damaged or of another program; it is now {}",
            path.display(),
            aside.display()
        ));
        Ok(None)
    }

    fn is_due(&self, active: Active, now: Timestamp) -> bool {
        let age = std::time::Duration::try_from(now.duration_since(active.begun)).ok();
        let old = self
            .rotation
            .max_age
            .zip(age)
            .is_some_and(|(limit, age)| age >= limit.0);
        old || active.bytes >= self.rotation.max_bytes.get()
    }

    /// Gives the active file its final name and deletes what is beyond the number to keep.
    fn close(&self, active: Active, compression: Compression, now: Timestamp) -> io::Result<()> {
        let mut closed = self.closed_files()?;
        // Stamps never go back, though clocks do: their order is the order in which files go.
        let newest = closed
            .last()
            .map_or(Stamp::new(now), |(last, _)| last.stamp);
        let first_sequence_number = active.first_sequence_number;
        let target = self.free_path(Stamp::new(now).max(newest), |stamp| {
            self.name.closed(
                &Closed {
                    stamp,
                    first_sequence_number,
                },
                compression,
            )
        });
        fs::rename(self.path(&self.name.active(compression)), target)?;
        if let Some(keep) = self.rotation.keep {
            // One more than the list has: the file just closed.
            let surplus = (closed.len() + 1).saturating_sub(keep.get() as usize);
            closed.truncate(surplus);
            for (_, path) in closed {
                if let Err(error) = fs::remove_file(&path) {
                    log::warn(&format!("{}: cannot be deleted: {error}", path.display()));
                }
            }
        }
        Ok(())
    }

    /// The closed files of this export, oldest first.
    fn closed_files(&self) -> io::Result<Vec<(Closed, PathBuf)>> {
        let mut closed = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if let Some(parsed) = name.to_str().and_then(|name| self.name.parse_closed(name)) {
                closed.push((parsed, entry.path()));
            }
        }
        closed.sort();
        Ok(closed)
    }

    /// The first path from `stamp` on that no file has.
    fn free_path(&self, mut stamp: Stamp, name: impl Fn(Stamp) -> String) -> PathBuf {
        loop {
            let path = self.path(&name(stamp));
            if !path.exists() {
                return path;
            }
            stamp = stamp.next();
        }
    }

    fn active_path(&self) -> PathBuf {
        self.path(&self.name.active(self.compression))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn explain(&self, error: &io::Error) -> ExportError {
        let folder = self.folder.display();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                ExportError::unavailable(format!(
                    "The disk behind `{folder}` is full: free space, or keep fewer files with \
                     `rotation.keep` ({error})."
                ))
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                ExportError::denied(format!(
                    "`{folder}` must not be written: grant it with `write = true`, and check the \
                     rights of the folder behind it ({error})."
                ))
            }
            io::ErrorKind::NotFound => ExportError::misconfigured(format!(
                "`{folder}` is gone: put the folder behind it back ({error})."
            )),
            _ => ExportError::unavailable(format!("Writing to `{folder}` failed: {error}.")),
        }
    }
}

/// The length of a file; 0 if there is none.
fn length(path: &Path) -> io::Result<u64> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}
