//! Responses from the wire, for clients.

use bytes::Bytes;

use super::{Connected, Failure, Message, MessageStreamInfo, Response, Success};
use crate::cbor::Reader;
use crate::{Name, Operation, ProtocolError, ResponseStatusCode};

/// Decodes the payload of a frame from a server.
///
/// # Errors
/// [`ProtocolError`] if the operation is no response, or the payload is not what the operation
/// promises.
pub fn decode_response(operation: u8, payload: &Bytes) -> Result<Response, ProtocolError> {
    let operation = Operation::from_code(operation)
        .filter(|operation| operation.is_response())
        .ok_or(ProtocolError::NotAResponse { code: operation })?;
    let mut request_id = None;
    let mut status = None;
    let mut message = String::new();
    let mut fields = Fields::default();
    let mut reader = Reader::new(payload);
    reader.map(|reader, key| {
        match key {
            "requestId" => request_id = Some(reader.request_id()?),
            "status" => status = Some(reader.code()?),
            "errorMessage" => message = reader.text()?.into_owned(),
            _ => fields.read(operation, reader, key)?,
        }
        Ok(())
    })?;
    reader.finish()?;
    // The model makes the status of this one optional (section 2).
    if operation == Operation::ReadMessagesResponse {
        status = status.or(Some(ResponseStatusCode::Success));
    }
    let outcome = match status.ok_or_else(|| ProtocolError::missing("status"))? {
        ResponseStatusCode::Success => Ok(fields.success(operation)?),
        status => Err(Failure { status, message }),
    };
    Ok(Response {
        request_id,
        operation,
        outcome,
    })
}

/// The fields that belong to one kind of response each.
#[derive(Default)]
struct Fields {
    connected: Connected,
    sequence_number: Option<u64>,
    messages: Vec<Message>,
    streams: Vec<Name>,
    info: Option<Box<MessageStreamInfo>>,
}

impl Fields {
    fn read(
        &mut self,
        operation: Operation,
        reader: &mut Reader<'_>,
        key: &str,
    ) -> Result<(), ProtocolError> {
        match (operation, key) {
            (Operation::ConnectResponse, _) => self.connected.read(reader, key)?,
            (Operation::AppendMessageResponse, "sequenceNumber") => {
                self.sequence_number = Some(reader.unsigned()?);
            }
            (Operation::ReadMessagesResponse, "messages") => {
                self.messages = reader.list(usize::MAX, Message::read)?;
            }
            (Operation::ListStreamsResponse, "streams") => {
                self.streams = reader.list(usize::MAX, Reader::shared_name)?;
            }
            (Operation::DescribeMessageStreamResponse, "messageStreamInfo") => {
                self.info = Some(Box::new(MessageStreamInfo::read(reader)?));
            }
            _ => reader.pass_over(key)?,
        }
        Ok(())
    }

    fn success(self, operation: Operation) -> Result<Success, ProtocolError> {
        Ok(match operation {
            Operation::ConnectResponse => Success::Connected(self.connected),
            Operation::CreateMessageStreamResponse => Success::Created,
            Operation::UpdateMessageStreamResponse => Success::Updated,
            Operation::DeleteMessageStreamResponse => Success::Deleted,
            Operation::AppendMessageResponse => Success::Appended {
                sequence_number: self
                    .sequence_number
                    .ok_or_else(|| ProtocolError::missing("sequenceNumber"))?,
            },
            Operation::ReadMessagesResponse => Success::Messages(self.messages),
            Operation::ListStreamsResponse => Success::Streams(self.streams),
            Operation::DescribeMessageStreamResponse => Success::Description(
                self.info
                    .ok_or_else(|| ProtocolError::missing("messageStreamInfo"))?,
            ),
            other => {
                return Err(ProtocolError::value(format!(
                    "must not be 0 (Success) in a response of the kind {other}"
                ))
                .within("status"));
            }
        })
    }
}

impl Connected {
    fn read(&mut self, reader: &mut Reader<'_>, key: &str) -> Result<(), ProtocolError> {
        match key {
            "protocolVersion" => self.protocol_version = Some(reader.text()?.into_owned()),
            "supportedProtocolVersions" => {
                self.supported_versions = reader.first_texts(Self::MAX_SUPPORTED_VERSIONS)?;
            }
            "serverVersion" => self.server_version = Some(reader.text()?.into_owned()),
            "clientIdentifier" => self.client_identifier = Some(reader.text()?.into_owned()),
            _ => reader.pass_over(key)?,
        }
        Ok(())
    }
}

impl Message {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let mut stream_name = None;
        let mut sequence_number = None;
        let mut ingest_time_millis = None;
        let mut payload = None;
        reader.map(|reader, key| {
            match key {
                "streamName" => stream_name = Some(reader.shared_name()?),
                "sequenceNumber" => sequence_number = Some(reader.unsigned()?),
                "ingestTime" => ingest_time_millis = Some(reader.unsigned()?),
                "payload" => payload = Some(reader.bytes()?),
                _ => reader.pass_over(key)?,
            }
            Ok(())
        })?;
        let missing = ProtocolError::missing;
        Ok(Self {
            stream_name: stream_name.ok_or_else(|| missing("streamName"))?,
            sequence_number: sequence_number.ok_or_else(|| missing("sequenceNumber"))?,
            ingest_time_millis: ingest_time_millis.ok_or_else(|| missing("ingestTime"))?,
            payload: payload.ok_or_else(|| missing("payload"))?,
        })
    }
}
