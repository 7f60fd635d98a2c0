//! Replacing tables that cannot be read through, while the engine is closed.
//!
//! A block that a failing disk has spoilt stops the engine for good as soon as its own compaction
//! comes across it, at this start and at each one after it: the messages of all streams would wait for
//! one block. So when the engine has failed, the next open reads every table through. One that has bad
//! blocks is set aside, and what can be read of it is written anew under its name, so that the engine
//! finds all the tables it knows of. The streams are then gone through chunk by chunk, and what is
//! missing is counted and reported.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsm_tree::table::{Scanner, Writer};
use lsm_tree::{Cache, Checksum, CompressionType, InternalValue, Table, ValueType};

use super::is_environment;
use crate::error::Error;
use crate::recovery::aside;

/// The block cache for reading a table once, in bytes.
const CACHE_BYTES: u64 = 1 << 20;
/// A table that does not even tell how many blocks it has has fewer than this.
const MAX_BLOCKS: usize = 1 << 20;

/// Replaces the tables of the engine in `folder` that are damaged. Returns the folder where the
/// damaged ones were put, if there were any.
///
/// # Errors
///
/// [`Error::InUse`] if a process has the engine open, [`Error::Folder`] where the system does not let
/// us read or write. A table of which nothing can be read stays where it is.
pub(crate) fn repair(folder: &Path) -> Result<Option<PathBuf>, Error> {
    let lock = match File::open(folder.join("lock")) {
        Ok(lock) => lock,
        // There is no engine yet.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::folder(folder, error)),
    };
    if lock.try_lock().is_err() {
        return Err(Error::InUse {
            path: folder.parent().unwrap_or(folder).to_owned(),
        });
    }
    let kept = aside(folder);
    let mut damaged = 0_u32;
    for path in tables(folder).map_err(|error| Error::folder(folder, error))? {
        let failed = |error: fjall::Error| Error::folder(&path, error);
        let bad_blocks = bad_blocks(&path).map_err(failed)?;
        if bad_blocks == 0 {
            continue;
        }
        let id = path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        let Some(id) = id else { continue };
        tracing::error!(
            table = %path.display(),
            bad_blocks,
            "a table is damaged; it is set aside, and what can be read of it is kept"
        );
        let fresh = folder.with_extension("table");
        if !rewrite(&path, id, &fresh).map_err(failed)? {
            tracing::error!(table = %path.display(), "nothing of the table can be read");
            continue;
        }
        let place = kept.join(path.strip_prefix(folder).unwrap_or(&path));
        replace(&path, &fresh, &place).map_err(|error| Error::folder(&path, error))?;
        damaged += 1;
    }
    Ok((damaged > 0).then_some(kept))
}

/// The table files of all keyspaces.
fn tables(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut tables = Vec::new();
    for keyspace in fs::read_dir(folder.join("keyspaces"))? {
        let inside = match fs::read_dir(keyspace?.path().join("tables")) {
            Ok(inside) => inside,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for table in inside {
            tables.push(table?.path());
        }
    }
    Ok(tables)
}

/// Puts `fresh` in the place of a table, which goes to `kept`.
fn replace(table: &Path, fresh: &Path, kept: &Path) -> io::Result<()> {
    if let Some(parent) = kept.parent() {
        fs::create_dir_all(parent)?;
    }
    // At no moment may the engine miss a table. A file system without hard links copies.
    fs::hard_link(table, kept).or_else(|_| fs::copy(table, kept).map(drop))?;
    fs::rename(fresh, table)?;
    match table.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// How many blocks of a table, of data or of its index, cannot be read.
fn bad_blocks(path: &Path) -> Result<u64, fjall::Error> {
    let mut reading = Reading::new(|_| Ok(()));
    reading.read(path)?;
    Ok(reading.bad_blocks)
}

/// Writes what can be read of a table to another file. Returns false if that is nothing.
fn rewrite(path: &Path, id: u64, fresh: &Path) -> Result<bool, fjall::Error> {
    match fs::remove_file(fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut writer = Writer::new(fresh.to_owned(), id, 0)?;
    let mut reading = Reading::new(|entry| writer.write(entry));
    reading.read(path)?;
    if reading.entries == 0 {
        // A table has to be there. A deletion at its lowest place, older than everything, is nothing.
        let Ok(table) = open(path) else {
            // It removes what it has begun.
            writer.finish()?;
            return Ok(false);
        };
        let lowest = table.metadata.key_range.min().clone();
        let nothing = InternalValue::from_components(lowest, [], 0, ValueType::Tombstone);
        writer.write(nothing)?;
    }
    writer.finish()?;
    Ok(true)
}

/// Goes through a table, over what cannot be read.
struct Reading<F> {
    take: F,
    entries: u64,
    bad_blocks: u64,
}

impl<F: FnMut(InternalValue) -> lsm_tree::Result<()>> Reading<F> {
    fn new(take: F) -> Self {
        Self {
            take,
            entries: 0,
            bad_blocks: 0,
        }
    }

    fn read(&mut self, path: &Path) -> Result<(), fjall::Error> {
        let mut compressions = vec![CompressionType::None, CompressionType::Lz4];
        match open(path) {
            Ok(table) => {
                // Its index knows where each block begins, so a bad one hides no other.
                let limit = 0..=table.metadata.data_block_count + table.metadata.item_count;
                for (found, _) in table.iter().zip(limit) {
                    self.count(found)?;
                }
                compressions = vec![table.metadata.data_block_compression];
            }
            Err(error) if is_environment(&error) => return Err(error),
            Err(_) => self.bad_blocks += 1,
        }
        if self.entries > 0 {
            return Ok(());
        }
        // Without an index, block after block from the beginning, as long as that goes.
        let scanner = compressions
            .into_iter()
            .find_map(|compression| Scanner::new(path, MAX_BLOCKS, compression, 0).ok());
        for found in scanner.into_iter().flatten().take_while(Result::is_ok) {
            self.count(found)?;
        }
        Ok(())
    }

    fn count(&mut self, found: lsm_tree::Result<InternalValue>) -> Result<(), fjall::Error> {
        match found.map_err(fjall::Error::from) {
            Ok(entry) => {
                self.entries += 1;
                Ok((self.take)(entry)?)
            }
            Err(error) if is_environment(&error) => Err(error),
            Err(_) => {
                self.bad_blocks += 1;
                Ok(())
            }
        }
    }
}

fn open(path: &Path) -> Result<Table, fjall::Error> {
    let cache = Arc::new(Cache::with_capacity_bytes(CACHE_BYTES));
    // Nobody looks at the checksum of a whole table, and none of ours was made outside the engine.
    let checksum = Checksum::from_raw(0);
    Ok(Table::recover(
        path.to_owned(),
        checksum,
        0,
        0,
        cache,
        None,
        false,
        false,
    )?)
}
