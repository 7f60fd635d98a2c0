//! Files of a native program.

use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::Identity;

#[derive(Debug)]
pub(crate) struct File {
    file: std::fs::File,
    identity: Identity,
}

impl File {
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, String> {
        let opened = std::fs::File::open(path).and_then(|file| {
            let metadata = file.metadata()?;
            let identity = Identity(metadata.dev(), metadata.ino());
            Ok(Self { file, identity })
        });
        match opened {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{} cannot be read: {error}.", path.display())),
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    pub(crate) fn length(&self) -> Result<u64, String> {
        let metadata = self.file.metadata();
        metadata
            .map(|metadata| metadata.len())
            .map_err(|error| error.to_string())
    }

    pub(crate) fn read(&self, position: u64, most: usize) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; most];
        let count = self.file.read_at(&mut bytes, position);
        bytes.truncate(count.map_err(|error| error.to_string())?);
        Ok(bytes)
    }
}
