//! A throw-away authority with certificates for a server on this machine and for a device.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::run_script;

/// Certificates and keys in a folder of their own, as PEM files.
pub struct Certificates(TempDir);

impl Certificates {
    /// Makes them.
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        run_script("certificates.py", &[folder.path().to_str().unwrap()]);
        Self(folder)
    }

    /// `authority`, `server` (for `localhost` and 127.0.0.1) or `device`, with `.crt` or `.key`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}
