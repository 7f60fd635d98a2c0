//! The plugin for Kafka, to a broker that takes everything.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use bytes::{BufMut, Bytes};
use serde_json::json;

use super::{Case, row};
use crate::host::Setup;

const TOPIC: &str = "bench";
/// The broker, which is alone.
const NODE: i32 = 1;

pub(super) fn run(setup: &Setup, quick: bool) {
    let broker = start();
    let case = Case {
        plugin: "kafka",
        what: "",
        grants: format!("addresses = [\"{broker}\"]"),
        config: json!({ "brokers": [broker.to_string()], "topic": TOPIC }),
        payload: Bytes::from(vec![b'x'; 200]),
        batch: 500,
        batches: if quick { 400 } else { 2_000 },
    };
    row::<millstream_kafka::Kafka>(setup, quick, &case);
}

/// A broker that leads the one partition of the topic, until the program ends.
fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || serve(&client, address));
        }
    });
    address
}

/// Answers each request by its kind alone, until the client goes.
fn serve(client: &TcpStream, address: SocketAddr) {
    let _ = client.set_nodelay(true);
    let mut requests = BufReader::with_capacity(256 << 10, client);
    let mut answers = client;
    let mut request = Vec::new();
    let mut length = [0; 4];
    while requests.read_exact(&mut length).is_ok() {
        request.resize(u32::from_be_bytes(length) as usize, 0);
        if requests.read_exact(&mut request).is_err() {
            return;
        }
        // Kind and version, and the number by which the client knows the answer.
        let (kind, correlation) = (&request[..2], &request[4..8]);
        let body = match i16::from_be_bytes([kind[0], kind[1]]) {
            PRODUCE => produced(),
            METADATA => metadata(address),
            API_VERSIONS => api_versions(),
            other => panic!("a request of the kind {other}"),
        };
        let mut answer = Vec::new();
        answer.put_u32((4 + body.len()).try_into().unwrap());
        answer.put_slice(correlation);
        answer.put_slice(&body);
        if answers.write_all(&answer).is_err() {
            return;
        }
    }
}

// Kinds of requests, and the one version of each that is spoken here (Kafka's protocol guide).
const PRODUCE: i16 = 0;
const PRODUCE_VERSION: i16 = 3;
const METADATA: i16 = 3;
const METADATA_VERSION: i16 = 4;
const API_VERSIONS: i16 = 18;

fn api_versions() -> Vec<u8> {
    let mut body = Vec::new();
    body.put_i16(0); // no error
    body.put_i32(2);
    for (kind, version) in [(PRODUCE, PRODUCE_VERSION), (METADATA, METADATA_VERSION)] {
        body.put_i16(kind);
        body.put_i16(version); // the least
        body.put_i16(version); // the most
    }
    body
}

fn metadata(address: SocketAddr) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_i32(0); // no pause
    body.put_i32(1); // brokers
    body.put_i32(NODE);
    text(&mut body, &address.ip().to_string());
    body.put_i32(address.port().into());
    body.put_i16(-1); // no rack
    body.put_i16(-1); // no name of the cluster
    body.put_i32(NODE); // the controller
    body.put_i32(1); // topics
    body.put_i16(0); // no error
    text(&mut body, TOPIC);
    body.put_u8(0); // not internal
    body.put_i32(1); // partitions
    body.put_i16(0); // no error
    body.put_i32(0); // its number
    body.put_i32(NODE); // its leader
    for _ in ["its replicas", "those in sync"] {
        body.put_i32(1);
        body.put_i32(NODE);
    }
    body
}

fn produced() -> Vec<u8> {
    let mut body = Vec::new();
    body.put_i32(1); // topics
    text(&mut body, TOPIC);
    body.put_i32(1); // partitions
    body.put_i32(0); // its number
    body.put_i16(0); // no error
    body.put_i64(0); // where the batch lies
    body.put_i64(-1); // the time is the client's
    body.put_i32(0); // no pause
    body
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.put_i16(text.len().try_into().unwrap());
    body.put_slice(text.as_bytes());
}
