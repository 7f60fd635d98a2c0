//! Messages about tasks, as the protocol has them in the status stream (specification 5.2).
//!
//! What reads them breaks on unknown numbers and on null, so both are impossible here: statuses are an
//! enum, and what is absent is left out.

use millstream_plugin::ExportContext;
use serde::{Deserialize, Serialize};

use crate::task::Definition;

/// How much a status matters, most first; a higher number is more verbose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// The level as the number that stands for it on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub(crate) struct MaxLevel(pub(crate) Level);

impl TryFrom<u8> for MaxLevel {
    type Error = String;

    fn try_from(code: u8) -> Result<Self, String> {
        let level = match code {
            0 => Level::Error,
            1 => Level::Warn,
            2 => Level::Info,
            3 => Level::Debug,
            4 => Level::Trace,
            _ => return Err("a status level lies between 0 (errors) and 4 (everything)".to_owned()),
        };
        Ok(Self(level))
    }
}

impl Default for MaxLevel {
    fn default() -> Self {
        Self(Level::Info)
    }
}

/// What became of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    Failure,
    InProgress,
    Warning,
    Canceled,
}

impl Status {
    fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::InProgress => 2,
            Self::Warning => 3,
            Self::Canceled => 4,
        }
    }

    pub(crate) fn level(self) -> Level {
        match self {
            Self::Failure => Level::Error,
            Self::Warning => Level::Warn,
            Self::Success | Self::InProgress | Self::Canceled => Level::Info,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusMessage<'a> {
    event_type: u8,
    status_level: u8,
    status: u8,
    status_context: StatusContext<'a>,
    message: &'a str,
    timestamp_epoch_ms: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusContext<'a> {
    // The key stays as the task has it, placeholders and all: programs find their task again by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    s3_export_task_definition: Option<&'a Definition>,
    export_identifier: &'a str,
    stream_name: &'a str,
    sequence_number: u64,
}

/// Writes a status message. What is no task is told of without one: readers expect a task's keys.
pub(crate) fn write(
    context: &ExportContext,
    sequence_number: u64,
    definition: Option<&Definition>,
    (status, message): (Status, &str),
    now_millis: i64,
) -> Vec<u8> {
    /// The only event there is: one of an S3 task.
    const S3_TASK: u8 = 0;
    let status = StatusMessage {
        event_type: S3_TASK,
        status_level: status.level() as u8,
        status: status.code(),
        status_context: StatusContext {
            s3_export_task_definition: definition,
            export_identifier: &context.export_identifier,
            stream_name: &context.stream_name,
            sequence_number,
        },
        message,
        timestamp_epoch_ms: now_millis,
    };
    // Text and numbers: there is nothing here that JSON cannot hold.
    serde_json::to_vec(&status).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_what_the_sdks_read() {
        let context = ExportContext {
            stream_name: "s".into(),
            export_identifier: "id".into(),
        };
        let task = br#"{"inputUrl":"file:/x","bucket":"bkt","key":"k"}"#;
        let definition = Definition::parse(task).unwrap();
        let now = 1_700_000_000_000;
        let written = write(
            &context,
            0,
            Some(&definition),
            (Status::InProgress, "m"),
            now,
        );
        // The example of specification 5.2, which all three SDKs have read.
        assert_eq!(
            String::from_utf8(written).unwrap(),
            r#"{"eventType":0,"statusLevel":2,"status":2,"statusContext":{"s3ExportTaskDefinition":{"inputUrl":"file:/x","bucket":"bkt","key":"k"},"exportIdentifier":"id","streamName":"s","sequenceNumber":0},"message":"m","timestampEpochMs":1700000000000}"#
        );
        let written = write(&context, 7, None, (Status::Failure, "no task"), now);
        assert_eq!(
            String::from_utf8(written).unwrap(),
            r#"{"eventType":0,"statusLevel":0,"status":1,"statusContext":{"exportIdentifier":"id","streamName":"s","sequenceNumber":7},"message":"no task","timestampEpochMs":1700000000000}"#
        );
    }

    #[test]
    fn each_status_has_its_code_and_level() {
        for (status, code, level) in [
            (Status::Success, 0, 2),
            (Status::Failure, 1, 0),
            (Status::InProgress, 2, 2),
            (Status::Warning, 3, 1),
            (Status::Canceled, 4, 2),
        ] {
            assert_eq!((status.code(), status.level() as u8), (code, level));
        }
        assert!(Level::Error < Level::Trace);
        assert!(MaxLevel::try_from(5).is_err());
    }
}
