//! Opening what a crash, a power cut or a failing disk has left.
//!
//! Three sources are held against each other: the catalog (which streams there are), the engine
//! (what they contain), and the tails (how far they were acknowledged). The catalog wins over the
//! engine on what exists, the tails win over the engine on which numbers are used.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalog::Entry;
use crate::cursor::Cursor;
use crate::engine::{Engine, EngineLimits};
use crate::error::Error;
use crate::filter::Heads;
use crate::salvage;
use crate::segment::Ledger;
use crate::store::OpenReport;
use crate::stream::Stream;
use crate::tails::{Mark, Slot};
use crate::types::{SequenceNumber, StreamName};
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

/// Opens the engine, setting damaged parts aside where it must.
pub(crate) fn open_engine(
    folder: &Path,
    limits: EngineLimits,
    heads: &Arc<Heads>,
    report: &mut OpenReport,
) -> Result<Engine, Error> {
    let engine_folder = folder.join("engine");
    let open = |folder: &Path| Engine::open(folder, limits, heads);
    match open(&engine_folder) {
        Ok(engine) => Ok(engine),
        Err(fjall::Error::Locked) => Err(Error::InUse {
            path: folder.to_owned(),
        }),
        Err(fjall::Error::Io(error)) => Err(Error::folder(engine_folder, error)),
        Err(damage) => {
            tracing::error!(%damage, "the stored data is damaged; saving what can be read");
            let (engine, set_aside) = salvage::open(&engine_folder, open)?;
            report.set_aside.extend(set_aside);
            Ok(engine)
        }
    }
}

/// Puts one stream together again.
pub(crate) fn restore_stream(
    engine: &Engine,
    entry: &Entry,
    mark: Option<Mark>,
    free_slot: impl FnOnce() -> Slot,
    key: u64,
    report: &mut OpenReport,
) -> Result<Open, Error> {
    let restored = engine.restore(entry.id).map_err(Error::failed)?;
    let definition = entry.definition.clone();
    let tail = mark.map_or(restored.tail, |mark| mark.tail.max(restored.tail));
    if tail > restored.tail {
        report.losses.push(Loss {
            stream: definition.name.clone(),
            first: restored.tail,
            messages: tail - restored.tail,
        });
    }
    let ledger = Ledger::restore(restored.segments, tail);
    let cursors = definition
        .exports
        .iter()
        .map(|export| {
            let cursor = restored.cursors.get(&export.identifier).cloned();
            let cursor = cursor.unwrap_or_else(|| Cursor::starting_at(export.start));
            (export.identifier.clone(), cursor)
        })
        .collect();
    let position = ledger.position();
    let stream = Stream::new(key, Some(entry.id), definition.clone(), position, cursors);
    Ok(Open {
        stream: Arc::new(stream),
        definition: Arc::new(definition),
        ledger,
        slot: Some(mark.map_or_else(free_slot, |mark| mark.slot)),
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
