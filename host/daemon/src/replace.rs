//! Puts a new file in the place of an old one.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

/// Writes a file so that whoever reads sees the old one or the whole new one. The owner stays that of the
/// old one, where this user may do that.
///
/// # Errors
///
/// What the system says; the file is then as before.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    // One that a crash has left is of no use, and may have other permissions.
    let _ = std::fs::remove_file(&new);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)?;
    if let Ok(old) = std::fs::metadata(path) {
        // The host has to be able to read what an administrator wrote. Where this is not allowed,
        // the host reports it.
        let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
    }
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}
