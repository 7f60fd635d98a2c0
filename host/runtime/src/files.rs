//! `wasi:filesystem/types`: what components do in the folders that they were granted.
//!
//! The walls are those of `wasmtime-wasi`: a path leads nowhere outside of its folder, through whatever
//! links, and a folder that is granted for reading is not changed. What stands here goes around them, says
//! in the log what was denied, and bounds the listings that an instance holds.

use std::sync::Arc;

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::filesystem::{WasiFilesystemCtxView, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry,
    DirectoryEntryStream, ErrorCode, Filesize, Host, HostDescriptor, HostDirectoryEntryStream,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use crate::log::PluginLog;
use crate::state::State;

/// Listings of folders that one instance may have open. The host holds each whole.
const MAX_LISTINGS: usize = 16;

/// For a linker.
pub(crate) struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = Files<'a>;
}

/// The folders of one instance, for the time of a call.
pub(crate) struct Files<'a> {
    state: &'a mut State,
}

/// The folders of an instance.
pub(crate) fn of(state: &mut State) -> Files<'_> {
    Files { state }
}

impl Files<'_> {
    fn wasi(&mut self) -> WasiFilesystemCtxView<'_> {
        self.state.filesystem()
    }

    fn log(&self) -> &Arc<PluginLog> {
        &self.state.log
    }

    /// Passes on what became of a path.
    fn at<T>(&self, path: &str, outcome: FsResult<T>) -> FsResult<T> {
        if is_denied(&outcome) {
            self.log().refuse(&format!(
                "refused the path `{path}`: it leads out of its granted folder, or would change one \
                 that is granted without `write`"
            ));
        }
        outcome
    }

    /// Passes on what became of a change in an open file.
    fn change<T>(&self, outcome: FsResult<T>) -> FsResult<T> {
        if is_denied(&outcome) {
            self.log().refuse(
                "refused to change a file: it is not open for writing, or its folder is granted \
                 without `write`",
            );
        }
        outcome
    }
}

fn is_denied<T>(outcome: &FsResult<T>) -> bool {
    let code = outcome.as_ref().err().and_then(FsError::downcast_ref);
    matches!(code, Some(ErrorCode::NotPermitted))
}

impl Host for Files<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.wasi().convert_error_code(error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        self.wasi().filesystem_error_code(error)
    }
}

type File = Resource<Descriptor>;

