//! Keeps the disk from filling up to its last byte.
//!
//! An engine whose journal cannot be written is lost until a restart, so the store stops taking data
//! for the disk while there is still room: an append then fails and costs nothing that is stored.

use std::path::{Path, PathBuf};
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

    /// Lets `bytes` more go to the disk, and counts them.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFull`] if less than the reserve would be left.
    pub(crate) fn check(&mut self, bytes: u64) -> Result<(), Error> {
        let stale = self.asked.is_none_or(|asked| asked.elapsed() >= CHECK_TIME);
        if stale || self.written >= CHECK_BYTES {
            self.free = free(&self.folder);
            self.written = 0;
            self.asked = Some(Instant::now());
        }
        let left = self.free.saturating_sub(self.written);
        if left.saturating_sub(bytes) < self.reserve {
            return Err(Error::DiskFull {
                free: left,
                reserve: self.reserve,
            });
        }
        self.written = self.written.saturating_add(bytes);
        Ok(())
    }
}

/// Free bytes on the file system of a folder. A file system that does not tell has room without end.
pub(crate) fn free(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(u64::MAX, |found| {
        found.f_bavail.saturating_mul(found.f_frsize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_that_no_disk_has_refuses_and_none_accepts() {
        let folder = tempfile::tempdir().unwrap();
        let mut gate = SpaceGate::new(folder.path().to_owned(), u64::MAX - 1);
        assert!(matches!(gate.check(0), Err(Error::DiskFull { .. })));
        assert_eq!(SpaceGate::new(folder.path().to_owned(), 0).check(1), Ok(()));
    }

    #[test]
    fn what_was_let_through_counts_before_the_system_is_asked_again() {
        let mut gate = SpaceGate::new(PathBuf::new(), 100);
        (gate.free, gate.asked) = (1000, Some(Instant::now()));
        assert!(matches!(gate.check(901), Err(Error::DiskFull { .. })));
        assert_eq!(gate.check(500), Ok(()));
        assert!(matches!(gate.check(401), Err(Error::DiskFull { .. })));
        assert_eq!(gate.check(400), Ok(()));
    }
}
