//! Responses to the wire.

use bytes::BytesMut;

use super::{Failure, MessageStreamInfo};
use crate::cbor::{Map, head_len};
use crate::frame::write_frame;
use crate::{MAX_FRAME_LENGTH, Name, Operation, RequestId, ResponseStatusCode, Version};

/// The longest error message that goes out, in bytes; the rest is cut off.
const MAX_ERROR_MESSAGE: usize = 2048;

/// The size of what surrounds the messages of a read response, its id apart, in bytes: operation,
/// the two ends of the map, four keys, the heads of id and list at their widest, status, and an
/// empty error message.
const READ_RESPONSE_FRAME: usize = 1
    + 2
    + key_len("requestId")
    + key_len("status")
    + key_len("errorMessage")
    + key_len("messages")
    + 3
    + 9
    + 1
    + 1;

/// The size of a message of a read response, its values apart, in bytes: the two ends of the map
/// and four keys.
const MESSAGE_FRAME: usize = 2
    + key_len("streamName")
    + key_len("sequenceNumber")
    + key_len("ingestTime")
    + key_len("payload");

const fn key_len(key: &str) -> usize {
    head_len(key.len() as u64) + key.len()
}

/// The size that a message takes in a read response, in bytes, exactly.
///
/// A read response stays within a frame of `limit` bytes if the sum over its messages and
/// [`read_response_overhead`] does.
#[must_use]
pub fn encoded_message_size(
    stream_name: &Name,
    sequence_number: u64,
    ingest_time_millis: u64,
    payload_len: usize,
) -> usize {
    let name = stream_name.as_str();
    MESSAGE_FRAME
        + key_len(name)
        + head_len(sequence_number)
        + head_len(ingest_time_millis)
        + head_len(payload_len as u64)
        + payload_len
}

/// The size that a read response takes besides its messages, in bytes, at most.
#[must_use]
pub fn read_response_overhead(request_id: &RequestId) -> usize {
    READ_RESPONSE_FRAME + request_id.as_str().len()
}

/// Writes the responses of one connection.
///
/// Each method appends one whole frame to `out`. None fails: where the frame would be longer than
/// the limit, [`ResponsePayloadTooLarge`](ResponseStatusCode::ResponsePayloadTooLarge) goes out in
/// its place.
#[derive(Debug, Clone, Copy)]
pub struct ResponseEncoder {
    version: Version,
    max_frame_length: usize,
}

impl ResponseEncoder {
    /// An encoder for a connection that runs `version`, with frames of up to `max_frame_length`
    /// bytes, operation byte and payload; at most [`MAX_FRAME_LENGTH`].
    #[must_use]
    pub fn new(version: Version, max_frame_length: usize) -> Self {
        Self {
            version,
            max_frame_length: max_frame_length.min(MAX_FRAME_LENGTH),
        }
    }

    /// Answers a create, an update or a delete; `operation` is that of the response.
    pub fn done(&self, out: &mut BytesMut, operation: Operation, request_id: &RequestId) {
        self.success(out, operation, request_id, |_| {});
    }

    /// Answers an append.
    pub fn appended(&self, out: &mut BytesMut, request_id: &RequestId, sequence_number: u64) {
        let operation = Operation::AppendMessageResponse;
        self.success(out, operation, request_id, |map| {
            map.key("sequenceNumber").uint(sequence_number);
        });
    }

    /// Answers a read with messages of one stream: sequence number, ingest time in milliseconds
    /// since the Unix epoch, and payload.
    pub fn messages<'m>(
        &self,
        out: &mut BytesMut,
        request_id: &RequestId,
        stream_name: &Name,
        messages: impl IntoIterator<Item = (u64, u64, &'m [u8]), IntoIter: ExactSizeIterator>,
    ) {
        let operation = Operation::ReadMessagesResponse;
        self.success(out, operation, request_id, |map| {
            map.key("messages").list(
                messages,
                |writer, (sequence_number, ingest_time_millis, payload)| {
                    writer.map(|map| {
                        map.key("streamName").text(stream_name.as_str());
                        map.key("sequenceNumber").uint(sequence_number);
                        map.key("ingestTime").uint(ingest_time_millis);
                        map.key("payload").bytes(payload);
                    });
                },
            );
        });
    }

    /// Answers a list with the names of all streams.
    pub fn streams<'n>(
        &self,
        out: &mut BytesMut,
        request_id: &RequestId,
        names: impl IntoIterator<Item = &'n str, IntoIter: ExactSizeIterator>,
    ) {
        let operation = Operation::ListStreamsResponse;
        self.success(out, operation, request_id, |map| {
            map.key("streams")
                .list(names, |writer, name| writer.text(name));
        });
    }

    /// Answers a describe.
    pub fn description(
        &self,
        out: &mut BytesMut,
        request_id: &RequestId,
        info: &MessageStreamInfo,
    ) {
        let operation = Operation::DescribeMessageStreamResponse;
        self.success(out, operation, request_id, |map| {
            info.write(map.key("messageStreamInfo"));
        });
    }

    /// Answers any request with a failure; `operation` is that of the response. A status that the
    /// connection's version does not know becomes one that it knows.
    pub fn failed(
        &self,
        out: &mut BytesMut,
        operation: Operation,
        request_id: &RequestId,
        failure: &Failure,
    ) {
        let status = failure.status.for_version(self.version);
        write_failure(out, operation, Some(request_id), status, &failure.message);
    }

    fn success(
        &self,
        out: &mut BytesMut,
        operation: Operation,
        request_id: &RequestId,
        fields: impl FnOnce(&mut Map<'_>),
    ) {
        write_success(out, operation, self.max_frame_length, request_id, fields);
    }
}

/// Appends the frame of a success: the fields that all responses have, and then `fields`. A frame
/// beyond the limit gives way to a failure that says so.
pub(crate) fn write_success(
    out: &mut BytesMut,
    operation: Operation,
    limit: usize,
    request_id: &RequestId,
    fields: impl FnOnce(&mut Map<'_>),
) {
    let written = write_frame(out, operation, limit, |writer| {
        writer.map(|map| {
            write_head(map, Some(request_id), ResponseStatusCode::Success, "");
            fields(map);
        });
    });
    if let Err(too_large) = written {
        let status = ResponseStatusCode::ResponsePayloadTooLarge;
        write_failure(
            out,
            operation,
            Some(request_id),
            status,
            &too_large.to_string(),
        );
    }
}

/// Appends the frame of a failure.
pub(crate) fn write_failure(
    out: &mut BytesMut,
    operation: Operation,
    request_id: Option<&RequestId>,
    status: ResponseStatusCode,
    message: &str,
) {
    let end = message.floor_char_boundary(MAX_ERROR_MESSAGE);
    let message = message.get(..end).unwrap_or_default();
    let written = write_frame(out, operation, MAX_FRAME_LENGTH, |writer| {
        writer.map(|map| write_head(map, request_id, status, message));
    });
    debug_assert!(written.is_ok(), "id and message are both of bounded length");
}

/// Writes the fields that all responses have (section 2).
fn write_head(
    map: &mut Map<'_>,
    request_id: Option<&RequestId>,
    status: ResponseStatusCode,
    message: &str,
) {
    if let Some(id) = request_id {
        map.key("requestId").text(id.as_str());
    }
    map.key("status").uint(status.code().into());
    map.key("errorMessage").text(message);
}
