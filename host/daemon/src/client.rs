//! A client of a running host, for the command line. One request at a time.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use millstream_protocol::frame::Incoming;
use millstream_protocol::handshake::{encode_connect, take_connect_version};
use millstream_protocol::request::{AuthToken, Connect};
use millstream_protocol::response::Success;
use millstream_protocol::{
    Call, Failure, FrameDecoder, Request, RequestId, Response, ResponseStatusCode, Version,
    decode_response, encode_request,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A host that has not answered a handshake by then is none.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Why a call got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// There is nobody.
    #[error(
        "no host answers on {address} ({reason}); start one with `millstream run`, or name its address with --server"
    )]
    Unreachable {
        /// Where it was looked for.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
    /// Somebody is there, and it is no host.
    #[error("what listens on {address} does not speak the Stream Manager protocol: {reason}")]
    Foreign {
        /// Who it is.
        address: SocketAddr,
        /// What was wrong with the answer.
        reason: String,
    },
    /// It was there.
    #[error(
        "the host on {address} closed the connection: it is stopping, or the client was removed from \
         its file of clients"
    )]
    Closed {
        /// Where it was.
        address: SocketAddr,
    },
    /// The host asks who this is.
    #[error(
        "the host on {address} lets in only clients with a token; `millstream client add NAME` makes \
         one, which goes into the variable AWS_CONTAINER_AUTHORIZATION_TOKEN or into a file named \
         with --token-file"
    )]
    NoToken {
        /// Where it listens.
        address: SocketAddr,
    },
    /// The host does not know the token.
    #[error(
        "the host on {address} does not accept the token: its client was removed, or got another one; \
         `millstream client rotate NAME` makes a new one"
    )]
    WrongToken {
        /// Where it listens.
        address: SocketAddr,
    },
    /// The host refuses.
    #[error("{0}")]
    Refused(Failure),
}

/// An open connection.
pub(crate) struct Client {
    address: SocketAddr,
    socket: TcpStream,
    buffer: BytesMut,
    decoder: FrameDecoder,
}

impl Client {
    /// Connects and shakes hands.
    pub(crate) async fn connect(
        address: SocketAddr,
        token: Option<AuthToken>,
    ) -> Result<Self, ClientError> {
        let greeted = tokio::time::timeout(HANDSHAKE_TIME, Self::greet(address, token)).await;
        greeted.unwrap_or_else(|_| {
            let reason = "it does not answer a handshake".to_owned();
            Err(ClientError::Foreign { address, reason })
        })
    }

    async fn greet(address: SocketAddr, token: Option<AuthToken>) -> Result<Self, ClientError> {
        let socket =
            TcpStream::connect(address)
                .await
                .map_err(|error| ClientError::Unreachable {
                    address,
                    reason: error.to_string(),
                })?;
        let mut client = Self {
            address,
            socket,
            buffer: BytesMut::new(),
            decoder: FrameDecoder::default(),
        };
        let has_token = token.is_some();
        let connect = Connect {
            protocol_version: Version::V1_1_0.as_str().to_owned(),
            other_versions: vec![Version::V1_0_0.as_str().to_owned()],
            sdk_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            auth_token: token,
        };
        let mut out = BytesMut::new();
        encode_connect(&mut out, &client.id()?, &connect).map_err(|error| client.foreign(error))?;
        client.send(&out).await?;
        while take_connect_version(&mut client.buffer).is_none() {
            client.receive().await?;
        }
        match client.response().await {
            Ok(_) => Ok(client),
            Err(ClientError::Refused(failure))
                if failure.status == ResponseStatusCode::Unauthorized =>
            {
                Err(if has_token {
                    ClientError::WrongToken { address }
                } else {
                    ClientError::NoToken { address }
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn call(&mut self, call: Call) -> Result<Success, ClientError> {
        let mut out = BytesMut::new();
        let request = Request {
            request_id: self.id()?,
            call,
        };
        encode_request(&mut out, &request).map_err(|error| self.foreign(error))?;
        self.send(&out).await?;
        self.response().await
    }

    /// With one request at a time any id will do.
    fn id(&self) -> Result<RequestId, ClientError> {
        "cli"
            .parse()
            .map_err(|error: millstream_protocol::ProtocolError| self.foreign(error))
    }

    async fn send(&mut self, frame: &[u8]) -> Result<(), ClientError> {
        self.socket
            .write_all(frame)
            .await
            .map_err(|error| self.foreign(error))
    }

    async fn receive(&mut self) -> Result<(), ClientError> {
        match self.socket.read_buf(&mut self.buffer).await {
            Ok(0) => Err(ClientError::Closed {
                address: self.address,
            }),
            Ok(_) => Ok(()),
            Err(error) => Err(self.foreign(error)),
        }
    }

    async fn response(&mut self) -> Result<Success, ClientError> {
        loop {
            let incoming = self.decoder.next_frame(&mut self.buffer);
            match incoming.map_err(|error| self.foreign(error))? {
                Some(Incoming::Frame(frame)) => {
                    let response: Response = decode_response(frame.operation, &frame.payload)
                        .map_err(|error| self.foreign(error))?;
                    return response.outcome.map_err(ClientError::Refused);
                }
                Some(Incoming::TooLarge(_)) => return Err(self.foreign("its answer is too large")),
                None => self.receive().await?,
            }
        }
    }

    fn foreign(&self, reason: impl ToString) -> ClientError {
        ClientError::Foreign {
            address: self.address,
            reason: reason.to_string(),
        }
    }
}
