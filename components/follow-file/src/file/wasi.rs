//! Files of the folders that the host has granted.

use std::path::Path;

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, MetadataHashValue, OpenFlags, PathFlags,
};

use super::Identity;

#[derive(Debug)]
pub(crate) struct File {
    file: Descriptor,
    identity: Identity,
}

impl File {
    /// Opens a file within the granted folder that is the longest beginning of its path; none if it is not
    /// there.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, String> {
        let shown = path.display();
        let folder = get_directories()
            .into_iter()
            .filter_map(|(folder, name)| {
                let rest = path.strip_prefix(&name).ok()?.to_str()?.to_owned();
                (!rest.is_empty()).then_some((folder, rest))
            })
            .min_by_key(|(_, rest)| rest.len());
        let Some((folder, rest)) = folder else {
            return Err(format!("{shown} lies in no folder that is granted."));
        };
        let opened = folder.open_at(
            PathFlags::SYMLINK_FOLLOW,
            &rest,
            OpenFlags::empty(),
            DescriptorFlags::READ,
        );
        let file = match opened {
            Ok(file) => file,
            Err(ErrorCode::NoEntry) => return Ok(None),
            Err(error) => return Err(format!("{shown} cannot be read: {error}.")),
        };
        let MetadataHashValue { lower, upper } = file
            .metadata_hash()
            .map_err(|error| format!("{shown} cannot be read: {error}."))?;
        let identity = Identity(lower, upper);
        Ok(Some(Self { file, identity }))
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// In bytes.
    pub(crate) fn length(&self) -> Result<u64, String> {
        let stat = self.file.stat();
        stat.map(|stat| stat.size)
            .map_err(|error| error.to_string())
    }

    /// At most so many bytes from a position on; none at the end.
    pub(crate) fn read(&self, position: u64, most: usize) -> Result<Vec<u8>, String> {
        let read = self.file.read(most as u64, position);
        read.map(|(bytes, _)| bytes)
            .map_err(|error| error.to_string())
    }
}
