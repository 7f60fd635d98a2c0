//! Appends over the protocol, against JetStream.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use millstream_protocol::definition::StrategyOnFull;
use millstream_protocol::frame::Incoming;
use millstream_protocol::handshake::{encode_connect, take_connect_version};
use millstream_protocol::request::Connect;
use millstream_protocol::response::Success;
use millstream_protocol::{
    Call, FrameDecoder, MessageStreamDefinition, Request, Response, decode_response, encode_request,
};

use crate::host::{Host, Setup};
use crate::nats::Nats;
use crate::report::{Budget, median, ratio, skipped};

const PAYLOAD: usize = 256;
const WINDOW: usize = 2048;
/// Clients at the same time.
pub(crate) const CLIENTS: usize = 64;

const NAMES: [&str; 2] = [
    "append over the protocol, one at a time",
    "append over the protocol, pipelined",
];

pub(crate) fn run(setup: &Setup, quick: bool) {
    let payload: Bytes = (0..PAYLOAD)
        .map(|byte| u8::try_from(byte % 251).unwrap())
        .collect::<Vec<_>>()
        .into();
    if NAMES.iter().any(|name| setup.measures(name)) {
        relaxed(setup, quick, &payload);
    }
    crate::flushed::run(setup, quick, &payload);
}

/// Appends that do not wait for the disk.
fn relaxed(setup: &Setup, quick: bool, payload: &Bytes) {
    let rounds = if quick { 3 } else { 5 };
    let host = Host::start(setup, "");
    let mut client = Client::connect(host.port);
    client.create("relaxed", false);

    let (singles, many) = if quick {
        (5_000, 200_000)
    } else {
        (20_000, 1_000_000)
    };
    let mut ours = [Vec::new(), Vec::new()];
    let mut theirs = [Vec::new(), Vec::new()];
    let nats = Nats::start();
    for _ in 0..rounds {
        ours[0].push(one_at_a_time(&mut client, "relaxed", singles, payload));
        ours[1].push(pipelined(host.port, "relaxed", many, payload));
        if let Some(nats) = &nats {
            theirs[0].push(nats.one_at_a_time(singles, payload));
            theirs[1].push(nats.pipelined(many, WINDOW, payload));
        }
    }
    drop(nats);
    let budgets = [Budget::None, Budget::AtLeast(1.5)];
    for (((name, ours), theirs), budget) in NAMES.into_iter().zip(ours).zip(theirs).zip(budgets) {
        if theirs.is_empty() {
            skipped(
                name,
                "nats-server is not installed (Debian package nats-server)",
            );
        } else {
            let against = "NATS JetStream, file store";
            ratio(
                name,
                "messages/s",
                median(ours),
                against,
                median(theirs),
                budget,
            );
        }
    }
}

/// A connection.
pub(crate) struct Client {
    socket: TcpStream,
    buffer: BytesMut,
    decoder: FrameDecoder,
}

