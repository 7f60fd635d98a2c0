//! A connection on which a test sends what it likes.

use millstream_protocol::ResponseStatusCode;
use millstream_tests::RawClient;

use super::{Answer, Item, map, op};

/// A frame: length, operation and payload (specification, 1.2).
pub(crate) fn frame(operation: u8, payload: &[u8]) -> Vec<u8> {
    let length = i32::try_from(1 + payload.len()).unwrap();
    let mut frame = length.to_be_bytes().to_vec();
    frame.push(operation);
    frame.extend_from_slice(payload);
    frame
}

/// A connection, opened or about to be.
pub(crate) struct Wire {
    client: RawClient,
}

impl Wire {
    /// A connection on which nothing was said yet.
    pub(crate) fn open(port: u16) -> Self {
        Self {
            client: RawClient::open(port),
        }
    }

    /// A connection after the handshake that SDKs make.
    pub(crate) fn connect(port: u16) -> Self {
        Self::connect_as(port, "1.1.0")
    }

    /// The same as a client of another version of the protocol.
    pub(crate) fn connect_as(port: u16, version: &str) -> Self {
        let mut wire = Self::open(port);
        let connect = map([
            ("requestId", "connect".into()),
            ("protocolVersion", version.into()),
            ("authToken", "".into()),
        ]);
        wire.greet(&connect).done();
        wire
    }

    /// The first bytes of a client, and the first answer.
    pub(crate) fn greet(&mut self, connect: &Item) -> Answer {
        self.send(&[1]);
        self.send(&frame(op::CONNECT, &connect.encode()));
        self.first_answer()
    }

    /// The first answer, with the byte before it.
    pub(crate) fn first_answer(&mut self) -> Answer {
        self.client.expect_version();
        self.answer()
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.client.send(bytes);
    }

    /// Sends a request whose id is `id`, and returns its answer.
    pub(crate) fn ask(&mut self, operation: u8, request: Item) -> Answer {
        let request = map([("requestId", "asked".into())]).joined(request);
        let answer = self.ask_plainly(operation, &request);
        assert_eq!(answer.request_id.as_deref(), Some("asked"));
        answer
    }

    /// Sends a request as it is, with or without an id, and returns the next answer.
    pub(crate) fn ask_plainly(&mut self, operation: u8, request: &Item) -> Answer {
        self.send(&frame(operation, &request.encode()));
        let answer = self.answer();
        assert_eq!(answer.operation, op::answer_to(operation), "{answer:?}");
        answer
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("the server closed the connection")
    }

    /// The next answer; none if the server closes instead.
    pub(crate) fn try_answer(&mut self) -> Option<Answer> {
        self.client.try_frame().map(|frame| Answer::read(&frame))
    }

    /// Says that nothing more will be sent.
    pub(crate) fn close_sending(&mut self) {
        self.client.close_sending();
    }

    /// Sends a frame that cannot be answered, upon which the server closes without a word.
    pub(crate) fn is_closed_upon(&mut self, operation: u8, payload: &[u8]) {
        self.send(&frame(operation, payload));
        self.assert_closed();
    }

    /// Waits for the server to close, which it does without another word.
    pub(crate) fn assert_closed(&mut self) {
        assert!(self.client.try_frame().is_none(), "closed without a word");
    }

    /// Whether the connection still serves.
    pub(crate) fn assert_serves(&mut self) {
        self.ask(op::LIST, map([])).done();
    }

    /// Creates a stream with no more than what is required.
    pub(crate) fn create(&mut self, name: &str) {
        let definition = map([("name", name.into()), ("strategyOnFull", 1.into())]);
        self.ask(op::CREATE, map([("definition", definition)]))
            .done();
    }

    /// Appends, and returns the number.
    pub(crate) fn append(&mut self, name: &str, payload: &[u8]) -> u64 {
        let answer = self.ask(
            op::APPEND,
            map([("name", name.into()), ("payload", payload.into())]),
        );
        answer.done().fields["sequenceNumber"].as_u64().unwrap()
    }

    /// What a describe says.
    pub(crate) fn describe(&mut self, name: &str) -> serde_json::Value {
        let answer = self.ask(op::DESCRIBE, map([("name", name.into())]));
        answer.done().fields["messageStreamInfo"].clone()
    }

    /// A refusal, after which the connection still serves.
    pub(crate) fn refuses(
        &mut self,
        operation: u8,
        request: Item,
        status: ResponseStatusCode,
    ) -> Answer {
        let answer = self.ask(operation, request).refused(status);
        self.assert_serves();
        answer
    }
}
