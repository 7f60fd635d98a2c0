//! HTTP exports as an SDK declares them, through the plugin to a server, in good days and bad.

mod delivery;
mod outages;
mod refusals;
mod secrets;

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_protocol::definition::{
    Destination, Export, ExportDefinition, ExportFormat, MessageStreamDefinition, StrategyOnFull,
};
use millstream_protocol::{Call, response::Success};
use millstream_tests::{Host, HttpAnswer, HttpRequest, RawClient};
use serde_json::Value;

/// Lets the plugin reach one server, and makes pauses short.
fn config(granted: &str) -> String {
    format!(
        "[exports]\nlinger = \"50ms\"\nretry-first = \"20ms\"\nretry-longest = \"200ms\"\n\n\
         [plugin.http.grants]\nhosts = [\"{granted}\"]\n"
    )
}

/// Creates a stream with one HTTP export, as an SDK does.
fn create(host: &Host, stream: &str, uri: &str, format: ExportFormat) {
    let destination = Destination::Http {
        uri: uri.to_owned(),
        format,
    };
    let export = Export::new("to-http".parse().unwrap(), destination);
    let mut definition =
        MessageStreamDefinition::new(stream.parse().unwrap(), StrategyOnFull::OverwriteOldestData);
    definition.exports = ExportDefinition::new(vec![export]).unwrap();
    let mut client = RawClient::connect(host.port());
    let response = client.call("c", Call::Create(Box::new(definition)));
    assert_eq!(response.outcome, Ok(Success::Created));
}

/// A host whose stream `s` is exported to a server.
fn exporting_to(endpoint: &str, format: ExportFormat) -> Host {
    let host = Host::start(&config(endpoint));
    create(&host, "s", &format!("{endpoint}/in"), format);
    host
}

/// What message `number` carries: bytes that no text has, and each message other ones.
fn payload(number: u64) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    payload.extend(b"\0\r\n\xff\xfe{\"");
    payload.resize(usize::try_from(16 + number % 50).unwrap(), 0x80);
    payload
}

fn append_to(host: &Host, stream: &str, payloads: impl IntoIterator<Item = Vec<u8>>) {
    let mut client = RawClient::connect(host.port());
    let mut count = 0;
    for payload in payloads {
        let name = stream.parse().unwrap();
        let payload = payload.into();
        client.send(&RawClient::frame("a", Call::Append { name, payload }));
        count += 1;
    }
    for _ in 0..count {
        let response = client.response();
        assert!(response.outcome.is_ok(), "{response:?}");
    }
}

/// Appends messages to `s`; their numbers must be those that the stream gives.
fn append(host: &Host, numbers: std::ops::Range<u64>) {
    append_to(host, "s", numbers.map(payload));
}

fn wait_for_delivery(host: &Host, count: u64) {
    host.wait_for_export("s", &format!("has delivered {count}"), |export| {
        export["exportedMessagesCount"] == count
    });
}

/// The error that an export shows, where it shows one until something else changes.
fn wait_for_error(host: &Host, stream: &str) -> String {
    let export = host.wait_for_export(stream, "shows an error", |export| {
        export["errorMessage"] != ""
    });
    export["errorMessage"].as_str().unwrap().to_owned()
}

fn accept() -> HttpAnswer {
    HttpAnswer::status(200)
}

/// The number of a raw request; its body must be that message's, byte for byte.
fn raw_number(request: &HttpRequest) -> u64 {
    let number = request.header("x-millstream-sequence-number");
    let number = number.parse().unwrap();
    assert_eq!(request.body, payload(number), "message {number}");
    number
}

/// The numbers of the messages in a list; their payloads must be theirs, byte for byte.
fn listed_numbers(request: &HttpRequest) -> Vec<u64> {
    let list: Value = serde_json::from_slice(&request.body).unwrap();
    let number = |entry: &Value| {
        let number = entry["sequenceNumber"].as_u64().unwrap();
        let decoded = STANDARD.decode(entry["payload"].as_str().unwrap());
        assert_eq!(decoded.unwrap(), payload(number), "message {number}");
        number
    };
    list.as_array().unwrap().iter().map(number).collect()
}

/// The numbers without repeats, in the order in which each came first.
fn first_arrivals(numbers: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let mut seen = HashSet::new();
    numbers.into_iter().filter(|it| seen.insert(*it)).collect()
}

fn all(numbers: std::ops::Range<u64>) -> Vec<u64> {
    numbers.collect()
}