impl Client {
    pub(crate) fn connect(port: u16) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_nodelay(true).unwrap();
        let mut client = Self {
            socket,
            buffer: BytesMut::new(),
            decoder: FrameDecoder::default(),
        };
        let connect = Connect {
            protocol_version: "1.1.0".into(),
            other_versions: Vec::new(),
            sdk_version: None,
            auth_token: None,
        };
        let mut out = BytesMut::new();
        encode_connect(&mut out, &"c".parse().unwrap(), &connect).unwrap();
        client.socket.write_all(&out).unwrap();
        while take_connect_version(&mut client.buffer).is_none() {
            client.receive();
        }
        client.response().outcome.unwrap();
        client
    }

    pub(crate) fn call(&mut self, call: Call) -> Success {
        self.send(call);
        self.response().outcome.unwrap()
    }

    /// Asks, and does not wait for the answer.
    pub(crate) fn send(&mut self, call: Call) {
        let mut out = BytesMut::new();
        let request = Request {
            request_id: "r".parse().unwrap(),
            call,
        };
        encode_request(&mut out, &request).unwrap();
        self.socket.write_all(&out).unwrap();
    }

    pub(crate) fn create(&mut self, name: &str, flush_on_write: bool) {
        let name = name.parse().unwrap();
        let mut definition =
            MessageStreamDefinition::new(name, StrategyOnFull::OverwriteOldestData);
        definition.flush_on_write = flush_on_write;
        self.call(Call::Create(Box::new(definition)));
    }

    fn receive(&mut self) {
        self.buffer.reserve(64 << 10);
        let start = self.buffer.len();
        self.buffer.resize(start + (64 << 10), 0);
        let count = self.socket.read(&mut self.buffer[start..]).unwrap();
        assert!(count > 0, "the host closed the connection");
        self.buffer.truncate(start + count);
    }

    pub(crate) fn response(&mut self) -> Response {
        loop {
            if let Some(Incoming::Frame(frame)) = self.decoder.next_frame(&mut self.buffer).unwrap()
            {
                return decode_response(frame.operation, &frame.payload).unwrap();
            }
            self.receive();
        }
    }
}

fn append(name: &str, payload: &Bytes) -> Call {
    Call::Append {
        name: name.parse().unwrap(),
        payload: payload.clone(),
    }
}

pub(crate) fn one_at_a_time(
    client: &mut Client,
    name: &str,
    messages: usize,
    payload: &Bytes,
) -> f64 {
    let start = Instant::now();
    for _ in 0..messages {
        client.call(append(name, payload));
    }
    messages as f64 / start.elapsed().as_secs_f64()
}

/// One client that has up to [`WINDOW`] appends on their way.
pub(crate) fn pipelined(port: u16, name: &str, messages: usize, payload: &Bytes) -> f64 {
    const AT_ONCE: usize = 128;
    let mut client = Client::connect(port);
    let mut sending = client.socket.try_clone().unwrap();
    let mut frames = BytesMut::new();
    for _ in 0..AT_ONCE {
        let request = Request {
            request_id: "r".parse().unwrap(),
            call: append(name, payload),
        };
        encode_request(&mut frames, &request).unwrap();
    }
    let frame = frames.len() / AT_ONCE;
    let answered = Arc::new((Mutex::new(0_usize), Condvar::new()));
    let start = Instant::now();
    let sender = {
        let answered = Arc::clone(&answered);
        std::thread::spawn(move || {
            for sent in (0..messages).step_by(AT_ONCE) {
                let (count, changed) = &*answered;
                let count = count.lock().unwrap();
                let count = changed.wait_while(count, |count| sent + AT_ONCE > *count + WINDOW);
                drop(count.unwrap());
                let count = AT_ONCE.min(messages - sent);
                sending.write_all(&frames[..count * frame]).unwrap();
            }
        })
    };
    for number in 1..=messages {
        client.response().outcome.unwrap();
        if number.is_multiple_of(AT_ONCE) {
            let (count, changed) = &*answered;
            *count.lock().unwrap() = number;
            changed.notify_one();
        }
    }
    sender.join().unwrap();
    messages as f64 / start.elapsed().as_secs_f64()
}

pub(crate) fn many_clients(port: u16, name: &str, each: usize, payload: &Bytes) -> f64 {
    let go = Arc::new(Barrier::new(CLIENTS + 1));
    let threads: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (go, payload, name) = (Arc::clone(&go), payload.clone(), name.to_owned());
            std::thread::spawn(move || {
                let mut client = Client::connect(port);
                go.wait();
                for _ in 0..each {
                    client.call(append(&name, &payload));
                }
            })
        })
        .collect();
    go.wait();
    let start = Instant::now();
    for thread in threads {
        thread.join().unwrap();
    }
    (CLIENTS * each) as f64 / start.elapsed().as_secs_f64()
}
