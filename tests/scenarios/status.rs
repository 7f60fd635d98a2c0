//! What a host says of itself.

use std::io::{Read, Write};
use std::net::TcpStream;

use millstream_tests::{Host, Sink, eventually, kinesis_config};
use serde_json::Value;

fn status(host: &Host) -> Value {
    let output = host.command(&["status", "--json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A GET with nothing but the standard library: head and body.
fn get(address: &str, path: &str) -> (String, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

const STREAM: &str = r#"
[[stream]]
name = "telemetry"
[[stream.export]]
identifier = "to-kinesis"
plugin = "kinesis"
batch-size = 2
config = { kinesisStreamName = "k" }
[[stream.export]]
identifier = "paused"
plugin = "kinesis"
disabled = true
config = { kinesisStreamName = "k" }
"#;

#[test]
fn status_shows_the_port_that_was_chosen_and_how_every_export_fares() {
    let sink = Sink::start();
    let host = Host::start_with(
        &format!("{}\n{STREAM}", kinesis_config(&sink.endpoint())),
        &[("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")],
    );
    let address = host.command(&["status", "--address"]);
    let expected = format!("127.0.0.1:{}\n", host.port());
    assert_eq!(String::from_utf8_lossy(&address.stdout), expected);
    eventually("the port is printed", || {
        (host.printed() == format!("listening on {expected}")).then_some(())
    });

    for message in ["one", "two", "three", "four"] {
        let appended = host.command(&["stream", "append", "telemetry", message]);
        assert!(appended.status.success());
    }
    let picture = eventually("four messages are delivered", || {
        let picture = status(&host);
        let delivered = &picture["streams"][0]["exports"][0]["deliveredMessages"];
        (*delivered == 4).then_some(picture)
    });
    let stream = &picture["streams"][0];
    assert_eq!(stream["appendedMessages"], 4);
    assert_eq!(stream["exports"][0]["state"], "running");
    assert_eq!(stream["exports"][0]["lagMessages"], 0);
    assert_eq!(stream["exports"][1]["state"], "disabled");
    assert_eq!(stream["exports"][1]["lagMessages"], 4);
    assert_eq!(picture["telemetry"]["BytesAppended"], 15);
    assert_eq!(picture["telemetry"]["BytesUploadedToPlugins"], 15);
    assert!(picture["telemetry"]["HttpSent"].as_u64().unwrap() > 15);
    assert_eq!(picture["process"], host.id());

    let shown = host.command(&["status"]);
    let shown = String::from_utf8_lossy(&shown.stdout);
    for text in [
        &format!("listening   127.0.0.1:{}", host.port()),
        "telemetry  4 messages",
        "to-kinesis (kinesis)  running",
        "4 messages delivered, 15 B; nothing waits",
        "paused (kinesis)  disabled",
    ] {
        assert!(shown.contains(text), "{text} is not in\n{shown}");
    }

    // What a deleted stream has taken in stays counted.
    let deleted = host.command(&["stream", "delete", "telemetry", "--yes"]);
    assert!(deleted.status.success());
    let picture = status(&host);
    assert_eq!(picture["telemetry"]["BytesAppended"], 15);
    assert_eq!(picture["streams"].as_array().unwrap().len(), 0);
}

#[test]
fn metrics_are_served_where_the_configuration_says_and_nowhere_else() {
    let quiet = Host::start("");
    assert_eq!(status(&quiet)["http"], Value::Null);
    let host = Host::start(&format!("[http]\nlisten = \"127.0.0.1:0\"\n{STREAM}"));
    let picture = status(&host);
    let address = picture["http"].as_str().unwrap();
    let appended = host.command(&["stream", "append", "telemetry", "one"]);
    assert!(appended.status.success());

    let (head, body) = get(address, "/metrics");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/openmetrics-text"));
    for line in [
        "millstream_up 1",
        "millstream_appended_bytes_total 3",
        "millstream_stream_messages{stream=\"telemetry\"} 1",
        "millstream_export_lag_messages{stream=\"telemetry\",export=\"paused\",plugin=\"kinesis\"} 1",
        "# EOF",
    ] {
        assert!(
            body.contains(&format!("{line}\n")),
            "{line} is not in\n{body}"
        );
    }
    let (head, body) = get(address, "/health");
    assert!(head.starts_with("HTTP/1.1 200") && body == "ok\n");
    assert!(get(address, "/else").0.starts_with("HTTP/1.1 404"));
    let (_, body) = get(address, "/status");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["streams"][0]["name"], "telemetry");
}

#[test]
fn an_export_that_fails_shows_its_error_and_what_waits_behind_it() {
    let host = Host::start(&format!("[exports]\nlinger = \"10ms\"\n{STREAM}"));
    let appended = host.command(&["stream", "append", "telemetry", "one"]);
    assert!(appended.status.success());
    let picture = eventually("the export fails", || {
        let picture = status(&host);
        let state = &picture["streams"][0]["exports"][0]["state"];
        (*state == "failing").then_some(picture)
    });
    let export = &picture["streams"][0]["exports"][0];
    assert_eq!(export["lagMessages"], 1);
    let error = export["errorMessage"].as_str().unwrap();
    assert!(!error.is_empty());
}

#[test]
fn without_a_host_status_says_where_it_looked() {
    let mut host = Host::start("");
    host.stop();
    let output = host.command(&["status"]);
    assert_eq!(output.status.code(), Some(4));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        complaint.contains("no host runs on the data folder"),
        "{complaint}"
    );
}
