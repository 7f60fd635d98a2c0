//! The definition of a stream in its three forms: on the wire, in the store, in the configuration.

use millstream_protocol::definition::{self as wire, Destination, ExportDefinition};
use millstream_protocol::{Bounded, MessageStreamDefinition};
use millstream_streams::{
    Error, Export, Flush, Persistence, Store, StrategyOnFull, StreamDefinition, StreamName,
};

use crate::config;
use crate::exports::ExportSettings;

/// A stream as the protocol defines it, as the store keeps it.
///
/// # Errors
///
/// [`Error::InvalidDefinition`] if a status stream is named that does not exist (specification,
/// 6.3), if the threshold for multipart uploads lies below the least part (section 4), or a `plugin:`
/// address cannot be used.
pub(crate) fn from_wire(
    wire: &MessageStreamDefinition,
    store: &Store,
    least_part: u64,
) -> Result<StreamDefinition, Error> {
    let invalid = |reason: String| Error::InvalidDefinition { reason };
    for export in &wire.exports {
        let Destination::S3TaskExecutor {
            multipart_threshold,
            status,
        } = &export.destination
        else {
            continue;
        };
        if multipart_threshold.get() < least_part {
            return Err(invalid(format!(
                "sizeThresholdForMultipartUploadBytes is {}, and the least part of an upload here \
                 has {least_part} bytes",
                multipart_threshold.get()
            )));
        }
        if let Some(name) = status
            .as_ref()
            .and_then(|status| status.stream_name.as_ref())
            && store.handle(name.as_str()).is_err()
        {
            return Err(invalid(format!(
                "the status stream {} does not exist; create it first",
                name.as_str()
            )));
        }
    }
    let name = StreamName::new(wire.name.as_str())
        .ok_or_else(|| invalid("a stream name has 1 to 255 characters".into()))?;
    let exports: Result<Vec<_>, _> = wire.exports.iter().map(ExportSettings::from_wire).collect();
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
        exports: exports.map_err(invalid)?,
    })
}

/// What an update makes of a stream: an export that the stream has keeps its start, and with it its
/// cursor, unless the update names another; and its dead-letter stream, which it cannot name.
///
/// # Errors
///
/// As [`from_wire`], and [`Error::NotFound`].
pub(crate) fn updated_from_wire(
    wire: &MessageStreamDefinition,
    store: &Store,
    least_part: u64,
) -> Result<StreamDefinition, Error> {
    let before = store.describe(wire.name.as_str())?.definition;
    let mut after = from_wire(wire, store, least_part)?;
    for export in &mut after.exports {
        let named = wire
            .exports
            .get(&export.identifier)
            .and_then(|asked| asked.start_sequence_number);
        let known = before
            .exports
            .iter()
            .find(|known| known.identifier == export.identifier);
        let Some(known) = known else { continue };
        ExportSettings::keep_unsaid(known, export);
        if named.is_none() {
            export.start = known.start;
        }
    }
    Ok(after)
}

/// A stream as the store keeps it, as the protocol shows it.
pub(crate) fn to_wire(definition: &StreamDefinition) -> Option<MessageStreamDefinition> {
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

/// A stream of the configuration file, as the store keeps it; none if its name is no name.
pub(crate) fn from_config(stream: &config::Stream) -> Option<StreamDefinition> {
    let exports: Vec<Export> = stream
        .export
        .iter()
        .map(ExportSettings::from_config)
        .collect();
    Some(StreamDefinition {
        name: StreamName::new(&stream.name)?,
        max_size: stream.max_size.0,
        segment_size: stream.segment_size().0,
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
