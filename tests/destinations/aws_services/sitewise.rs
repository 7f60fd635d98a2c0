//! To AWS IoT SiteWise.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use millstream_tests::{Host, python, repository, run_script};
use serde_json::{Value, json};

use super::stand_in::{Reply, StandIn};
use super::suite::{only_what_failed_goes_again, suite};
use super::{CREDENTIALS, Subject};
use crate::setup::{STREAM, append, wait_for_delivery, wait_for_error, wait_for_rejections};

const SITEWISE: Subject = Subject {
    plugin: "sitewise",
    signing_name: "iotsitewise",
    config: "",
    message,
    carried,
    answer,
    too_many_bytes: (256 << 10) + 1,
};

/// An entry of one value.
fn entry(id: &str, alias: &str, seconds: u64, value: u64) -> Value {
    json!({
        "entryId": id,
        "propertyAlias": alias,
        "propertyValues": [{
            "value": { "integerValue": value },
            "timestamp": { "timeInSeconds": seconds, "offsetInNanos": 0 },
            "quality": "GOOD"
        }]
    })
}

fn bytes(entry: &Value) -> Vec<u8> {
    entry.to_string().into_bytes()
}

fn message(number: u64) -> Vec<u8> {
    let id = format!("entry-{number}");
    bytes(&entry(
        &id,
        "/plant/7/temperature",
        1_767_225_600 + number,
        number,
    ))
}

fn carried(call: &Value) -> Vec<Vec<u8>> {
    let entries = call["entries"].as_array().cloned().unwrap_or_default();
    entries.iter().map(bytes).collect()
}

fn answer(call: &Value, failing: &[usize], code: &str) -> Value {
    let error = |place: &usize| {
        let errors = json!([{ "errorCode": code, "errorMessage": "as told", "timestamps": [] }]);
        json!({ "entryId": call["entries"][*place]["entryId"], "errors": errors })
    };
    let failing = failing
        .iter()
        .filter(|place| call["entries"][**place].is_object());
    json!({ "errorEntries": failing.map(error).collect::<Vec<_>>() })
}

suite!(SITEWISE);

#[test]
fn of_a_call_that_failed_in_part_only_the_failed_entries_go_again() {
    only_what_failed_goes_again(SITEWISE, "ThrottlingException");
}

#[test]
fn an_entry_that_the_service_calls_invalid_is_rejected_and_not_sent_again() {
    let service = StandIn::scripted(SITEWISE, |_, call| {
        let entries = call["entries"].as_array().unwrap();
        match entries
            .iter()
            .position(|entry| entry["entryId"] == "entry-3")
        {
            // The first time as an error of the whole call, as the service had it once.
            Some(_) if entries.len() > 1 => Reply::Refuse(400, "InvalidRequestException"),
            Some(place) => Reply::Fail(vec![place], "InvalidRequestException"),
            None => Reply::Accept,
        }
    });
    let host = SITEWISE.exporting(&service.endpoint()).start_patient();
    append(&host, SITEWISE.messages(0..20));
    wait_for_delivery(&host, 19);
    wait_for_rejections(&host, 1);
    let mut expected = SITEWISE.messages(0..20);
    expected.remove(3);
    assert!(service.taken() == expected);
    let sent = service.calls().into_iter().flatten();
    let third = SITEWISE.messages(3..4);
    assert_eq!(sent.filter(|entry| *entry == third[0]).count(), 2);
}

/// A strict stand-in for the service, which checks requests with the service's own model.
struct Strict {
    server: Child,
    port: u16,
}

