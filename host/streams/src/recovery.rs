//! Opening what a crash, a power cut or a failing disk has left.
//!
//! Three sources are held against each other: the catalog (which streams there are), the engine
//! (what they contain), and the tails (how far they were acknowledged). The catalog wins over the
//! engine on what exists, the tails win over the engine on which numbers are used.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalog::Entry;
use crate::cursor::Cursor;
use crate::engine::{Engine, EngineLimits, Restored, is_environment, suspicion, tables};
use crate::error::Error;
use crate::filter::Heads;
use crate::keys;
use crate::salvage;
use crate::segment::Ledger;
use crate::store::OpenReport;
use crate::stream::Stream;
use crate::tails::{Mark, Slot};
use crate::types::{SequenceNumber, StreamName, Timestamp};
use crate::writer::Open;

/// Messages of a stream that were acknowledged and are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The stream.
    pub stream: StreamName,
    /// The first message lost.
    pub first: SequenceNumber,
    /// How many in a row.
    pub messages: u64,
}

/// An engine that was opened, and whether tables of it had to be replaced: then its records of
/// segments say more than there is.
pub(crate) struct Opened {
    pub(crate) engine: Engine,
    pub(crate) repaired: bool,
}

/// Opens the engine, setting damaged parts aside where it must.
pub(crate) fn open_engine(
    folder: &Path,
    limits: EngineLimits,
    heads: &Arc<Heads>,
    report: &mut OpenReport,
) -> Result<Opened, Error> {
    let engine_folder = folder.join("engine");
    let suspicion = suspicion(&engine_folder);
    let open = |folder: &Path| Engine::open(folder, limits, heads);
    let mut repaired = None;
    if suspicion.exists() {
        tracing::warn!("the storage engine has failed before; its tables are read through");
        repaired = tables::repair(&engine_folder)?;
    }
    let engine = match open(&engine_folder) {
        Ok(engine) => engine,
        Err(fjall::Error::Locked) => {
            return Err(Error::InUse {
                path: folder.to_owned(),
            });
        }
        Err(error) if is_environment(&error) => return Err(Error::folder(engine_folder, error)),
        Err(damage) => {
            tracing::error!(%damage, "the stored data is damaged; saving what can be read");
            let saved = salvage::open(&engine_folder, open)?;
            report.set_aside.extend(saved.set_aside);
            repaired = repaired.or(saved.repaired);
            saved.engine
        }
    };
    match std::fs::remove_file(&suspicion) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Error::folder(suspicion, error));
        }
        _ => {}
    }
    let opened = Opened {
        engine,
        repaired: repaired.is_some(),
    };
    report.set_aside.extend(repaired);
    Ok(opened)
}

/// Puts one stream together again. Losses that no earlier open has told of go to the report, and as
/// records to `meta`.
pub(crate) fn restore_stream(
    restored: Restored,
    entry: &Entry,
    mark: Option<Mark>,
    free_slot: impl FnOnce() -> Slot,
    key: u64,
    now: Timestamp,
    found: &mut Found,
) -> Open {
    let definition = entry.definition.clone();
    let exported = restored
        .cursors
        .values()
        .filter(|record| record.cursor.delivered_messages > 0)
        .map(|record| record.cursor.next);
    let tail = exported
        .chain(mark.map(|mark| mark.tail))
        .fold(restored.tail, SequenceNumber::max);
    let mut missing = restored.missing;
    if tail > restored.tail {
        missing.push(restored.tail..tail);
    }
    for gap in without(missing, &restored.known_gaps) {
        found.losses.push(Loss {
            stream: definition.name.clone(),
            first: gap.start,
            messages: gap.end - gap.start,
        });
        found.records.insert(
            keys::gap(entry.id, gap.start),
            Some(keys::encode_head(gap.end)),
        );
    }
    let mut ledger = Ledger::restore(restored.segments, tail);
    ledger.follow_clock(0, now);
    let position = ledger.position();
    for gap in &restored.known_gaps {
        if gap.end <= position.head {
            found.records.insert(keys::gap(entry.id, gap.start), None);
        }
    }
    let cursors = definition
        .exports
        .iter()
        .map(|export| {
            let record = restored.cursors.get(&export.identifier);
            let cursor = record.and_then(|record| record.cursor_from(export.start));
            let cursor = cursor.unwrap_or_else(|| Cursor::starting_at(export.start));
            (export.identifier.clone(), cursor)
        })
        .collect();
    let stream = Stream::new(key, Some(entry.id), definition.clone(), position, cursors);
    Open {
        stream: Arc::new(stream),
        definition: Arc::new(definition),
        ledger,
        slot: Some(mark.map_or_else(free_slot, |mark| mark.slot)),
        memory: None,
    }
}

/// What opening finds out that is new.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) losses: Vec<Loss>,
    /// Changes of `meta` after which the losses are not told again.
    pub(crate) records: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// The parts of `ranges` that lie in none of `known`.
fn without(
    ranges: Vec<Range<SequenceNumber>>,
    known: &[Range<SequenceNumber>],
) -> Vec<Range<SequenceNumber>> {
    known.iter().fold(ranges, |ranges, known| {
        ranges
            .into_iter()
            .flat_map(|range| {
                let before = range.start..range.end.min(known.start);
                let behind = range.start.max(known.end)..range.end;
                [before, behind]
            })
            .filter(|range| range.start < range.end)
            .collect()
    })
}

/// A path beside `path` that does not exist yet, for what is set aside.
pub(crate) fn aside(path: &Path) -> PathBuf {
    let mut number = 1_u32;
    loop {
        let candidate = path.with_extension(format!("damaged-{number}"));
        if !candidate.exists() {
            return candidate;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_taken_out_of_what_is_missing() {
        let range = |start, end| SequenceNumber::new(start)..SequenceNumber::new(end);
        let missing = vec![range(0, 10), range(20, 30)];
        let known = [range(3, 5), range(8, 22), range(40, 50)];
        assert_eq!(
            without(missing, &known),
            [range(0, 3), range(5, 8), range(22, 30)]
        );
    }
}
