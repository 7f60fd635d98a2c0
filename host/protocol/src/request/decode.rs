//! Requests from the wire.

use bytes::Bytes;

use super::{AuthToken, Call, Connect, ReadMessagesOptions, Request};
use crate::cbor::Reader;
use crate::{
    MessageStreamDefinition, Name, Operation, ProtocolError, RequestError, RequestId,
    ResponseStatusCode,
};

type Result<T> = std::result::Result<T, ProtocolError>;

/// Decodes the payload of a frame from a client.
///
/// Keys that the protocol does not know are passed over.
///
/// # Errors
/// [`RequestError`], which has all that the answer needs: with the id even if the rest of the
/// payload is beyond repair, as long as what stands before the id can be read. A code that is no
/// request is an error whose answer is
/// [`UnknownOperationError`](Operation::UnknownOperationError) (section 1.6).
pub fn decode_request(
    operation: u8,
    payload: &Bytes,
) -> std::result::Result<Request, RequestError> {
    decode(operation, Reader::new(payload)).map_err(|cause| refusal(operation, payload, cause))
}

/// Decodes the payload of a frame from a client, and tells `note` the first characters of each key
/// that is passed over, whatever comes of the rest, so that a server can log what it does not heed
/// (section 1.4).
///
/// # Errors
/// As [`decode_request`].
pub fn decode_request_noting(
    operation: u8,
    payload: &Bytes,
    note: &mut dyn FnMut(&str),
) -> std::result::Result<Request, RequestError> {
    let reader = Reader::noting(payload, note);
    decode(operation, reader).map_err(|cause| refusal(operation, payload, cause))
}

#[cold]
fn refusal(operation: u8, payload: &Bytes, cause: ProtocolError) -> RequestError {
    RequestError {
        request_id: recover_request_id(payload),
        operation: Operation::response_to(operation),
        status: match cause {
            ProtocolError::UnknownOperation { .. } => ResponseStatusCode::UnknownOperation,
            _ => ResponseStatusCode::InvalidRequest,
        },
        cause,
    }
}

/// The request id of a payload that is damaged, cut short, or not understood.
pub(crate) fn recover_request_id(payload: &Bytes) -> Option<RequestId> {
    let mut found = None;
    let search = Reader::new(payload).map(|reader, key| {
        if key == "requestId" {
            found = Some(reader.request_id()?.detached());
        } else {
            reader.skip()?;
        }
        Ok(())
    });
    // Damage ends the search; what was found before it counts.
    match search {
        Ok(()) | Err(_) => found,
    }
}

fn decode(operation: u8, reader: Reader<'_>) -> Result<Request> {
    match Operation::from_code(operation) {
        Some(Operation::AppendMessage) => append(reader),
        Some(Operation::ReadMessages) => read(reader),
        Some(Operation::Connect) => connect(reader),
        Some(Operation::CreateMessageStream) => defined(reader, Call::Create),
        Some(Operation::UpdateMessageStream) => defined(reader, Call::Update),
        Some(Operation::DeleteMessageStream) => named(reader, Call::Delete),
        Some(Operation::DescribeMessageStream) => named(reader, Call::Describe),
        Some(Operation::ListStreams) => Ok(Request {
            request_id: fields(reader, Reader::pass_over)?,
            call: Call::List,
        }),
        _ => Err(ProtocolError::UnknownOperation { code: operation }),
    }
}

/// Reads the map of a request: the id here, every other field with `field`.
#[inline]
fn fields<'b>(
    mut reader: Reader<'b>,
    mut field: impl FnMut(&mut Reader<'b>, &str) -> Result<()>,
) -> Result<RequestId> {
    let mut request_id = None;
    reader.map(|reader, key| {
        if key == "requestId" {
            request_id = Some(reader.request_id()?);
            Ok(())
        } else {
            field(reader, key)
        }
    })?;
    reader.finish()?;
    request_id.ok_or_else(|| ProtocolError::missing("requestId"))
}

fn append(reader: Reader<'_>) -> Result<Request> {
    let mut name = None;
    let mut message = None;
    let request_id = fields(reader, |reader, key| {
        match key {
            "name" => name = Some(reader.shared_name()?),
            "payload" => message = Some(reader.bytes()?),
            _ => reader.pass_over(key)?,
        }
        Ok(())
    })?;
    let message = message.ok_or_else(|| ProtocolError::missing("payload"))?;
    if message.is_empty() {
        return Err(ProtocolError::value("must have at least 1 byte").within("payload"));
    }
    Ok(Request {
        request_id,
        call: Call::Append {
            name: name.ok_or_else(|| ProtocolError::missing("name"))?,
            payload: message,
        },
    })
}

/// A read may wait for a minute: its id and name are detached from the frame.
fn read(reader: Reader<'_>) -> Result<Request> {
    let mut name = None;
    let mut options = ReadMessagesOptions::default();
    let request_id = fields(reader, |reader, key| {
        match key {
            "streamName" => name = Some(reader.name()?),
            "readMessagesOptions" => options = ReadMessagesOptions::read(reader)?,
            _ => reader.pass_over(key)?,
        }
        Ok(())
    })?;
    Ok(Request {
        request_id: request_id.detached(),
        call: Call::Read {
            name: name.ok_or_else(|| ProtocolError::missing("streamName"))?,
            options,
        },
    })
}

fn defined(
    reader: Reader<'_>,
    call: impl FnOnce(Box<MessageStreamDefinition>) -> Call,
) -> Result<Request> {
    let mut definition = None;
    let request_id = fields(reader, |reader, key| {
        match key {
            "definition" => definition = Some(MessageStreamDefinition::read(reader)?),
            _ => reader.pass_over(key)?,
        }
        Ok(())
    })?;
    let definition = definition.ok_or_else(|| ProtocolError::missing("definition"))?;
    Ok(Request {
        request_id,
        call: call(Box::new(definition)),
    })
}

fn named(reader: Reader<'_>, call: impl FnOnce(Name) -> Call) -> Result<Request> {
    let mut name = None;
    let request_id = fields(reader, |reader, key| {
        match key {
            "name" => name = Some(reader.name()?),
            _ => reader.pass_over(key)?,
        }
        Ok(())
    })?;
    Ok(Request {
        request_id,
        call: call(name.ok_or_else(|| ProtocolError::missing("name"))?),
    })
}

fn connect(reader: Reader<'_>) -> Result<Request> {
    let mut protocol_version = None;
    let mut other_versions = Vec::new();
    let mut sdk_version = None;
    let mut auth_token = None;
    let request_id = fields(reader, |reader, key| {
        match key {
            "protocolVersion" => protocol_version = Some(reader.text()?.into_owned()),
            "otherSupportedProtocolVersions" => {
                other_versions = reader.first_texts(Connect::MAX_OTHER_VERSIONS)?;
            }
            "sdkVersion" => sdk_version = Some(reader.text()?.into_owned()),
            "authToken" => auth_token = AuthToken::new(reader.text()?),
            _ => reader.pass_over(key)?,
        }
        Ok(())
    })?;
    Ok(Request {
        request_id,
        call: Call::Connect(Connect {
            protocol_version: protocol_version
                .ok_or_else(|| ProtocolError::missing("protocolVersion"))?,
            other_versions,
            sdk_version,
            auth_token,
        }),
    })
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
