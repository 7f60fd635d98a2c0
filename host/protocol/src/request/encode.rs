//! Requests to the wire.

use bytes::BytesMut;

use super::{Call, Connect, Request};
use crate::cbor::{Map, Writer};
use crate::frame::write_frame;
use crate::{MAX_FRAME_LENGTH, ProtocolError};

/// Appends the frame of a request to `out`.
///
/// # Errors
/// [`ProtocolError::FrameTooLarge`] beyond the limit of the protocol; `out` is then as before.
pub fn encode_request(out: &mut BytesMut, request: &Request) -> Result<(), ProtocolError> {
    let Request { request_id, call } = request;
    // The payload of an append is the one part of a request that may be long.
    if let Call::Append { payload, .. } = call {
        out.reserve(payload.len().min(MAX_FRAME_LENGTH));
    }
    let fields = |writer: &mut Writer<'_>| {
        writer.map(|map| {
            map.key("requestId").text(request_id.as_str());
            call.write(map);
        });
    };
    write_frame(out, call.operation(), MAX_FRAME_LENGTH, fields)
}

impl Call {
    fn write(&self, map: &mut Map<'_>) {
        match self {
            Self::Connect(connect) => connect.write(map),
            Self::Create(definition) | Self::Update(definition) => {
                definition.write(map.key("definition"));
            }
            Self::Delete(name) | Self::Describe(name) => map.key("name").text(name.as_str()),
            Self::Append { name, payload } => {
                map.key("name").text(name.as_str());
                map.key("payload").bytes(payload);
            }
            Self::Read { name, options } => {
                map.key("streamName").text(name.as_str());
                options.write(map.key("readMessagesOptions"));
            }
            Self::List => {}
        }
    }
}

impl Connect {
    fn write(&self, map: &mut Map<'_>) {
        map.key("protocolVersion").text(&self.protocol_version);
        if !self.other_versions.is_empty() {
            map.key("otherSupportedProtocolVersions")
                .list(&self.other_versions, |writer, version| writer.text(version));
        }
        if let Some(version) = &self.sdk_version {
            map.key("sdkVersion").text(version);
        }
        if let Some(token) = &self.auth_token {
            map.key("authToken").text(token.reveal());
        }
    }
}
