//! Opening a connection (section 1.4).
//!
//! Both sides begin with one byte, the connect version, and a frame: Connect from the client,
//! ConnectResponse from the server. The server takes the byte with [`take_connect_version`] and
//! checks it with [`check_connect_version`], takes the frame with a
//! [`FrameDecoder`](crate::FrameDecoder), and settles the version with [`negotiate`]. Whatever it
//! finds, it answers with [`encode_acceptance`] or [`encode_refusal`], and closes after a refusal.
//! Who may connect is for the server to say: [`unauthorized`] is the refusal.

use bytes::{Buf, BufMut, BytesMut};

use crate::request::{Call, Connect, Request, encode_request};
use crate::response::{write_failure, write_success};
use crate::{
    Failure, MAX_FRAME_LENGTH, Operation, ProtocolError, RequestId, ResponseStatusCode, Version,
};

/// The first byte in each direction.
pub const CONNECT_VERSION: u8 = 1;

/// The longest Connect frame worth reading, in bytes: until a client is known, its frames get a
/// decoder with this limit. The frames of the SDKs have 130 bytes and their token.
pub const MAX_CONNECT_LENGTH: usize = 64 * 1024;

/// Takes the connect version off the beginning of a connection; `None` asks for more bytes.
pub fn take_connect_version(buf: &mut BytesMut) -> Option<u8> {
    buf.has_remaining().then(|| buf.get_u8())
}

/// Checks the connect version of the other side.
///
/// # Errors
/// The refusal, if it is not [`CONNECT_VERSION`]: what follows cannot be understood.
pub fn check_connect_version(byte: u8) -> Result<(), Failure> {
    if byte == CONNECT_VERSION {
        return Ok(());
    }
    Err(Failure::new(
        ResponseStatusCode::UnsupportedConnectVersion,
        format!(
            "The connection begins with the byte {byte}, and the only connect version is \
             {CONNECT_VERSION}; use a Stream Manager SDK for Greengrass Core 1.10 or later."
        ),
    ))
}

/// Settles the version of a connection: the one that the client prefers if it is spoken here, else
/// the highest of its other versions.
///
/// # Errors
/// The refusal: the preferred version is not written as a version, or there is none in common.
pub fn negotiate(connect: &Connect) -> Result<Version, Failure> {
    let preferred = connect.protocol_version.as_str();
    if !is_version(preferred) {
        return Err(Failure::new(
            ResponseStatusCode::InvalidProtocolVersion,
            "The protocolVersion is not a version; it has the form 1.1.0.",
        ));
    }
    let others = connect.other_versions.iter();
    Version::from_text(preferred)
        .or_else(|| others.filter_map(|text| Version::from_text(text)).max())
        .ok_or_else(|| {
            let supported = Version::ALL.map(Version::as_str).join(" and ");
            Failure::new(
                ResponseStatusCode::UnsupportedProtocolVersion,
                format!(
                    "The client offers no protocol version in common; this server speaks \
                     {supported}."
                ),
            )
        })
}

