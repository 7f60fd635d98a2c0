//! Opening an engine that refuses to open.
//!
//! Pages of the journal that a power cut wrote out of order, or a failing disk, make the engine
//! refuse the whole of it. It does open a journal that was cut short, so the journal is cut where the
//! damage begins. The place is found by bisection: a cut before the damage opens, one behind it does
//! not. Each try runs on a scratch copy, because an engine that opens changes its files; tables are
//! hard-linked into it, since they never change. Whatever is cut off was copied aside before.
//!
//! If no cut helps, the damage is in the tables or their list. Tables that cannot be read through are
//! replaced by what can be read of them. If that does not help either, the whole engine is set aside and
//! an empty one takes its place; catalog and tails live outside it, so streams keep their names, their
//! exports and their numbering.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::engine::{Engine, is_environment, tables};
use crate::error::Error;
use crate::recovery::aside;

/// An engine that opens again.
pub(crate) struct Saved {
    pub(crate) engine: Engine,
    /// Where damaged files were put.
    pub(crate) set_aside: Vec<PathBuf>,
    /// Where damaged tables were put, if some had to be replaced.
    pub(crate) repaired: Option<PathBuf>,
}

/// Saves what can be saved and opens it.
pub(crate) fn open(
    folder: &Path,
    open: impl Fn(&Path) -> Result<Engine, fjall::Error>,
) -> Result<Saved, Error> {
    let failed = |error: io::Error| Error::folder(folder, error);
    let kept = aside(folder);
    if let Some(cut) = find_cut(folder, &open).map_err(failed)? {
        fs::create_dir(&kept).map_err(failed)?;
        let journal = folder.join(&cut.journal);
        fs::copy(&journal, kept.join(&cut.journal)).map_err(failed)?;
        truncate(&journal, cut.length).map_err(failed)?;
        match open(folder) {
            Ok(engine) => {
                return Ok(Saved {
                    engine,
                    set_aside: vec![kept],
                    repaired: None,
                });
            }
            Err(error) if is_environment(&error) => return Err(Error::folder(folder, error)),
            // Damage that the scratch copy did not show.
            Err(_) => {}
        }
    }
    let repaired = tables::repair(folder)?;
    if repaired.is_some()
        && let Ok(engine) = open(folder)
    {
        return Ok(Saved {
            engine,
            set_aside: Vec::new(),
            repaired,
        });
    }
    let kept = aside(folder);
    fs::rename(folder, &kept).map_err(failed)?;
    let engine = open(folder).map_err(|error| Error::folder(folder, error))?;
    Ok(Saved {
        engine,
        set_aside: vec![kept],
        repaired: None,
    })
}

/// The longest part of a journal with which the engine opens.
struct Cut {
    journal: PathBuf,
    length: u64,
}

fn find_cut(
    folder: &Path,
    open: &impl Fn(&Path) -> Result<Engine, fjall::Error>,
) -> io::Result<Option<Cut>> {
    for journal in journals(folder)? {
        let opens_at = |length| opens_with_cut(folder, &journal, length, open);
        if !opens_at(0)? {
            continue;
        }
        let mut opens = 0;
        let mut fails = fs::metadata(folder.join(&journal))?.len();
        while fails - opens > 1 {
            let middle = opens + (fails - opens) / 2;
            if opens_at(middle)? {
                opens = middle;
            } else {
                fails = middle;
            }
        }
        return Ok(Some(Cut {
            journal,
            length: opens,
        }));
    }
    Ok(None)
}

fn journals(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = PathBuf::from(entry?.file_name());
        if name.extension().is_some_and(|extension| extension == "jnl") {
            journals.push(name);
        }
    }
    journals.sort();
    Ok(journals)
}

fn opens_with_cut(
    folder: &Path,
    journal: &Path,
    length: u64,
    open: &impl Fn(&Path) -> Result<Engine, fjall::Error>,
) -> io::Result<bool> {
    let scratch = folder.with_extension("scratch");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    copy_linking_tables(folder, &scratch)?;
    truncate(&scratch.join(journal), length)?;
    let opened = match open(&scratch) {
        Ok(_) => Ok(true),
        // No room or no permission says nothing about the journal.
        Err(error) if is_environment(&error) => Err(io::Error::other(error.to_string())),
        Err(_) => Ok(false),
    };
    fs::remove_dir_all(&scratch)?;
    opened
}

fn copy_linking_tables(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_linking_tables(&entry.path(), &target)?;
        } else if from.ends_with("tables") {
            // A file system without hard links copies instead.
            fs::hard_link(entry.path(), &target)
                .or_else(|_| fs::copy(entry.path(), &target).map(drop))?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

fn truncate(path: &Path, length: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(length)?;
    file.sync_all()
}
