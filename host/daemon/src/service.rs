//! What can be done with streams and their exports together: the one place that keeps both in step.
//!
//! The protocol server and the configuration file come here; neither touches the store or the
//! pipelines by itself where both are concerned.

use std::collections::BTreeSet;

use millstream_protocol::definition::{Destination, ExportDefinition};
use millstream_protocol::response::{ExportStatus, MessageStreamInfo, StorageStatus};
use millstream_protocol::{Bounded, MessageStreamDefinition, definition as wire};
use millstream_streams::{
    Cursor, Error, Export, Flush, Persistence, Store, StrategyOnFull, StreamDefinition, StreamName,
};

use crate::config;
use crate::exports::{ExportSettings, Supervisor};

/// Streams with their exports. Clones mean the same ones.
#[derive(Clone)]
pub(crate) struct Service {
    store: Store,
    exports: Supervisor,
}

impl Service {
    pub(crate) fn new(store: Store, exports: Supervisor) -> Self {
        Self { store, exports }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Creates a stream and starts its exports.
    pub(crate) async fn create(&self, definition: StreamDefinition) -> Result<(), Error> {
        let name = definition.name.clone();
        self.store.create(definition).await?;
        self.exports.start(name.as_str());
        Ok(())
    }

    /// Changes a stream. Exports that change end before and start again after, so that no call of the
    /// old one moves the cursor of the new one.
    pub(crate) async fn update(&self, definition: StreamDefinition) -> Result<(), Error> {
        let name = definition.name.clone();
        let before = self.store.describe(name.as_str())?.definition;
        let kept: BTreeSet<&str> = definition
            .exports
            .iter()
            .filter(|export| before.exports.contains(export))
            .map(|export| export.identifier.as_str())
            .collect();
        self.exports
            .stop(name.as_str(), |export| !kept.contains(export))
            .await;
        let outcome = self.store.update(definition.clone()).await;
        self.exports.start(name.as_str());
        outcome
    }

    /// Deletes a stream with everything in it.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), Error> {
        self.store.handle(name)?;
        self.exports.abandon(name).await;
        let outcome = self.store.delete(name).await;
        if outcome.is_err() {
            self.exports.start(name);
        }
        outcome
    }

    /// Makes the streams of the configuration file what it says, and starts all exports.
    pub(crate) async fn apply(&self, declared: &[config::Stream]) -> Result<(), Error> {
        for stream in declared {
            let Some(definition) = from_config(stream) else {
                continue;
            };
            match self.store.describe(&stream.name) {
                Err(_) => self.store.create(definition).await?,
                Ok(info) if *info.definition != definition => self.store.update(definition).await?,
                Ok(_) => {}
            }
        }
        for name in self.store.list() {
            self.exports.start(name.as_str());
        }
        Ok(())
    }

    /// What a stream is and how its exports fare, as the protocol says it.
    pub(crate) fn describe(&self, name: &str) -> Result<MessageStreamInfo, Error> {
        let info = self.store.describe(name)?;
        let position = info.position;
        let definition = to_wire(&info.definition).ok_or_else(|| Error::Failed {
            reason: format!("the definition of {name} cannot be put into the protocol"),
        })?;
        Ok(MessageStreamInfo {
            definition,
            storage: StorageStatus {
                oldest_sequence_number: position.head.get(),
                newest_sequence_number: position.tail.previous().map(|newest| newest.get()),
                total_bytes: position.bytes,
            },
            exports: info
                .cursors
                .into_iter()
                .map(|(id, cursor)| status(id, cursor))
                .collect(),
        })
    }

    /// Ends all exports, settling what is in flight.
    pub(crate) async fn shut_down(&self) {
        self.exports.shut_down().await;
    }
}

fn status(identifier: String, cursor: Cursor) -> ExportStatus {
    ExportStatus {
        identifier,
        last_exported_sequence_number: cursor.next.previous().map(|last| last.get()),
        last_export_time_millis: cursor.last_attempt.map_or(0, |attempt| attempt.as_millis()),
        error_message: cursor.last_error.unwrap_or_default(),
        exported_bytes: cursor.delivered_bytes,
        exported_messages: cursor.delivered_messages,
    }
}