impl HostDescriptor for Files<'_> {
    fn read_via_stream(
        &mut self,
        file: File,
        offset: Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        self.wasi().read_via_stream(file, offset)
    }

    fn write_via_stream(
        &mut self,
        file: File,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        let outcome = self.wasi().write_via_stream(file, offset);
        self.change(outcome)
    }

    fn append_via_stream(&mut self, file: File) -> FsResult<Resource<DynOutputStream>> {
        let outcome = self.wasi().append_via_stream(file);
        self.change(outcome)
    }

    async fn advise(
        &mut self,
        file: File,
        offset: Filesize,
        length: Filesize,
        advice: Advice,
    ) -> FsResult<()> {
        self.wasi().advise(file, offset, length, advice).await
    }

    async fn sync_data(&mut self, file: File) -> FsResult<()> {
        self.wasi().sync_data(file).await
    }

    async fn get_flags(&mut self, file: File) -> FsResult<DescriptorFlags> {
        self.wasi().get_flags(file).await
    }

    async fn get_type(&mut self, file: File) -> FsResult<DescriptorType> {
        self.wasi().get_type(file).await
    }

    async fn set_size(&mut self, file: File, size: Filesize) -> FsResult<()> {
        let outcome = self.wasi().set_size(file, size).await;
        self.change(outcome)
    }

    async fn set_times(
        &mut self,
        file: File,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let outcome = self.wasi().set_times(file, accessed, modified).await;
        self.change(outcome)
    }

    async fn read(
        &mut self,
        file: File,
        length: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        self.wasi().read(file, length, offset).await
    }

    async fn write(&mut self, file: File, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let outcome = self.wasi().write(file, bytes, offset).await;
        self.change(outcome)
    }

    async fn read_directory(&mut self, folder: File) -> FsResult<Resource<DirectoryEntryStream>> {
        if self.state.listings >= MAX_LISTINGS {
            self.log().refuse(&format!(
                "refused to list a folder: it has {MAX_LISTINGS} listings open already"
            ));
            return Err(ErrorCode::InsufficientMemory.into());
        }
        let listing = self.wasi().read_directory(folder).await?;
        self.state.listings += 1;
        Ok(listing)
    }

    async fn sync(&mut self, file: File) -> FsResult<()> {
        self.wasi().sync(file).await
    }

    async fn create_directory_at(&mut self, folder: File, path: String) -> FsResult<()> {
        let outcome = self.wasi().create_directory_at(folder, path.clone()).await;
        self.at(&path, outcome)
    }

    async fn stat(&mut self, file: File) -> FsResult<DescriptorStat> {
        self.wasi().stat(file).await
    }

    async fn stat_at(
        &mut self,
        folder: File,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        let outcome = self.wasi().stat_at(folder, flags, path.clone()).await;
        self.at(&path, outcome)
    }

    async fn set_times_at(
        &mut self,
        folder: File,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let mut wasi = self.wasi();
        let outcome = wasi.set_times_at(folder, flags, path.clone(), accessed, modified);
        let outcome = outcome.await;
        self.at(&path, outcome)
    }

    async fn link_at(
        &mut self,
        folder: File,
        flags: PathFlags,
        path: String,
        new_folder: File,
        new_path: String,
    ) -> FsResult<()> {
        let mut wasi = self.wasi();
        let outcome = wasi.link_at(folder, flags, path.clone(), new_folder, new_path);
        let outcome = outcome.await;
        self.at(&path, outcome)
    }

    async fn open_at(
        &mut self,
        folder: File,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<File> {
        let mut wasi = self.wasi();
        let outcome = wasi.open_at(folder, path_flags, path.clone(), open_flags, flags);
        let outcome = outcome.await;
        self.at(&path, outcome)
    }

    async fn readlink_at(&mut self, folder: File, path: String) -> FsResult<String> {
        let outcome = self.wasi().readlink_at(folder, path.clone()).await;
        self.at(&path, outcome)
    }

    async fn remove_directory_at(&mut self, folder: File, path: String) -> FsResult<()> {
        let outcome = self.wasi().remove_directory_at(folder, path.clone()).await;
        self.at(&path, outcome)
    }

    async fn rename_at(
        &mut self,
        folder: File,
        path: String,
        new_folder: File,
        new_path: String,
    ) -> FsResult<()> {
        let mut wasi = self.wasi();
        let outcome = wasi.rename_at(folder, path.clone(), new_folder, new_path);
        let outcome = outcome.await;
        self.at(&path, outcome)
    }

    async fn symlink_at(&mut self, folder: File, target: String, path: String) -> FsResult<()> {
        let outcome = self.wasi().symlink_at(folder, target.clone(), path).await;
        self.at(&target, outcome)
    }

    async fn unlink_file_at(&mut self, folder: File, path: String) -> FsResult<()> {
        let outcome = self.wasi().unlink_file_at(folder, path.clone()).await;
        self.at(&path, outcome)
    }

    async fn is_same_object(&mut self, one: File, other: File) -> wasmtime::Result<bool> {
        self.wasi().is_same_object(one, other).await
    }

    async fn metadata_hash(&mut self, file: File) -> FsResult<MetadataHashValue> {
        self.wasi().metadata_hash(file).await
    }

    async fn metadata_hash_at(
        &mut self,
        folder: File,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        let mut wasi = self.wasi();
        let outcome = wasi.metadata_hash_at(folder, flags, path.clone()).await;
        self.at(&path, outcome)
    }

    fn drop(&mut self, file: File) -> wasmtime::Result<()> {
        HostDescriptor::drop(&mut self.wasi(), file)
    }
}

impl HostDirectoryEntryStream for Files<'_> {
    async fn read_directory_entry(
        &mut self,
        listing: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.wasi().read_directory_entry(listing).await
    }

    fn drop(&mut self, listing: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.wasi(), listing)?;
        self.state.listings = self.state.listings.saturating_sub(1);
        Ok(())
    }
}
