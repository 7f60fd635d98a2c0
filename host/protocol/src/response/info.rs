//! What a describe tells of a stream (section 2).

use crate::cbor::{Reader, Writer};
use crate::definition::ExportDefinition;
use crate::{MessageStreamDefinition, ProtocolError};

/// A stream as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageStreamInfo {
    /// The definition, complete.
    pub definition: MessageStreamDefinition,
    /// What it holds.
    pub storage: StorageStatus,
    /// How far each export is.
    pub exports: Vec<ExportStatus>,
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StorageStatus {
    /// The first message that can be read, or would be; 0 in a stream that never had one.
    pub oldest_sequence_number: u64,
    /// The last message appended. Goes as -1 if there never was one.
    pub newest_sequence_number: Option<u64>,
    /// The size of the messages that are kept, in bytes.
    pub total_bytes: u64,
}

/// How far an export is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportStatus {
    /// The identifier of the export.
    pub identifier: String,
    /// The last message exported. Goes as -1 if there is none yet.
    pub last_exported_sequence_number: Option<u64>,
    /// When an export was last attempted, in milliseconds since the Unix epoch; 0 for never.
    pub last_export_time_millis: u64,
    /// Why the last attempt failed; empty if it did not.
    pub error_message: String,
    /// Bytes exported, without failed attempts and messages passed over.
    pub exported_bytes: u64,
    /// Messages exported.
    pub exported_messages: u64,
}

impl MessageStreamInfo {
    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer.map(|map| {
            self.definition.write(map.key("definition"));
            self.storage.write(map.key("storageStatus"));
            map.key("exportStatuses")
                .list(&self.exports, |writer, status| status.write(writer));
        });
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let mut definition = None;
        let mut storage = None;
        let mut exports = Vec::new();
        reader.map(|reader, key| {
            match key {
                "definition" => definition = Some(MessageStreamDefinition::read(reader)?),
                "storageStatus" => storage = Some(StorageStatus::read(reader)?),
                "exportStatuses" => {
                    exports = reader.list(ExportDefinition::MAX_EXPORTS, ExportStatus::read)?;
                }
                _ => reader.pass_over(key)?,
            }
            Ok(())
        })?;
        Ok(Self {
            definition: definition.ok_or_else(|| ProtocolError::missing("definition"))?,
            storage: storage.ok_or_else(|| ProtocolError::missing("storageStatus"))?,
            exports,
        })
    }
}

impl StorageStatus {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.map(|map| {
            map.key("oldestSequenceNumber")
                .uint(self.oldest_sequence_number);
            map.key("newestSequenceNumber")
                .uint_or_minus_one(self.newest_sequence_number);
            map.key("totalBytes").uint(self.total_bytes);
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let mut status = Self::default();
        reader.map(|reader, key| {
            match key {
                "oldestSequenceNumber" => {
                    status.oldest_sequence_number = reader.unsigned_or_none()?.unwrap_or(0);
                }
                "newestSequenceNumber" => {
                    status.newest_sequence_number = reader.unsigned_or_none()?;
                }
                "totalBytes" => status.total_bytes = reader.unsigned()?,
                _ => reader.pass_over(key)?,
            }
            Ok(())
        })?;
        Ok(status)
    }
}

impl ExportStatus {
    /// The status of an export that has not begun.
    #[must_use]
    pub fn new(identifier: impl Into<String>) -> Self {
        Self {
            identifier: identifier.into(),
            last_exported_sequence_number: None,
            last_export_time_millis: 0,
            error_message: String::new(),
            exported_bytes: 0,
            exported_messages: 0,
        }
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.map(|map| {
            map.key("exportConfigIdentifier").text(&self.identifier);
            map.key("lastExportedSequenceNumber")
                .uint_or_minus_one(self.last_exported_sequence_number);
            map.key("lastExportTime").uint(self.last_export_time_millis);
            map.key("errorMessage").text(&self.error_message);
            map.key("exportedBytesFromStream").uint(self.exported_bytes);
            map.key("exportedMessagesCount")
                .uint(self.exported_messages);
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let mut status = Self::new(String::new());
        reader.map(|reader, key| {
            match key {
                "exportConfigIdentifier" => status.identifier = reader.text()?.into_owned(),
                "lastExportedSequenceNumber" => {
                    status.last_exported_sequence_number = reader.unsigned_or_none()?;
                }
                "lastExportTime" => status.last_export_time_millis = reader.unsigned()?,
                "errorMessage" => status.error_message = reader.text()?.into_owned(),
                "exportedBytesFromStream" => status.exported_bytes = reader.unsigned()?,
                "exportedMessagesCount" => status.exported_messages = reader.unsigned()?,
                _ => reader.pass_over(key)?,
            }
            Ok(())
        })?;
        Ok(status)
    }
}
