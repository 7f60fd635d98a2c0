//! The list of streams with their definitions: one small file beside the engine.
//!
//! It is not in the engine so that a damaged engine takes no stream's name, numbering or exports
//! with it. It changes only when a stream is created, updated or deleted, and is then replaced as a
//! whole, so that a power cut leaves the old list or the new one. It carries a checksum over itself,
//! and the list before it stays beside it: where the newer one is damaged, the older one is taken,
//! which lacks the last change only. A list that was edited by hand goes without a checksum.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::definition::StreamDefinition;
use crate::error::Error;
use crate::format;
use crate::keys;
use crate::recovery::aside;
use crate::types::{StreamId, StreamName};

const FILE: &str = "catalog.json";
const PREVIOUS: &str = "catalog.old.json";

/// A stream as the catalog keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: StreamId,
    pub(crate) definition: StreamDefinition,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    format: u32,
    next_id: u32,
    streams: Vec<Entry>,
}

/// The file: the content, and the checksum of its JSON without spaces.
#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
    #[serde(flatten)]
    content: T,
}

/// The part that every format has, read first so that a newer file is recognised and not misread.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// The names of the streams in the folder of a store, which may be open or not; none if the folder has
/// no store yet. Nothing is changed.
///
/// # Errors
///
/// [`Error::NewerFormat`], [`Error::Folder`].
pub fn names_in(folder: &Path) -> Result<Vec<StreamName>, Error> {
    let path = folder.join(FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::folder(path, error)),
    };
    let content = parse(folder, &bytes)?.map_err(|reason| Error::folder(&path, reason))?;
    let names = content.streams.into_iter();
    Ok(names.map(|entry| entry.definition.name).collect())
}

/// The catalog of an open store.
#[derive(Debug)]
pub(crate) struct Catalog {
    folder: PathBuf,
    content: Content,
}

impl Catalog {
    /// Reads the catalog of a folder, or begins one where there is no data either. Returns the path
    /// where a damaged one was put, if the one before it had to be taken.
    ///
    /// # Errors
    ///
    /// [`Error::CatalogMissing`], [`Error::NewerFormat`], [`Error::Folder`].
    pub(crate) fn load(folder: &Path) -> Result<(Self, Option<PathBuf>), Error> {
        let path = folder.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Self::begin(folder).map(|catalog| (catalog, None));
            }
            Err(error) => return Err(Error::folder(path, error)),
        };
        let opened = |content| Self {
            folder: folder.to_owned(),
            content,
        };
        let reason = match parse(folder, &bytes)? {
            Ok(content) => return Ok((opened(content), None)),
            Err(reason) => reason,
        };
        tracing::error!(%reason, "the list of streams is damaged; taking the one before it");
        let unusable = || {
            Error::folder(
                &path,
                format!("{reason}, and {PREVIOUS} cannot take its place; restore one of them"),
            )
        };
        let previous = fs::read(folder.join(PREVIOUS)).map_err(|_| unusable())?;
        let content = parse(folder, &previous)?.map_err(|_| unusable())?;
        let kept = aside(&path);
        fs::copy(&path, &kept).map_err(|error| Error::folder(&kept, error))?;
        replace_file(&path, &previous).map_err(|error| Error::folder(&path, error))?;
        Ok((opened(content), Some(kept)))
    }

    /// Begins a catalog before there is any data, so that data without one is known to have lost it.
    fn begin(folder: &Path) -> Result<Self, Error> {
        if folder.join("engine").exists() || folder.join(PREVIOUS).exists() {
            return Err(Error::CatalogMissing {
                path: folder.to_owned(),
            });
        }
        let catalog = Self {
            folder: folder.to_owned(),
            content: Content {
                format: format::CURRENT,
                next_id: 0,
                streams: Vec::new(),
            },
        };
        catalog.save()?;
        Ok(catalog)
    }

    /// Makes sure that this id is not given again.
    pub(crate) fn pass_over(&mut self, id: StreamId) {
        let behind = id.0.saturating_add(1);
        self.content.next_id = self.content.next_id.max(behind);
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.content.streams
    }

    /// Whether a key of the engine's `meta` belongs to a stream, and an export, that exists.
    pub(crate) fn has(&self, key: &[u8]) -> bool {
        let entry = keys::owner(key)
            .and_then(|owner| self.content.streams.iter().find(|entry| entry.id == owner));
        entry.is_some_and(|entry| {
            !keys::is_cursor(key)
                || keys::cursor_identifier(key)
                    .is_some_and(|identifier| entry.definition.export(identifier).is_some())
        })
    }

    /// Every id below this one has been given to some stream.
    pub(crate) fn next_id(&self) -> u32 {
        self.content.next_id
    }

    /// Adds a stream and returns its id.
    pub(crate) fn add(&mut self, definition: StreamDefinition) -> Result<StreamId, Error> {
        let id = StreamId(self.content.next_id);
        self.content.next_id += 1;
        self.content.streams.push(Entry { id, definition });
        self.save().inspect_err(|_| {
            self.content.streams.pop();
        })?;
        Ok(id)
    }

    /// Replaces a stream's definition.
    pub(crate) fn replace(
        &mut self,
        id: StreamId,
        definition: StreamDefinition,
    ) -> Result<(), Error> {
        let Some(entry) = self.content.streams.iter_mut().find(|entry| entry.id == id) else {
            return Ok(());
        };
        let before = std::mem::replace(&mut entry.definition, definition);
        self.save().inspect_err(|_| {
            if let Some(entry) = self.content.streams.iter_mut().find(|entry| entry.id == id) {
                entry.definition = before;
            }
        })
    }

    /// Takes a stream out; its id is never given again.
    pub(crate) fn remove(&mut self, id: StreamId) -> Result<(), Error> {
        let Some(index) = self.content.streams.iter().position(|entry| entry.id == id) else {
            return Ok(());
        };
        let entry = self.content.streams.remove(index);
        self.save()
            .inspect_err(|_| self.content.streams.insert(index, entry))
    }

    fn save(&self) -> Result<(), Error> {
        let path = self.folder.join(FILE);
        let bytes = seal(&self.content).map_err(Error::failed)?;
        let replace = || {
            match fs::read(&path) {
                Ok(previous) => replace_file(&self.folder.join(PREVIOUS), &previous)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            replace_file(&path, &bytes)
        };
        replace().map_err(|error| Error::folder(&path, error))
    }
}

