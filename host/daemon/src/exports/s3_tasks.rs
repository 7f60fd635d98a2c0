//! S3 tasks that end without having been carried out, as the protocol has them reported.
//!
//! A task is a message of a stream with an S3 export; its fate is told in a status stream, if the
//! export names one (specification 5.2). What the plugin has not finished when stream or export are
//! deleted can be told by nobody but the host.

use std::collections::VecDeque;

use bytes::Bytes;
use millstream_protocol::definition::{Destination, StatusConfig, StatusLevel};
use millstream_streams::{
    Clock, Error, Message, Payloads, ReadOptions, SequenceNumber, Store, StreamInfo, SystemClock,
};
use serde_json::{Value, json};

use super::ExportSettings;

/// Tasks that are read, and told of, at a time.
const PAGE: u64 = 200;
/// Bytes of tasks that are read at a time; one task is a small JSON object.
const PAGE_BYTES: u64 = 1 << 20;

/// Codes of a status message (specification 5.2).
const EVENT_S3_TASK: u8 = 0;
const STATUS_CANCELED: u8 = 4;

/// Tells of every unfinished task of the S3 exports that are chosen. What cannot be told is logged and
/// holds nothing up (specification 5.2).
pub(crate) async fn cancel(store: &Store, info: &StreamInfo, chosen: impl Fn(&str) -> bool) {
    let stream = info.definition.name.as_str();
    for (export, (identifier, cursor)) in info.definition.exports.iter().zip(&info.cursors) {
        if !chosen(identifier) {
            continue;
        }
        let Some(status_stream) =
            ExportSettings::to_wire(export).and_then(|wire| match wire.destination {
                Destination::S3TaskExecutor {
                    status:
                        Some(StatusConfig {
                            level,
                            stream_name: Some(name),
                        }),
                    ..
                } if level.code() >= StatusLevel::Info.code() => Some(name),
                _ => None,
            })
        else {
            continue;
        };
        let told = tell(
            store,
            stream,
            identifier,
            cursor.next,
            status_stream.as_str(),
        )
        .await;
        if let Err(error) = told {
            tracing::warn!(
                stream,
                export = identifier,
                status_stream = status_stream.as_str(),
                %error,
                "the status stream was not told of canceled tasks"
            );
        }
    }
}

async fn tell(
    store: &Store,
    stream: &str,
    export: &str,
    first: SequenceNumber,
    status_stream: &str,
) -> Result<(), Error> {
    let mut next = first;
    loop {
        let page = ReadOptions {
            start: next,
            min: 1,
            max: PAGE,
            max_bytes: PAGE_BYTES,
            wait: std::time::Duration::ZERO,
        };
        let tasks: VecDeque<Message> = match store.read(stream, page).await {
            Ok(tasks) => tasks.into(),
            Err(Error::NotEnoughMessages | Error::BeyondEnd) => return Ok(()),
            // Tasks that cannot be read are lost, and counted as such elsewhere.
            Err(Error::Damaged { last, .. }) => {
                next = last + 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(last) = tasks.back() else {
            return Ok(());
        };
        next = last.sequence_number + 1;
        let now = SystemClock.now().as_millis();
        let messages = tasks
            .iter()
            .map(|task| canceled(stream, export, task, now))
            .collect();
        store
            .append(status_stream, Payloads::Many(messages))
            .await?;
    }
}

/// The status message of one task (specification 5.2).
fn canceled(stream: &str, export: &str, task: &Message, now_millis: u64) -> Bytes {
    let mut context = json!({
        "exportIdentifier": export,
        "streamName": stream,
        "sequenceNumber": task.sequence_number.get(),
    });
    // What is no task is told of without one: readers of the status stream expect a task's keys.
    if let Ok(definition @ Value::Object(_)) = serde_json::from_slice(&task.payload) {
        context["s3ExportTaskDefinition"] = definition;
    }
    let status = json!({
        "eventType": EVENT_S3_TASK,
        "statusLevel": StatusLevel::Info.code(),
        "status": STATUS_CANCELED,
        "statusContext": context,
        "message": "The stream or its export was deleted before the task was carried out.",
        "timestampEpochMs": now_millis,
    });
    Bytes::from(status.to_string())
}
