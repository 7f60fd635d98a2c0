//! A client that can send anything.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use bytes::BytesMut;
use millstream_protocol::frame::Incoming;
use millstream_protocol::handshake::{CONNECT_VERSION, encode_connect, take_connect_version};
use millstream_protocol::request::{AuthToken, Connect};
use millstream_protocol::{
    Call, Frame, FrameDecoder, Request, Response, Version, decode_response, encode_request,
};

/// A connection in the hands of a test. It gives up on an answer after 30 seconds.
pub struct RawClient {
    socket: TcpStream,
    buffer: BytesMut,
    decoder: FrameDecoder,
}

impl RawClient {
    /// Opens the connection, and says nothing yet.
    pub fn open(port: u16) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self {
            socket,
            buffer: BytesMut::new(),
            decoder: FrameDecoder::default(),
        }
    }

    /// Opens the connection and shakes hands.
    pub fn connect(port: u16) -> Self {
        Self::connect_with(port, None)
    }

    /// The same with a token.
    pub fn connect_with(port: u16, token: Option<&str>) -> Self {
        let (client, response) = Self::greet(port, token);
        assert!(response.outcome.is_ok(), "{response:?}");
        client
    }

    /// Opens the connection and sends the handshake, and returns its answer whatever it is.
    pub fn greet(port: u16, token: Option<&str>) -> (Self, Response) {
        let mut client = Self::open(port);
        client.send(&Self::greeting_with(token));
        client.expect_version();
        let response = client.response();
        (client, response)
    }

    /// The bytes with which a client begins.
    pub fn greeting() -> BytesMut {
        Self::greeting_with(None)
    }

    /// The same with a token.
    pub fn greeting_with(token: Option<&str>) -> BytesMut {
        let connect = Connect {
            protocol_version: Version::V1_1_0.as_str().to_owned(),
            other_versions: Vec::new(),
            sdk_version: None,
            auth_token: token.and_then(AuthToken::new),
        };
        let mut out = BytesMut::new();
        encode_connect(&mut out, &"greeting".parse().unwrap(), &connect).unwrap();
        out
    }

    /// The frame of a request.
    pub fn frame(id: &str, call: Call) -> BytesMut {
        let mut out = BytesMut::new();
        let request = Request {
            request_id: id.parse().unwrap(),
            call,
        };
        encode_request(&mut out, &request).unwrap();
        out
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// Asks, and waits for the next answer.
    pub fn call(&mut self, id: &str, call: Call) -> Response {
        self.send(&Self::frame(id, call));
        self.response()
    }

    /// Takes the byte with which the server begins.
    pub fn expect_version(&mut self) {
        let version = loop {
            match take_connect_version(&mut self.buffer) {
                Some(version) => break version,
                None => assert!(self.receive(), "the server closed the connection"),
            }
        };
        assert_eq!(version, CONNECT_VERSION);
    }

    /// The next answer.
    pub fn response(&mut self) -> Response {
        self.try_response()
            .expect("the server closed the connection")
    }

    /// The next answer; none if the server closes instead.
    pub fn try_response(&mut self) -> Option<Response> {
        let frame = self.try_frame()?;
        Some(decode_response(frame.operation, &frame.payload).unwrap())
    }

    /// The next frame as it is; none if the server closes instead.
    pub fn try_frame(&mut self) -> Option<Frame> {
        loop {
            match self.decoder.next_frame(&mut self.buffer).unwrap() {
                Some(Incoming::Frame(frame)) => return Some(frame),
                Some(Incoming::TooLarge(frame)) => panic!("{frame:?}"),
                None if !self.receive() => return None,
                None => {}
            }
        }
    }

    /// Says that nothing more will be sent; answers can still be received.
    pub fn close_sending(&mut self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
    }

    /// Whether the server has closed the connection, or does so in time.
    pub fn is_closed(&mut self) -> bool {
        !self.receive()
    }

    fn receive(&mut self) -> bool {
        let mut bytes = [0; 16 << 10];
        match self.socket.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no answer: {error}"),
        }
    }
}
