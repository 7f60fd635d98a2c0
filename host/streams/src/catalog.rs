//! The list of streams with their definitions: one small file beside the engine.
//!
//! It is not in the engine so that a damaged engine takes no stream's name, numbering or exports
//! with it. It changes only when a stream is created, updated or deleted, and is then replaced as a
//! whole, so that a power cut leaves the old list or the new one.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::definition::StreamDefinition;
use crate::error::Error;
use crate::types::StreamId;

/// The newest format of the data folder that this program reads and writes.
pub(crate) const FORMAT: u32 = 1;

const FILE: &str = "catalog.json";

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

/// The part that every format has, read first so that a newer file is recognised and not misread.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// The catalog of an open store.
#[derive(Debug)]
pub(crate) struct Catalog {
    folder: PathBuf,
    content: Content,
}

impl Catalog {
    /// Reads the catalog of a folder; an empty one where there is none yet.
    pub(crate) fn load(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let content = match fs::read(&path) {
            Ok(bytes) => Self::parse(folder, &path, &bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Content {
                format: FORMAT,
                next_id: 0,
                streams: Vec::new(),
            },
            Err(error) => return Err(Error::folder(path, error)),
        };
        Ok(Self {
            folder: folder.to_owned(),
            content,
        })
    }

    fn parse(folder: &Path, path: &Path, bytes: &[u8]) -> Result<Content, Error> {
        let Format { format } =
            serde_json::from_slice(bytes).map_err(|error| Error::folder(path, error))?;
        if format > FORMAT {
            return Err(Error::NewerFormat {
                path: folder.to_owned(),
                found: format,
                known: FORMAT,
            });
        }
        serde_json::from_slice(bytes).map_err(|error| Error::folder(path, error))
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.content.streams
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
        replace_file(
            &path,
            &serde_json::to_vec_pretty(&self.content).map_err(Error::failed)?,
        )
        .map_err(|error| Error::folder(path, error))
    }
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
