//! Native code of components, kept from one start to the next.
//!
//! Native code is trusted: loading a forged file would run anything. So the folder belongs to this
//! user alone, and only files that the host itself put there are loaded. A file's name carries the
//! SHA-256 of the component, a hash of everything about the engine that shapes native code
//! (wasmtime's version, its settings, the processor), and a checksum of the code itself. A damaged
//! file is not an attack but happens; it is deleted and compiled anew.

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;
use wasmtime::Engine;
use wasmtime::component::Component;
use xxhash_rust::xxh3::Xxh3;

use crate::error::RuntimeError;

/// Files kept, besides those of components that are loaded; the least recently used go first.
const MAX_FILES: usize = 32;
/// Temporary files older than this were left by a host that died. No compilation takes so long.
const STALE: Duration = Duration::from_secs(3600);
const NATIVE: &str = "cwasm";
const STAGED: &str = "staged-";

/// The folder of native code.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    /// What besides the component shapes native code.
    environment: u64,
    /// The SHA-256 of components that are loaded, for as long as somebody holds them.
    loaded: Mutex<Vec<Weak<str>>>,
}

impl Cache {
    /// Opens the folder, makes it if need be, and checks that nobody else can write to it.
    pub(crate) fn open(folder: PathBuf, engine: &Engine) -> Result<Self, RuntimeError> {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let cache = Self {
            folder,
            environment: hasher.finish(),
            loaded: Mutex::default(),
        };
        cache
            .create_folder()
            .map_err(|source| cache.error(source))?;
        if let Some(problem) = cache.problem().map_err(|source| cache.error(source))? {
            return Err(RuntimeError::CacheUnsafe {
                path: cache.folder,
                problem,
            });
        }
        Ok(cache)
    }

    /// Keeps the native code of a component for as long as somebody holds its SHA-256: one that rests
    /// comes back for it.
    pub(crate) fn keep(&self, sha256: &Arc<str>) {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|one| one.strong_count() > 0);
        loaded.push(Arc::downgrade(sha256));
    }

    /// The native code of a component, if it is there, whole, and of this engine.
    pub(crate) fn load(&self, engine: &Engine, sha256: &str) -> Option<Component> {
        let prefix = self.prefix(sha256);
        let path = self
            .native_files()
            .ok()?
            .into_iter()
            .map(|file| file.path)
            .find(|path| begins_with(path, &prefix))?;
        match self.load_file(engine, &prefix, &path) {
            Ok(component) => {
                mark_used(&path);
                Some(component)
            }
            Err(reason) => {
                tracing::warn!(file = %path.display(), reason, "dropped native code from the cache");
                // If it cannot be deleted, the file that replaces it is found or this one again;
                // either way nothing unchecked is loaded.
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    fn load_file(&self, engine: &Engine, prefix: &str, path: &Path) -> Result<Component, String> {
        let sum = checksum(path).map_err(|error| error.to_string())?;
        if path.file_stem().and_then(|name| name.to_str()) != Some(&format!("{prefix}{sum:016x}")) {
            return Err("it is damaged".into());
        }
        // SAFETY: the file is what `precompile_component` of this host wrote: it lies in a folder
        // that only this user can write to (`problem`), came there through `install`, and has the
        // checksum that its name says.
        let mapped = unsafe { Component::deserialize_file(engine, path) };
        mapped
            .or_else(|error| {
                // A file system mounted `noexec` does not let code be mapped from a file.
                let bytes = fs::read(path).map_err(|_| error)?;
                // SAFETY: as above.
                unsafe { Component::deserialize(engine, bytes) }
            })
            .map_err(|error| format!("{error:#}"))
    }

    /// A temporary file in the folder; it is deleted when it is dropped.
    pub(crate) fn stage(&self, bytes: &[u8]) -> Result<NamedTempFile, RuntimeError> {
        let stage = || {
            let mut file = tempfile::Builder::new()
                .prefix(STAGED)
                .tempfile_in(&self.folder)?;
            file.write_all(bytes)?;
            Ok(file)
        };
        stage().map_err(|source| self.error(source))
    }

    /// Puts native code that a child wrote into its place, and drops what was not used for long.
    pub(crate) fn install(&self, sha256: &str, staged: NamedTempFile) -> Result<(), RuntimeError> {
        let install = || {
            let sum = checksum(staged.path())?;
            let name = format!("{}{sum:016x}.{NATIVE}", self.prefix(sha256));
            staged.as_file().sync_all()?;
            staged.persist(self.folder.join(name))?;
            // So that the name survives a power cut; without it the component is compiled again.
            File::open(&self.folder)?.sync_all()
        };
        install().map_err(|source| self.error(source))?;
        if let Err(error) = self.prune() {
            // Another process may be at it too; what is left now goes next time.
            tracing::debug!(%error, "could not drop old native code");
        }
        Ok(())
    }

    fn prefix(&self, sha256: &str) -> String {
        format!("{sha256}-{:016x}-", self.environment)
    }

    fn native_files(&self) -> io::Result<Vec<CacheFile>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == NATIVE)
            {
                // A file that another process has just deleted is none.
                if let Ok(used) = fs::metadata(&path).and_then(|metadata| metadata.modified()) {
                    files.push(CacheFile { path, used });
                }
            }
        }
        files.sort_by_key(|file| std::cmp::Reverse(file.used));
        Ok(files)
    }

    fn prune(&self) -> io::Result<()> {
        let kept = self.kept_prefixes();
        for file in self.native_files()?.into_iter().skip(MAX_FILES) {
            if !kept.iter().any(|prefix| begins_with(&file.path, prefix)) {
                fs::remove_file(file.path)?;
            }
        }
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let staged = entry.file_name().to_string_lossy().starts_with(STAGED);
            let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
            if staged && age > STALE {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn kept_prefixes(&self) -> Vec<String> {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = loaded.iter().filter_map(Weak::upgrade);
        loaded.map(|sha256| self.prefix(&sha256)).collect()
    }

    fn create_folder(&self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder)
    }

    /// What would let somebody else write to the folder.
    #[cfg(unix)]
    fn problem(&self) -> io::Result<Option<&'static str>> {
        use std::os::unix::fs::MetadataExt;

        let folder = fs::metadata(&self.folder)?;
        if folder.mode() & 0o022 != 0 {
            return Ok(Some("may be written to by other users"));
        }
        // Whoever this process is, a file it creates belongs to it.
        let own = tempfile::Builder::new()
            .prefix(STAGED)
            .tempfile_in(&self.folder)?;
        if own.as_file().metadata()?.uid() != folder.uid() {
            return Ok(Some("belongs to another user"));
        }
        Ok(None)
    }

    #[cfg(not(unix))]
    fn problem(&self) -> io::Result<Option<&'static str>> {
        fs::metadata(&self.folder).map(|_| None)
    }

    fn error(&self, source: io::Error) -> RuntimeError {
        RuntimeError::Cache {
            path: self.folder.clone(),
            source,
        }
    }
}

struct CacheFile {
    path: PathBuf,
    used: SystemTime,
}

/// Whether the name of a file begins so.
fn begins_with(path: &Path, prefix: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(prefix))
}

/// A file's time of change is when it was last used; without it the wrong file might be dropped one
/// day, which only costs a compilation.
fn mark_used(path: &Path) {
    if let Ok(file) = File::open(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}

/// A checksum against damage, fast enough to be checked at every load.
fn checksum(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut sum = Xxh3::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(sum.digest());
        }
        sum.update(buffer.get(..read).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests;
