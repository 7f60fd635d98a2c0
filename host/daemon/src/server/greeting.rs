//! The beginning of a connection (specification, 1.4).
//!
//! What is wrong is looked for in this order, and the first thing found is the answer: the connect
//! version, the operation of the first frame, the protocol version, the token, and last whether
//! there is a place for one more connection. A client that may not connect learns no more than that.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use millstream_protocol::frame::Incoming;
use millstream_protocol::handshake::{
    MAX_CONNECT_LENGTH, check_connect_version, encode_acceptance, encode_refusal, negotiate,
    take_connect_version, unauthorized, unexpected_operation,
};
use millstream_protocol::request::Connect;
use millstream_protocol::{
    Call, Failure, Frame, FrameDecoder, Operation, Request, RequestId, ResponseStatusCode, Version,
    decode_request,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::Context;
use crate::access::Client;

/// A client that has not introduced itself by then is not one.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long the answer to a wrong token is kept back. Together with the few places for handshakes it
/// bounds how fast tokens can be tried.
const WRONG_TOKEN_PAUSE: Duration = Duration::from_secs(1);
/// How long a client that was refused may take to read why.
const FAREWELL: Duration = Duration::from_secs(1);
/// The buffer of a connection that begins.
const FIRST_READ: usize = 1 << 10;

/// A connection that is open.
pub(super) struct Greeted {
    pub(super) socket: TcpStream,
    pub(super) peer: SocketAddr,
    /// What arrived behind the handshake.
    pub(super) buffer: BytesMut,
    pub(super) version: Version,
    pub(super) client: Client,
    /// Its place among server.max-connections.
    pub(super) place: OwnedSemaphorePermit,
}

/// Why there is no connection.
enum Refused {
    /// The peer went away, or took too long, or sent what has no answer; for the log.
    Silently(String),
    /// The answer that it gets.
    With(Option<RequestId>, Failure),
}

/// What a handshake has settled.
struct Settled {
    id: RequestId,
    version: Version,
    client: Client,
    place: OwnedSemaphorePermit,
}

/// Shakes hands. Without a connection at the end, the log says why.
pub(super) async fn greet(
    mut socket: TcpStream,
    peer: SocketAddr,
    context: Arc<Context>,
) -> Option<Greeted> {
    let mut buffer = BytesMut::with_capacity(FIRST_READ);
    let settled = async {
        let connect = first_frame(&mut socket, &mut buffer);
        let frame = tokio::time::timeout(HANDSHAKE_TIME, connect)
            .await
            .unwrap_or_else(|_| Err(Refused::Silently("no handshake within 10 s".into())))?;
        settle(&frame, &context).await
    };
    let outcome = match settled.await {
        Ok(settled) => accept(&mut socket, peer, &settled)
            .await
            .map(|()| settled)
            .map_err(|error| error.to_string()),
        Err(Refused::Silently(reason)) => Err(reason),
        Err(Refused::With(id, failure)) => {
            let farewell = refuse(&mut socket, id.as_ref(), &failure);
            let _ = tokio::time::timeout(FAREWELL, farewell).await;
            Err(format!("the client was refused: {failure}"))
        }
    };
    match outcome {
        Ok(Settled {
            version,
            client,
            place,
            ..
        }) => Some(Greeted {
            socket,
            peer,
            buffer,
            version,
            client,
            place,
        }),
        Err(reason) => {
            tracing::info!(%peer, reason, "no connection");
            None
        }
    }
}

/// Gathers the connect version and the first frame.
async fn first_frame(socket: &mut TcpStream, buffer: &mut BytesMut) -> Result<Frame, Refused> {
    let silently = |error: &dyn std::fmt::Display| Refused::Silently(error.to_string());
    socket.set_nodelay(true).map_err(|error| silently(&error))?;
    let mut decoder = FrameDecoder::new(MAX_CONNECT_LENGTH);
    let mut begun = false;
    loop {
        if !begun && let Some(byte) = take_connect_version(buffer) {
            check_connect_version(byte).map_err(|failure| Refused::With(None, failure))?;
            begun = true;
        }
        if begun {
            match decoder.next_frame(buffer) {
                Ok(Some(Incoming::Frame(frame))) => return Ok(frame),
                Ok(Some(Incoming::TooLarge(frame))) => {
                    let error = frame.into_request_error();
                    let failure = error.failure();
                    return Err(Refused::With(error.request_id, failure));
                }
                Ok(None) => {}
                Err(error) => return Err(silently(&error)),
            }
        }
        match socket.read_buf(buffer).await {
            Ok(0) => return Err(silently(&"the peer went away")),
            Ok(_) => {}
            Err(error) => return Err(silently(&error)),
        }
    }
}

/// Finds out whether the client may connect, and who it is.
async fn settle(frame: &Frame, context: &Context) -> Result<Settled, Refused> {
    let (id, connect) = introduction(frame)?;
    let refuse = |failure| Refused::With(Some(id.clone()), failure);
    let version = negotiate(&connect).map_err(refuse)?;
    let Some(client) = context.access.admit(connect.auth_token.as_ref()) else {
        if connect.auth_token.is_some() {
            tokio::time::sleep(WRONG_TOKEN_PAUSE).await;
        }
        return Err(refuse(unauthorized()));
    };
    let Ok(place) = Arc::clone(&context.places).try_acquire_owned() else {
        return Err(refuse(Failure::new(
            ResponseStatusCode::FailedToConnect,
            format!(
                "The host serves as many connections as server.max-connections allows, which is {}; \
                 close others, or raise it.",
                context.max_connections
            ),
        )));
    };
    Ok(Settled {
        id,
        version,
        client,
        place,
    })
}

fn introduction(frame: &Frame) -> Result<(RequestId, Connect), Refused> {
    let unexpected = |id| Refused::With(id, unexpected_operation(frame.operation));
    match decode_request(frame.operation, &frame.payload) {
        Ok(Request {
            request_id,
            call: Call::Connect(connect),
        }) => Ok((request_id, connect)),
        Ok(request) => Err(unexpected(Some(request.request_id))),
        Err(error) if error.operation == Operation::ConnectResponse => {
            let failure = error.failure();
            Err(Refused::With(error.request_id, failure))
        }
        Err(error) => Err(unexpected(error.request_id)),
    }
}

async fn accept(
    socket: &mut TcpStream,
    peer: SocketAddr,
    settled: &Settled,
) -> std::io::Result<()> {
    let name = match settled.client.name() {
        Some(name) => name.to_string(),
        None => peer.to_string(),
    };
    let mut out = BytesMut::new();
    let server = env!("CARGO_PKG_VERSION");
    encode_acceptance(&mut out, &settled.id, settled.version, server, &name);
    socket.write_all(&out).await
}

/// Says why, and waits for the client to close: a socket that is closed while something unread is in
/// it takes its last words back.
async fn refuse(socket: &mut TcpStream, id: Option<&RequestId>, failure: &Failure) {
    let mut out = BytesMut::new();
    encode_refusal(&mut out, id, failure);
    if socket.write_all(&out).await.is_err() || socket.shutdown().await.is_err() {
        return;
    }
    let mut rest = [0; FIRST_READ];
    while socket.read(&mut rest).await.is_ok_and(|count| count > 0) {}
}
