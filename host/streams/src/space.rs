//! Keeps the disk from filling up to its last byte.
//!
//! An engine whose journal cannot be written is lost until a restart, so the store stops taking data
//! for the disk while there is still room: an append then fails and costs nothing that is stored.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::error::Error;

/// Ask the system again after this many bytes …
const CHECK_BYTES: u64 = 4 << 20;
/// … or this much time.
const CHECK_TIME: Duration = Duration::from_secs(1);

/// Compares the free space of a file system with a reserve, without asking at every append.
#[derive(Debug)]
pub(crate) struct SpaceGate {
    folder: PathBuf,
    reserve: u64,
    free: u64,
    written: u64,
    asked: Option<Instant>,
}

impl SpaceGate {
    /// A gate for the file system of `folder` that keeps `reserve` bytes free.
    pub(crate) fn new(folder: PathBuf, reserve: u64) -> Self {
        Self {
            folder,
            reserve,
            free: 0,
            written: 0,
            asked: None,
        }
    }

    /// Counts what goes to the disk.
    pub(crate) fn written(&mut self, bytes: u64) {
        self.written = self.written.saturating_add(bytes);
    }

    /// # Errors
    ///
    /// [`Error::DiskFull`] while less than the reserve is free.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        let stale = self.asked.is_none_or(|asked| asked.elapsed() >= CHECK_TIME);
        if stale || self.written >= CHECK_BYTES {
            // A file system that does not tell is not held against the append.
            self.free = rustix::fs::statvfs(&self.folder).map_or(u64::MAX, |found| {
                found.f_bavail.saturating_mul(found.f_frsize)
            });
            self.written = 0;
            self.asked = Some(Instant::now());
        }
        if self.free < self.reserve {
            return Err(Error::DiskFull {
                free: self.free,
                reserve: self.reserve,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_that_no_disk_has_refuses_and_none_accepts() {
        let folder = tempfile::tempdir().unwrap();
        let mut gate = SpaceGate::new(folder.path().to_owned(), u64::MAX - 1);
        assert!(matches!(gate.check(), Err(Error::DiskFull { .. })));
        assert_eq!(SpaceGate::new(folder.path().to_owned(), 0).check(), Ok(()));
    }
}
