//! What each request means.

use bytes::BytesMut;
use millstream_protocol::{
    Call, DESIRED_START_BEYOND_LAST, Failure, RequestId, ResponseEncoder, ResponseStatusCode,
    STREAM_ALREADY_EXISTS,
};
use millstream_streams::Error;

use super::Context;
use crate::access::Client;

/// Carries out everything but appends and reads, and writes the answer.
pub(super) async fn carry_out(
    context: &Context,
    client: &Client,
    encoder: &ResponseEncoder,
    id: &RequestId,
    call: Call,
) -> BytesMut {
    let mut out = BytesMut::new();
    let operation = call.operation().response();
    let service = &context.service;
    let done = match call {
        Call::Create(wire) => match service.accept(&wire) {
            Ok(definition) => service.create(definition).await,
            Err(error) => Err(error),
        },
        Call::Update(wire) => match service.accept_update(&wire) {
            Ok(definition) => service.update(definition).await,
            Err(error) => Err(error),
        },
        Call::Delete(name) => service.delete(name.as_str()).await,
        Call::List => {
            let names = service.store().list();
            let mut seen: Vec<_> = names.iter().map(|name| name.as_str()).collect();
            seen.retain(|name| client.sees(name));
            encoder.streams(&mut out, id, seen);
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
        Error::OutOfMemory { .. } => (Status::OutOfMemoryError, error.to_string()),
        Error::Damaged { .. } => (Status::MessageStoreReadError, error.to_string()),
        _ => (Status::UnknownFailure, error.to_string()),
    };
    Failure::new(status, message)
}
