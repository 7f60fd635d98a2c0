//! What each request means.

use std::time::Duration;

use bytes::BytesMut;
use millstream_protocol::request::ReadMessagesOptions;
use millstream_protocol::response::{encoded_message_size, read_response_overhead};
use millstream_protocol::{
    Call, DESIRED_START_BEYOND_LAST, Failure, Name, Operation, RequestId, ResponseEncoder,
    ResponseStatusCode, STREAM_ALREADY_EXISTS,
};
use millstream_streams::{Error, Message, ReadOptions, SequenceNumber};
use tokio::time::Instant;

use super::Context;
use crate::service;

/// The longest that a read waits: a little under the 60 s after which the SDKs give up, because an
/// answer after that breaks them (specification, 6.2).
const LONGEST_WAIT: Duration = Duration::from_secs(59);

/// Carries out everything but appends and reads, and writes the answer.
pub(super) async fn carry_out(
    context: &Context,
    encoder: &ResponseEncoder,
    id: &RequestId,
    call: Call,
) -> BytesMut {
    let mut out = BytesMut::new();
    let operation = call.operation().response();
    let service = &context.service;
    let done = match call {
        Call::Create(definition) => match service::from_wire(&definition, service.store()) {
            Ok(definition) => service.create(definition).await,
            Err(error) => Err(error),
        },
        Call::Update(definition) => match service::from_wire(&definition, service.store()) {
            Ok(definition) => service.update(definition).await,
            Err(error) => Err(error),
        },
        Call::Delete(name) => service.delete(name.as_str()).await,
        Call::List => {
            let names = service.store().list();
            encoder.streams(&mut out, id, names.iter().map(|name| name.as_str()));
            return out;
        }
        Call::Describe(name) => match service.describe(name.as_str()) {
            Ok(info) => {
                encoder.description(&mut out, id, &info);
                return out;
            }
            Err(error) => Err(error),
        },
        Call::Connect(_) | Call::Append { .. } | Call::Read { .. } => {
            // Appends and reads take another way; what is left is a second Connect.
            let failure = Failure::new(
                ResponseStatusCode::InvalidRequest,
                "the connection is open already; Connect comes once, at its beginning",
            );
            encoder.failed(&mut out, operation, id, &failure);
            return out;
        }
    };
    match done {
        Ok(()) => encoder.done(&mut out, operation, id),
        Err(error) => encoder.failed(&mut out, operation, id, &failure(&error)),
    }
    out
}

/// Carries out a read that arrived at some time, and writes the answer.
pub(super) async fn read(
    context: &Context,
    encoder: &ResponseEncoder,
    id: &RequestId,
    name: &Name,
    options: ReadMessagesOptions,
    arrival: Instant,
) -> BytesMut {
    let mut out = BytesMut::new();
    match read_messages(context, id, name, options, arrival).await {
        Ok(messages) => {
            let messages = messages.iter().map(|message| {
                let number = message.sequence_number.get();
                (
                    number,
                    message.ingest_time.as_millis(),
                    message.payload.as_ref(),
                )
            });
            encoder.messages(&mut out, id, name, messages);
        }
        Err(failure) => {
            encoder.failed(&mut out, Operation::ReadMessagesResponse, id, &failure);
        }
    }
    out
}

async fn read_messages(
    context: &Context,
    id: &RequestId,
    name: &Name,
    options: ReadMessagesOptions,
    arrival: Instant,
) -> Result<Vec<Message>, Failure> {
    let min = options.min_message_count.get();
    let asked = Duration::from_millis(options.read_timeout_millis.get());
    let room = context.max_frame.saturating_sub(read_response_overhead(id));
    let wanted = ReadOptions {
        start: SequenceNumber::new(options.desired_start_sequence_number.get()),
        min,
        max: options.max_message_count.get(),
        max_bytes: room as u64,
        wait: asked.min(LONGEST_WAIT).saturating_sub(arrival.elapsed()),
    };
    let store = context.service.store();
    let mut messages = store
        .read(name.as_str(), wanted)
        .await
        .map_err(|error| failure(&error))?;
    let mut size = 0;
    let fitting = messages
        .iter()
        .take_while(|message| {
            size += encoded_message_size(
                name,
                message.sequence_number.get(),
                message.ingest_time.as_millis(),
                message.payload.len(),
            );
            size <= room
        })
        .count();
    // Fewer than asked for, down to the minimum; below that the answer does not fit (6.2).
    if (fitting as u64) < min.min(messages.len() as u64) {
        return Err(Failure::new(
            ResponseStatusCode::ResponsePayloadTooLarge,
            format!(
                "{min} messages do not fit in a frame of {} bytes",
                context.max_frame
            ),
        ));
    }
    messages.truncate(fitting);
    Ok(messages)
}

/// An error of the store as clients know it (specification, 2.1 and 2.2).
pub(super) fn failure(error: &Error) -> Failure {
    use ResponseStatusCode as Status;
    let (status, message) = match error {
        Error::AlreadyExists => (Status::InvalidRequest, STREAM_ALREADY_EXISTS.to_owned()),
        Error::BeyondEnd => (
            Status::NotEnoughMessages,
            DESIRED_START_BEYOND_LAST.to_owned(),
        ),
        Error::NotEnoughMessages => (Status::NotEnoughMessages, error.to_string()),
        Error::NotFound { .. } => (Status::ResourceNotFound, error.to_string()),
        Error::InvalidDefinition { .. }
        | Error::EmptyPayload
        | Error::TooLarge { .. }
        | Error::Full { .. }
        | Error::InvalidReadRange => (Status::InvalidRequest, error.to_string()),
        Error::UpdateNotAllowed { .. } => (Status::UpdateNotAllowed, error.to_string()),
        Error::Damaged { .. } => (Status::MessageStoreReadError, error.to_string()),
        _ => (Status::UnknownFailure, error.to_string()),
    };
    Failure::new(status, message)
}