/// A stream as the protocol defines it, as the store keeps it.
///
/// # Errors
///
/// [`Error::InvalidDefinition`] if a status stream is named that does not exist (specification,
/// 6.3).
pub(crate) fn from_wire(
    wire: &MessageStreamDefinition,
    store: &Store,
) -> Result<StreamDefinition, Error> {
    for export in &wire.exports {
        if let Destination::S3TaskExecutor {
            status: Some(status),
            ..
        } = &export.destination
            && let Some(name) = &status.stream_name
            && store.handle(name.as_str()).is_err()
        {
            return Err(Error::InvalidDefinition {
                reason: format!(
                    "the status stream {} does not exist; create it first",
                    name.as_str()
                ),
            });
        }
    }
    let name = StreamName::new(wire.name.as_str()).ok_or_else(|| Error::InvalidDefinition {
        reason: "a stream name has 1 to 255 characters".into(),
    })?;
    Ok(StreamDefinition {
        name,
        max_size: wire.max_size.get(),
        segment_size: wire.stream_segment_size.get(),
        time_to_live_millis: wire.time_to_live_millis.map(Bounded::get),
        strategy_on_full: match wire.strategy_on_full {
            wire::StrategyOnFull::RejectNewData => StrategyOnFull::RejectNewData,
            wire::StrategyOnFull::OverwriteOldestData => StrategyOnFull::OverwriteOldestData,
        },
        persistence: match (wire.persistence, wire.flush_on_write) {
            (wire::Persistence::Memory, _) => Persistence::Memory,
            (wire::Persistence::File, true) => Persistence::File(Flush::EveryAppend),
            (wire::Persistence::File, false) => Persistence::File(Flush::Relaxed),
        },
        exports: wire.exports.iter().map(ExportSettings::from_wire).collect(),
    })
}

/// A stream as the store keeps it, as the protocol shows it.
fn to_wire(definition: &StreamDefinition) -> Option<MessageStreamDefinition> {
    let name = definition.name.as_str().parse().ok()?;
    let strategy = match definition.strategy_on_full {
        StrategyOnFull::RejectNewData => wire::StrategyOnFull::RejectNewData,
        StrategyOnFull::OverwriteOldestData => wire::StrategyOnFull::OverwriteOldestData,
    };
    let mut wire = MessageStreamDefinition::new(name, strategy);
    wire.max_size = Bounded::clamped(definition.max_size);
    wire.stream_segment_size = Bounded::clamped(definition.segment_size);
    wire.time_to_live_millis = definition.time_to_live_millis.map(Bounded::clamped);
    (wire.persistence, wire.flush_on_write) = match definition.persistence {
        Persistence::Memory => (wire::Persistence::Memory, false),
        Persistence::File(flush) => (wire::Persistence::File, flush == Flush::EveryAppend),
    };
    let exports: Option<Vec<_>> = definition
        .exports
        .iter()
        .map(ExportSettings::to_wire)
        .collect();
    wire.exports = ExportDefinition::new(exports?).ok()?;
    Some(wire)
}

fn from_config(stream: &config::Stream) -> Option<StreamDefinition> {
    let exports: Vec<Export> = stream
        .export
        .iter()
        .map(ExportSettings::from_config)
        .collect();
    Some(StreamDefinition {
        name: StreamName::new(&stream.name)?,
        max_size: stream.max_size.0,
        segment_size: stream.segment_size.0.min(stream.max_size.0),
        time_to_live_millis: stream.time_to_live.map(config::Span::as_millis),
        strategy_on_full: match stream.on_full {
            config::OnFull::RejectNew => StrategyOnFull::RejectNewData,
            config::OnFull::OverwriteOldest => StrategyOnFull::OverwriteOldestData,
        },
        persistence: match (stream.persistence, stream.flush_on_write) {
            (config::Persistence::Memory, _) => Persistence::Memory,
            (config::Persistence::File, true) => Persistence::File(Flush::EveryAppend),
            (config::Persistence::File, false) => Persistence::File(Flush::Relaxed),
        },
        exports,
    })
}
