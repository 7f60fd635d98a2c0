//! Components that make messages: commands under supervision, webhooks, and the examples of
//! `components/`.

mod commands;
mod examples;
mod webhooks;

use std::path::Path;

use millstream_protocol::Call;
use millstream_protocol::definition::{MessageStreamDefinition, StrategyOnFull};
use millstream_tests::{Host, RawClient, eventually};
use serde_json::Value;
use tempfile::TempDir;

/// A stream that is full after about 50 messages of no more than 10 bytes.
const SMALL: &str = "[[stream]]\nname = \"s\"\non-full = \"reject-new\"\nmax-size = \"1 KiB\"\n";

/// A folder with folders in it.
fn folder(names: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in names {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    folder
}

/// A command that prints `first`, `second` and `third`, the last without an end of a line, and then does
/// what `end` says in the text of WebAssembly. It imports nothing of Millstream.
fn put_guest(plugins: &Path, name: &str, end: &str) {
    let mut resolve = wit_parser::Resolve::default();
    let wit = include_str!("../../../host/runtime/src/testing/producer.wit");
    let package = resolve.push_str("guest.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("producer")).unwrap();
    let wat = include_str!("../../../host/runtime/src/testing/producer.wat");
    let mut module = wat::parse_str(wat.replace(";; END", end)).unwrap();
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).unwrap();
    let component = wit_component::ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .encode()
        .unwrap();
    std::fs::write(plugins.join(format!("{name}.wasm")), component).unwrap();
}

/// The payloads in a stream.
pub(crate) fn messages(host: &Host, stream: &str) -> Vec<String> {
    let read = host.command(&["stream", "read", stream, "--max", "10000"]);
    let printed = String::from_utf8(read.stdout).unwrap();
    let payloads = printed.lines().map(|line| line.split_once('\t').unwrap().1);
    payloads.map(str::to_owned).collect()
}

/// Waits until a stream has messages that fulfil a condition.
fn wait_for_messages(
    host: &Host,
    stream: &str,
    what: &str,
    condition: impl Fn(&[String]) -> bool,
) -> Vec<String> {
    eventually(&format!("the messages of {stream} {what}"), || {
        let messages = messages(host, stream);
        condition(&messages).then_some(messages)
    })
}

/// What `producer list` says of the only producer.
fn producer(host: &Host) -> Value {
    let listed = host.command(&["producer", "list", "--json"]);
    assert!(listed.status.success(), "{listed:?}");
    serde_json::from_slice(&listed.stdout).unwrap()
}

/// Waits until the only producer is in a state.
fn wait_for_state(host: &Host, state: &str) -> Value {
    eventually(&format!("the producer is {state}"), || {
        let producer = producer(host);
        (producer["state"] == state).then_some(producer)
    })
}

/// Fills the small stream, until not even a short message fits.
fn fill(host: &Host) {
    while host
        .command(&["stream", "append", "s", "x"])
        .status
        .success()
    {}
}

/// Makes room in the small stream.
fn make_room(host: &Host) {
    let definition =
        MessageStreamDefinition::new("s".parse().unwrap(), StrategyOnFull::RejectNewData);
    let mut client = RawClient::connect(host.port());
    let response = client.call("u", Call::Update(Box::new(definition)));
    assert!(response.outcome.is_ok(), "{response:?}");
}
