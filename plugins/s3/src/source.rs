//! The file of a task.
//!
//! A file that changes while it is read would become an object that never existed on the device, so its
//! size and its time of change are compared before and after each reading, and for an upload in parts
//! with what they were at the beginning.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// By what a file is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stamp {
    pub(crate) bytes: u64,
    /// The time of change, in nanoseconds since the Unix epoch.
    pub(crate) modified_nanos: i64,
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Source {
    path: String,
    file: File,
    stamp: Stamp,
}

impl Source {
    /// Opens a file of a granted folder.
    ///
    /// # Errors
    ///
    /// A sentence that says why it cannot be read.
    pub(crate) fn open(path: &str) -> Result<Self, String> {
        // Asked before opening: to open a pipe would wait for somebody to write into it.
        let is_file = std::fs::metadata(path).map(|metadata| metadata.is_file());
        if let Ok(false) = is_file {
            return Err(format!("`{path}` is not a file."));
        }
        let file = is_file
            .and_then(|_| File::open(path))
            .map_err(|error| unreadable(path, &error))?;
        let stamp = stamp(&file).map_err(|error| unreadable(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            stamp,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The file as it was when it was opened.
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Reads a range of bytes, which is small enough to be held.
    ///
    /// # Errors
    ///
    /// A sentence, if the file cannot be read, or has changed since it was opened.
    pub(crate) fn read(&mut self, range: Range<u64>) -> Result<Vec<u8>, String> {
        let length = range.end.saturating_sub(range.start);
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(range.start))
            .and_then(|_| {
                bytes.reserve_exact(usize::try_from(length).unwrap_or_default());
                (&self.file).take(length).read_to_end(&mut bytes)
            })
            .map_err(|error| unreadable(&self.path, &error))?;
        let now = stamp(&self.file).map_err(|error| unreadable(&self.path, &error))?;
        match now == self.stamp && bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(changed(&self.path)),
        }
    }
}

/// The sentence about a file that is not what it was.
pub(crate) fn changed(path: &str) -> String {
    format!(
        "The file `{path}` changed while it was uploaded; append the task again when it is whole."
    )
}

fn unreadable(path: &str, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => format!(
            "There is no file `{path}`, or it lies in no folder that `[plugin.s3.grants] folders` \
             grants."
        ),
        // What the sandbox answers where a link leads out of a granted folder, too.
        ErrorKind::PermissionDenied => format!(
            "The file `{path}` may not be read: {error}. Check its permissions, and whether it lies in \
             a folder that `[plugin.s3.grants] folders` grants."
        ),
        _ => format!("The file `{path}` cannot be read: {error}."),
    }
}

fn stamp(file: &File) -> std::io::Result<Stamp> {
    let metadata = file.metadata()?;
    Ok(Stamp {
        bytes: metadata.len(),
        modified_nanos: modified_nanos(&metadata)?,
    })
}

fn modified_nanos(metadata: &Metadata) -> std::io::Result<i64> {
    let modified = metadata.modified()?;
    let nanos = match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, std::ops::Neg::neg)
        }
    };
    Ok(nanos)
}

#[cfg(test)]
mod tests {
    use std::io::{Error, Write};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_is_read_by_ranges_and_found_out_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").to_str().unwrap().to_owned();
        std::fs::write(&path, b"0123456789").unwrap();
        let mut source = Source::open(&path).unwrap();
        assert_eq!(source.stamp().bytes, 10);
        assert_eq!(source.read(4..8).unwrap(), b"4567");
        assert_eq!(source.read(0..10).unwrap(), b"0123456789");
        assert_eq!(source.read(3..3).unwrap(), b"");

        let mut writer = File::options().append(true).open(&path).unwrap();
        writer.write_all(b"x").unwrap();
        assert!(source.read(0..4).unwrap_err().contains("changed"));

        writer.set_len(2).unwrap();
        let mut source = Source::open(&path).unwrap();
        writer.set_len(1).unwrap();
        assert!(source.read(0..2).unwrap_err().contains("changed"));
    }

    #[test]
    fn a_file_that_was_written_anew_at_the_same_size_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").to_str().unwrap().to_owned();
        std::fs::write(&path, b"0123456789").unwrap();
        let writer = File::options().write(true).open(&path).unwrap();
        let written = writer.metadata().unwrap().modified().unwrap();
        let second = Duration::from_secs(1);
        // An older file may be put in its place, too.
        for again in [written + second, written - second] {
            writer.set_modified(written).unwrap();
            let mut source = Source::open(&path).unwrap();
            assert_eq!(source.read(0..4).unwrap(), b"0123");
            writer.set_modified(again).unwrap();
            let reason = source.read(0..4).unwrap_err();
            assert!(reason.contains("changed"), "{reason}");
        }
    }

    #[test]
    fn each_reason_why_a_file_cannot_be_read_is_told_apart() {
        for (code, expected) in [
            // ENOENT, EPERM, EACCES and EIO.
            (2, "There is no file `/in/f`, or it lies in no folder"),
            (1, "The file `/in/f` may not be read: Operation not"),
            (13, "The file `/in/f` may not be read: Permission denied"),
            (5, "The file `/in/f` cannot be read: Input/output error"),
        ] {
            let reason = unreadable("/in/f", &Error::from_raw_os_error(code));
            assert!(reason.starts_with(expected), "{reason}");
        }
    }

    #[test]
    fn what_is_no_file_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let reason = Source::open(path).unwrap_err();
        assert!(reason.contains("is not a file"), "{reason}");
        let reason = Source::open(&format!("{path}/none")).unwrap_err();
        assert!(reason.contains("There is no file"), "{reason}");
        let pipe = format!("{path}/pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let reason = Source::open(&pipe).unwrap_err();
        assert!(reason.contains("is not a file"), "{reason}");
    }
}