fn seal(content: &Content) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec_pretty(&Sealed {
        checksum: Some(checksum(content)?),
        content,
    })
}

fn checksum(content: &Content) -> serde_json::Result<String> {
    let bytes = serde_json::to_vec(content)?;
    Ok(format!("{:016x}", xxh3_64(&bytes)))
}

/// The content of a file, or why it is damaged. A format that is not admitted is an error and no
/// damage.
fn parse(folder: &Path, bytes: &[u8]) -> Result<Result<Content, String>, Error> {
    if let Ok(Format { format }) = serde_json::from_slice(bytes) {
        format::admit(folder, format)?;
    }
    let sealed: Sealed<Content> = match serde_json::from_slice(bytes) {
        Ok(sealed) => sealed,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let mut content = sealed.content;
    if let Some(written) = sealed.checksum {
        let found = checksum(&content).map_err(Error::failed)?;
        if found != written {
            return Ok(Err("its checksum does not match".into()));
        }
    }
    let highest = content.streams.iter().map(|entry| entry.id.0).max();
    let behind = highest.map_or(0, |id| id.saturating_add(1));
    content.next_id = content.next_id.max(behind);
    Ok(Ok(content))
}

/// Puts new content in the place of a file: after a power cut there is the old one or the new one.
fn replace_file(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Flush, Persistence, StrategyOnFull};
    use crate::types::StreamName;

    fn definition(name: &str) -> StreamDefinition {
        StreamDefinition {
            name: StreamName::new(name).unwrap(),
            max_size: 100,
            segment_size: 100,
            time_to_live_millis: None,
            strategy_on_full: StrategyOnFull::RejectNewData,
            persistence: Persistence::File(Flush::Relaxed),
            exports: Vec::new(),
        }
    }

    #[test]
    fn a_damaged_list_is_set_aside_and_the_one_before_it_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (mut catalog, _) = Catalog::load(folder.path()).unwrap();
        catalog.add(definition("one")).unwrap();
        catalog.add(definition("two")).unwrap();
        let path = folder.path().join(FILE);
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, whole.replace("\"two\"", "\"six\"")).unwrap();

        let (catalog, kept) = Catalog::load(folder.path()).unwrap();
        assert_eq!(catalog.entries().len(), 1);
        assert!(fs::read_to_string(kept.unwrap()).unwrap().contains("six"));
        let (again, kept) = Catalog::load(folder.path()).unwrap();
        assert_eq!((again.entries().len(), kept), (1, None));
    }

    #[test]
    fn a_list_without_its_checksum_is_read_and_no_id_is_given_twice() {
        let folder = tempfile::tempdir().unwrap();
        let (mut catalog, _) = Catalog::load(folder.path()).unwrap();
        catalog.add(definition("one")).unwrap();
        catalog.content.next_id = 0;
        let edited = serde_json::to_vec(&catalog.content).unwrap();
        fs::write(folder.path().join(FILE), edited).unwrap();
        let (mut catalog, _) = Catalog::load(folder.path()).unwrap();
        assert_eq!(catalog.next_id(), 1);
        catalog.pass_over(StreamId(4));
        assert_eq!(catalog.add(definition("two")).unwrap(), StreamId(5));
    }

    #[test]
    fn data_without_a_list_is_not_taken_for_an_empty_store() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("engine")).unwrap();
        let error = Catalog::load(folder.path()).unwrap_err();
        assert!(error.to_string().contains("catalog.old.json"), "{error}");
    }
}