/// Whether a text is three numbers with full stops between them.
fn is_version(text: &str) -> bool {
    let parts: Vec<_> = text.split('.').take(4).collect();
    parts.len() == 3
        && parts
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The refusal of a connection whose first frame is not Connect.
#[must_use]
pub fn unexpected_operation(code: u8) -> Failure {
    Failure::new(
        ResponseStatusCode::UnexpectedOperation,
        format!("The first request has the operation code {code}, and it must be 1 (Connect)."),
    )
}

/// The refusal of a client without a valid credential.
#[must_use]
pub fn unauthorized() -> Failure {
    Failure::new(
        ResponseStatusCode::Unauthorized,
        "The client is not authorized to connect: its authToken is missing or not valid.",
    )
}

/// Appends the server's first bytes to `out`: the connection is open and runs `version`. The
/// version of the server and the name it gave to the client are for the client's log.
pub fn encode_acceptance(
    out: &mut BytesMut,
    request_id: &RequestId,
    version: Version,
    server_version: &str,
    client_identifier: &str,
) {
    out.put_u8(CONNECT_VERSION);
    let operation = Operation::ConnectResponse;
    write_success(out, operation, MAX_FRAME_LENGTH, request_id, |map| {
        map.key("protocolVersion").text(version.as_str());
        map.key("supportedProtocolVersions")
            .list(Version::ALL, |writer, version| {
                writer.text(version.as_str());
            });
        map.key("serverVersion").text(server_version);
        map.key("clientIdentifier").text(client_identifier);
    });
}

/// Appends the server's first and last bytes to `out`: the connection is refused. The id is that of
/// the Connect request if it could be read.
pub fn encode_refusal(out: &mut BytesMut, request_id: Option<&RequestId>, failure: &Failure) {
    out.put_u8(CONNECT_VERSION);
    write_failure(
        out,
        Operation::ConnectResponse,
        request_id,
        failure.status,
        &failure.message,
    );
}

/// Appends the client's first bytes to `out`.
///
/// # Errors
/// [`ProtocolError::FrameTooLarge`] beyond the limit of the protocol; `out` is then as before.
pub fn encode_connect(
    out: &mut BytesMut,
    request_id: &RequestId,
    connect: &Connect,
) -> Result<(), ProtocolError> {
    let start = out.len();
    out.put_u8(CONNECT_VERSION);
    let request = Request {
        request_id: request_id.clone(),
        call: Call::Connect(connect.clone()),
    };
    encode_request(out, &request).inspect_err(|_| out.truncate(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FrameDecoder, frame::Incoming, response::Success};

    fn offer(preferred: &str, others: &[&str]) -> Result<Version, ResponseStatusCode> {
        let connect = Connect {
            protocol_version: preferred.to_owned(),
            other_versions: others.iter().map(|&other| other.to_owned()).collect(),
            sdk_version: None,
            auth_token: None,
        };
        negotiate(&connect).map_err(|failure| failure.status)
    }

    #[test]
    fn the_preferred_version_wins_and_then_the_highest_other() {
        assert_eq!(offer("1.1.0", &["1.0.0"]), Ok(Version::V1_1_0));
        assert_eq!(offer("1.0.0", &["1.1.0"]), Ok(Version::V1_0_0));
        assert_eq!(offer("2.0.0", &["1.0.0"]), Ok(Version::V1_0_0));
        assert_eq!(
            offer("2.0.0", &["1.0.0", "x", "1.1.0"]),
            Ok(Version::V1_1_0)
        );
    }

    #[test]
    fn nothing_in_common_and_no_version_are_told_apart() {
        use ResponseStatusCode::{InvalidProtocolVersion, UnsupportedProtocolVersion};
        assert_eq!(offer("2.0.0", &[]), Err(UnsupportedProtocolVersion));
        assert_eq!(offer("2.0.0", &["3.0.0"]), Err(UnsupportedProtocolVersion));
        for text in [
            "", "1", "1.1", "1.1.0.0", "1..0", "v1.1.0", "1.1.0 ", "latest",
        ] {
            assert_eq!(
                offer(text, &["1.1.0"]),
                Err(InvalidProtocolVersion),
                "{text}"
            );
        }
    }

    #[test]
    fn the_connect_version_is_taken_once_it_is_there() {
        let mut buf = BytesMut::new();
        assert_eq!(take_connect_version(&mut buf), None);
        buf.extend_from_slice(&[1, 0, 0]);
        assert_eq!(take_connect_version(&mut buf), Some(1));
        assert_eq!(buf.as_ref(), [0, 0]);
        assert_eq!(check_connect_version(1), Ok(()));
        assert_eq!(
            check_connect_version(2).unwrap_err().status,
            ResponseStatusCode::UnsupportedConnectVersion
        );
    }

    fn answer(mut out: BytesMut) -> crate::Response {
        assert_eq!(take_connect_version(&mut out), Some(CONNECT_VERSION));
        let incoming = FrameDecoder::default().next_frame(&mut out).unwrap();
        let Some(Incoming::Frame(frame)) = incoming else {
            panic!("unexpected: {incoming:?}");
        };
        crate::decode_response(frame.operation, &frame.payload).unwrap()
    }

    #[test]
    fn an_acceptance_tells_the_versions() {
        let id = " ".parse().unwrap();
        let mut out = BytesMut::new();
        encode_acceptance(&mut out, &id, Version::V1_0_0, "0.1.0", "client-7");
        let response = answer(out);
        assert_eq!(response.request_id, Some(id));
        let Ok(Success::Connected(connected)) = response.outcome else {
            panic!("unexpected: {response:?}");
        };
        assert_eq!(connected.protocol_version.as_deref(), Some("1.0.0"));
        assert_eq!(connected.supported_versions, ["1.0.0", "1.1.0"]);
        assert_eq!(connected.client_identifier.as_deref(), Some("client-7"));
    }

    #[test]
    fn a_refusal_needs_no_request_id() {
        let mut out = BytesMut::new();
        encode_refusal(&mut out, None, &unexpected_operation(4));
        let response = answer(out);
        assert_eq!(response.request_id, None);
        assert_eq!(
            response.outcome.unwrap_err().status,
            ResponseStatusCode::UnexpectedOperation
        );
    }
}
