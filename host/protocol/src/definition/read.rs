//! Definitions from the wire: defaults filled in, rules checked.

use super::{
    BatchSize, Destination, Export, ExportDefinition, ExportFormat, ExportKind,
    MessageStreamDefinition, Persistence, StatusConfig,
};
use crate::ProtocolError;
use crate::cbor::Reader;

impl MessageStreamDefinition {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let mut name = None;
        let mut strategy = None;
        let mut max_size = Self::DEFAULT_MAX_SIZE;
        let mut stream_segment_size = Self::DEFAULT_SEGMENT_SIZE;
        let mut time_to_live_millis = None;
        let mut persistence = Persistence::File;
        let mut flush_on_write = false;
        let mut exports = ExportDefinition::default();
        reader.map(|reader, key| {
            match key {
                "name" => name = Some(reader.name()?),
                "maxSize" => max_size = reader.bounded()?,
                "streamSegmentSize" => stream_segment_size = reader.bounded()?,
                "timeToLiveMillis" => time_to_live_millis = Some(reader.bounded()?),
                "strategyOnFull" => strategy = Some(reader.code()?),
                "persistence" => persistence = reader.code()?,
                "flushOnWrite" => flush_on_write = reader.boolean()?,
                "exportDefinition" => exports = ExportDefinition::read(reader)?,
                _ => reader.pass_over(key)?,
            }
            Ok(())
        })?;
        let mut definition = Self {
            name: name.ok_or_else(|| ProtocolError::missing("name"))?,
            max_size,
            stream_segment_size,
            time_to_live_millis,
            strategy_on_full: strategy.ok_or_else(|| ProtocolError::missing("strategyOnFull"))?,
            persistence,
            flush_on_write,
            exports,
        };
        definition.fit_segment_size()?;
        Ok(definition)
    }
}

impl ExportDefinition {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let mut exports = Vec::new();
        reader.map(|reader, key| match ExportKind::from_key(key) {
            Some(kind) => {
                // Of two lists of one kind, the last counts.
                exports.retain(|export: &Export| export.kind() != kind);
                exports.extend(reader.list(Self::MAX_EXPORTS, |reader| read_export(reader, kind))?);
                Self::check_count(exports.len())
            }
            None => reader.pass_over(key),
        })?;
        Self::new(exports)
    }
}

/// Reads one export of any kind: the kinds share most of their keys.
fn read_export(reader: &mut Reader<'_>, kind: ExportKind) -> Result<Export, ProtocolError> {
    use ExportKind::{Http, IotAnalytics, Kinesis, S3TaskExecutor};

    let mut identifier = None;
    let mut priority = Export::DEFAULT_PRIORITY;
    let mut disabled = false;
    let mut batch_size = kind.max_batch_size();
    let mut batch_interval_millis = None;
    let mut start_sequence_number = None;
    let mut target = None;
    let mut format = ExportFormat::RawNotBatched;
    let mut message_id_prefix = None;
    let mut multipart_threshold = Destination::DEFAULT_MULTIPART_THRESHOLD;
    let mut status = None;
    reader.map(|reader, key| {
        match (kind, key) {
            (_, "identifier") => identifier = Some(reader.name()?),
            (_, "priority") => priority = reader.bounded()?,
            (_, "disabled") => disabled = reader.boolean()?,
            (S3TaskExecutor, "sizeThresholdForMultipartUploadBytes") => {
                multipart_threshold = reader.bounded()?;
            }
            (S3TaskExecutor, "statusConfig") => status = Some(StatusConfig::read(reader)?),
            (S3TaskExecutor, _) => reader.pass_over(key)?,
            (_, "batchSize") => {
                let size = reader.integer_within(1, kind.max_batch_size().get())?;
                batch_size = BatchSize::clamped(size);
            }
            (_, "batchIntervalMillis") => batch_interval_millis = Some(reader.bounded()?),
            (_, "startSequenceNumber") => start_sequence_number = Some(reader.bounded()?),
            (Http, "uri") | (IotAnalytics, "iotChannel") | (Kinesis, "kinesisStreamName") => {
                target = Some(reader.nonempty_text()?);
            }
            (Http, "exportFormat") => format = reader.code()?,
            (IotAnalytics, "iotMsgIdPrefix") => message_id_prefix = Some(read_prefix(reader)?),
            _ => reader.pass_over(key)?,
        }
        Ok(())
    })?;

    let target = |key| target.ok_or_else(|| ProtocolError::missing(key));
    let destination = match kind {
        Http => Destination::Http {
            uri: target("uri")?,
            format,
        },
        IotAnalytics => Destination::IotAnalytics {
            channel: target("iotChannel")?,
            message_id_prefix,
        },
        Kinesis => Destination::Kinesis {
            stream_name: target("kinesisStreamName")?,
        },
        ExportKind::IotSitewise => Destination::IotSitewise,
        S3TaskExecutor => Destination::S3TaskExecutor {
            multipart_threshold,
            status,
        },
    };
    Ok(Export {
        identifier: identifier.ok_or_else(|| ProtocolError::missing("identifier"))?,
        priority,
        disabled,
        batch_size,
        batch_interval_millis,
        start_sequence_number,
        destination,
    })
}

fn read_prefix(reader: &mut Reader<'_>) -> Result<String, ProtocolError> {
    let prefix = reader.text()?;
    let length = prefix.chars().count();
    if length > Destination::MAX_MESSAGE_ID_PREFIX {
        return Err(ProtocolError::value(format!(
            "must have at most {} characters, but it has {length}",
            Destination::MAX_MESSAGE_ID_PREFIX
        )));
    }
    Ok(prefix.into_owned())
}

impl StatusConfig {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let mut config = Self::default();
        reader.map(|reader, key| {
            match key {
                "statusLevel" => config.level = reader.code()?,
                "statusStreamName" => config.stream_name = Some(reader.name()?),
                _ => reader.pass_over(key)?,
            }
            Ok(())
        })?;
        Ok(config)
    }
}