impl Strict {
    fn start() -> Self {
        let script = repository().join("tests/python/sitewise.py");
        let mut server = python().arg(script).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line.trim().parse().unwrap();
        Self { server, port }
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn get(&self, path: &str) -> Value {
        use std::io::{Read, Write};
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            socket,
            "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// The entries that are stored, in order of their arrival.
    fn stored(&self) -> Vec<Value> {
        self.get("/").as_array().unwrap().clone()
    }

    /// The errors of whole calls.
    fn refused(&self) -> Vec<Value> {
        self.get("/refused").as_array().unwrap().clone()
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn a_strict_service_stores_every_entry_as_it_was_appended() {
    let service = Strict::start();
    let host = SITEWISE.start(&service.endpoint());
    let mut entries: Vec<Value> = (0..25)
        .map(|number| serde_json::from_slice(&message(number)).unwrap())
        .collect();
    let id = "12345678-1234-1234-1234-123456789abc";
    for (number, value) in [
        json!({ "stringValue": "heiß" }),
        json!({ "doubleValue": -1.5e9 }),
        json!({ "booleanValue": false }),
        json!({ "integerValue": 2_147_483_647 }),
    ]
    .into_iter()
    .enumerate()
    {
        entries.push(
            json!({ "entryId": format!("by-id-{number}"), "assetId": id, "propertyId": id,
            "propertyValues": [{ "value": value, "timestamp": { "timeInSeconds": number + 1 } }] }),
        );
    }
    append(&host, entries.iter().map(bytes));
    wait_for_delivery(&host, entries.len() as u64);
    assert_eq!(service.stored(), entries);
    assert_eq!(service.refused(), Vec::<Value>::new());
}

#[test]
fn what_the_official_sdk_appends_is_stored_in_order_and_complete() {
    let service = Strict::start();
    let endpoint = service.endpoint();
    let config = format!(
        "[exports]\nlinger = \"50ms\"\n[plugin.sitewise]\nconfig = {{ region = \"eu-central-1\", \
         endpoint = \"{endpoint}\" }}\n[plugin.sitewise.grants]\nhosts = [\"{endpoint}\"]\n\
         aws-services = [\"iotsitewise\"]\n"
    );
    let host = Host::start_with(&config, &CREDENTIALS);
    let printed = run_script(
        "append_sitewise.py",
        &[&host.port().to_string(), STREAM, "25"],
    );
    let appended: Vec<Value> = serde_json::from_str(&printed).unwrap();
    wait_for_delivery(&host, 25);
    assert_eq!(appended.len(), 25);
    assert_eq!(service.stored(), appended);
}

#[test]
fn what_is_no_entry_never_reaches_the_service() {
    let service = Strict::start();
    let host = SITEWISE.start(&service.endpoint());
    let good = entry("good", "/a", 1, 1);
    let mut eleven = entry("eleven", "/a", 1, 1);
    let value = eleven["propertyValues"][0].clone();
    eleven["propertyValues"] = json!(vec![value; 11]);
    let mut unnamed = entry("unnamed", "/a", 1, 1);
    unnamed["propertyAlias"] = Value::Null;
    let mut two_kinds = entry("two", "/a", 1, 1);
    two_kinds["propertyValues"][0]["value"]["booleanValue"] = json!(true);
    let mut messages = vec![b"21.5".to_vec(), b"{".to_vec(), b"\xff".to_vec()];
    messages.push(bytes(&eleven));
    messages.push(bytes(&entry("not a word", "/a", 1, 1)));
    messages.push(bytes(&entry("too-early", "/a", 0, 1)));
    messages.push(bytes(&unnamed));
    messages.push(bytes(&two_kinds));
    messages.push(bytes(&good));
    append(&host, messages);
    wait_for_delivery(&host, 1);
    wait_for_rejections(&host, 8);
    assert_eq!(service.stored(), [good]);
    assert_eq!(service.refused(), Vec::<Value>::new());
    assert!(host.log().contains("`propertyValues` has 11 values"));
}

#[test]
fn values_for_one_property_and_time_arrive_in_order_and_never_in_one_call() {
    let service = Strict::start();
    let host = SITEWISE.start(&service.endpoint());
    let entries = [
        entry("a", "/x", 1, 1),
        entry("b", "/x", 1, 2),
        entry("c", "/x", 2, 3),
        entry("c", "/y", 2, 4),
        entry("d", "/x", 1, 5),
    ];
    append(&host, entries.iter().map(bytes));
    wait_for_delivery(&host, 5);
    assert_eq!(service.stored(), entries);
    assert_eq!(service.refused(), Vec::<Value>::new());
}

#[test]
fn errors_are_settled_entry_by_entry() {
    let service = Strict::start();
    let host = SITEWISE.start(&service.endpoint());
    let alias = |fault: &str, code: &str| format!("/{fault}/{code}/x");
    let entries = [
        entry("1", "/a", 1, 1),
        entry("2", &alias("fail", "InvalidRequestException"), 1, 2),
        entry("3", &alias("once", "ThrottlingException"), 1, 3),
        entry("4", &alias("fail", "TimestampOutOfRangeException"), 1, 4),
        entry("5", &alias("once", "ConflictingOperationException"), 1, 5),
        entry("6", &alias("fail", "ResourceNotFoundException"), 1, 6),
        entry("7", &alias("once", "InternalFailureException"), 1, 7),
        entry("8", "/b", 1, 8),
    ];
    append(&host, entries.iter().map(bytes));
    wait_for_delivery(&host, 5);
    wait_for_rejections(&host, 3);
    let mut stored: Vec<String> = service
        .stored()
        .iter()
        .map(|entry| entry["entryId"].as_str().unwrap().to_owned())
        .collect();
    stored.sort();
    assert_eq!(stored, ["1", "3", "5", "7", "8"]);
    assert_eq!(service.refused(), Vec::<Value>::new());
}

#[test]
fn an_entry_that_is_in_conflict_with_itself_does_not_loop() {
    let service = Strict::start();
    let host = SITEWISE.start(&service.endpoint());
    let mut twice = entry("twice", "/x", 1, 1);
    let value = twice["propertyValues"][0].clone();
    twice["propertyValues"] = json!([value, value]);
    let good = entry("good", "/y", 1, 1);
    append(&host, [bytes(&twice), bytes(&good)]);
    wait_for_delivery(&host, 1);
    wait_for_rejections(&host, 1);
    assert_eq!(service.stored(), [good]);
}

#[test]
fn an_asset_in_another_region_costs_no_message() {
    let failure = Reply::Fail((0..10).collect(), "ResourceNotFoundException");
    let (service, gate) = StandIn::gated(SITEWISE, failure);
    let host = SITEWISE.start(&service.endpoint());
    append(&host, SITEWISE.messages(0..10));
    wait_for_error(&host, "does not exist");
    gate.open();
    wait_for_delivery(&host, 10);
    assert!(service.taken() == SITEWISE.messages(0..10));
}
