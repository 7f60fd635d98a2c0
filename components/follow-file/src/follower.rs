//! Follows a path from one file to the next.

use std::path::{Path, PathBuf};

use millstream_plugin::log;

use crate::file::File;
use crate::lines::Lines;
use crate::place::Mark;

/// Bytes that are read at once; with the lines of them, and one that is not whole, this is what is held.
const CHUNK: usize = 256 << 10;

/// Where a file begins that is there already when nothing is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Beginning,
    End,
}

/// What is appended at once, and the place behind it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) mark: Mark,
}

/// Reads the lines of a path, whatever file is there.
#[derive(Debug)]
pub(crate) struct Follower {
    path: PathBuf,
    lines: Lines,
    current: Option<Open>,
    /// How the first file is begun. Later ones are new, and begin at their beginning.
    first: Option<(Start, Option<Mark>)>,
}

/// A file that stays open after it has been renamed or deleted.
#[derive(Debug)]
struct Open {
    file: File,
    /// Bytes that were read.
    position: u64,
}

impl Follower {
    pub(crate) fn new(
        path: &Path,
        start: Start,
        remembered: Option<Mark>,
        longest_line: usize,
    ) -> Self {
        Self {
            path: path.to_owned(),
            lines: Lines::new(longest_line),
            current: None,
            first: Some((start, remembered)),
        }
    }

    /// The next lines; none if there are no more for now.
    pub(crate) fn next(&mut self) -> Result<Option<Batch>, String> {
        loop {
            let Some(open) = &mut self.current else {
                match self.open()? {
                    true => continue,
                    false => return Ok(None),
                }
            };
            let bytes = open.file.read(open.position, CHUNK)?;
            if bytes.is_empty() {
                match self.at_the_end()? {
                    End::Waits => return Ok(None),
                    End::GoesOn => continue,
                    End::Rest(batch) => return Ok(Some(batch)),
                }
            }
            open.position += bytes.len() as u64;
            let lines = self.lines.take(&bytes);
            let mark = Mark {
                file: open.file.identity(),
                offset: open.position - self.lines.partial_bytes(),
            };
            // A part of a long line is no reason to write the place.
            if mark.offset + bytes.len() as u64 > open.position {
                return Ok(Some(Batch { lines, mark }));
            }
        }
    }

    /// Opens what is at the path; false if nothing is.
    fn open(&mut self) -> Result<bool, String> {
        let Some(file) = File::open(&self.path)? else {
            // Whatever comes is new.
            if let Some((start, _)) = &mut self.first {
                *start = Start::Beginning;
            }
            return Ok(false);
        };
        let length = file.length()?;
        let position = match self.first.take() {
            // It may have been cut since.
            Some((_, Some(mark))) if mark.file == file.identity() => {
                Some(mark.offset).filter(|offset| *offset <= length)
            }
            Some((_, Some(_))) => {
                log::warn("the file has been replaced since: what followed in the old one is lost");
                None
            }
            Some((Start::End, None)) => Some(length),
            Some((Start::Beginning, None)) | None => None,
        };
        let position = position.unwrap_or(0);
        self.current = Some(Open { file, position });
        Ok(true)
    }

    /// Everything is read: looks whether the file was cut, or another is in its place.
    fn at_the_end(&mut self) -> Result<End, String> {
        let Some(open) = &mut self.current else {
            return Ok(End::Waits);
        };
        if open.file.length()? < open.position {
            log::info("the file was cut: beginning anew");
            open.position = 0;
            // What stood there without an end was cut away.
            let _ = self.lines.finish();
            return Ok(End::GoesOn);
        }
        match File::open(&self.path)? {
            // Being rotated: the next one comes.
            None => Ok(End::Waits),
            Some(there) if there.identity() == open.file.identity() => Ok(End::Waits),
            Some(there) => {
                // Its writer may have gone on until it took the new one.
                if open.file.length()? > open.position {
                    return Ok(End::GoesOn);
                }
                log::info("the file was rotated: going on with the new one");
                let mark = Mark {
                    file: there.identity(),
                    offset: 0,
                };
                self.current = Some(Open {
                    file: there,
                    position: 0,
                });
                let rest = self.lines.finish();
                Ok(End::Rest(Batch {
                    lines: rest.into_iter().collect(),
                    mark,
                }))
            }
        }
    }
}

/// What there is at the end of a file.
enum End {
    /// Nothing for now.
    Waits,
    /// More to read.
    GoesOn,
    /// The next file, after what stood at the end of the one before without the end of a line.
    Rest(Batch),
}

#[cfg(test)]
mod tests;
