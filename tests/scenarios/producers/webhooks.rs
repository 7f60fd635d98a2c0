//! Webhooks, through the host's HTTP address.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;

fn host(stream: &str, more: &str) -> Host {
    host_with(stream, more, "")
}

fn host_with(stream: &str, more: &str, config: &str) -> Host {
    let folder = folder(&[]);
    std::fs::write(folder.path().join("token"), "s3cret").unwrap();
    let config = format!(
        "{config}\n[http]\nlisten = \"127.0.0.1:0\"\n{stream}\n[[producer]]\nname = \"hook\"\ncomponent = \
         \"webhook\"\npath = \"/hooks/press\"\n{more}\n"
    );
    let host = Host::start_in(folder, &millstream_tests::plugins(), &config, &[]);
    wait_for_state(&host, "running");
    host
}

const PLAIN: &str = "args = [\"--stream\", \"s\"]\n[producer.grants]\nappend = [\"s\"]";
const STREAM: &str = "[[stream]]\nname = \"s\"\n";

pub(super) fn address(host: &Host) -> String {
    let status = host.command(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    status["http"].as_str().unwrap().to_owned()
}

/// Sends a request, such as `POST /path`, and returns head and body of the answer.
pub(super) fn call(host: &Host, what: &str, headers: &[&str], body: &str) -> (String, String) {
    let mut socket = TcpStream::connect(address(host)).unwrap();
    let mut request = format!("{what} HTTP/1.1\r\nHost: device\r\nConnection: close\r\n");
    for header in headers {
        request += &format!("{header}\r\n");
    }
    request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    // A server that refuses a body may close before it has read it.
    let _ = socket.write_all(request.as_bytes());
    answer(&mut socket)
}

fn answer(socket: &mut TcpStream) -> (String, String) {
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

fn post(host: &Host, body: &str) -> u16 {
    status(&call(host, "POST /hooks/press", &[], body).0)
}

#[test]
fn requests_without_a_grant_are_named_once_and_not_each() {
    let host = host(STREAM, "args = [\"--stream\", \"s\"]");
    for _ in 0..50 {
        assert_eq!(post(&host, "x"), 500);
    }
    host.wait_for_log("refused to append");
    let log = host.log();
    let refusals = log.matches("refused to append to the stream `s`").count();
    assert_eq!(refusals, 1, "{log}");
}

#[test]
fn each_post_becomes_a_message_with_its_number_in_the_answer() {
    let host = host(STREAM, PLAIN);
    for number in 0..3 {
        let body = format!("order {number}");
        let (head, answer) = call(&host, "POST /hooks/press", &[], &body);
        assert_eq!(status(&head), 200, "{head}");
        assert!(head.contains("application/json"), "{head}");
        assert_eq!(answer, format!("{{\"sequenceNumber\":{number}}}\n"));
    }
    let (head, _) = call(&host, "POST /hooks/press/under/it?with=query", &[], "under");
    assert_eq!(status(&head), 200);
    assert_eq!(
        messages(&host, "s"),
        ["order 0", "order 1", "order 2", "under"]
    );
    let producer = producer(&host);
    assert_eq!(
        (&producer["requests"], &producer["messages"]),
        (&4.into(), &4.into())
    );
    assert_eq!(producer["failedRequests"], 0);
}

#[test]
fn other_methods_paths_and_bodies_are_refused_with_their_status() {
    let host = host(STREAM, PLAIN);
    let (head, _) = call(&host, "GET /hooks/press", &[], "");
    assert_eq!(status(&head), 405);
    assert!(head.contains("allow: post"), "{head}");
    assert_eq!(post(&host, ""), 400);
    for other in ["POST /hooks", "POST /hooks/pressed", "POST /metrics"] {
        assert_eq!(status(&call(&host, other, &[], "x").0), 405, "{other}");
    }
    assert_eq!(status(&call(&host, "GET /hooks", &[], "").0), 404);
    assert_eq!(status(&call(&host, "GET /health", &[], "").0), 200);
    assert!(messages(&host, "s").is_empty());
}

#[test]
fn a_body_that_is_too_large_is_refused_before_the_component_sees_it() {
    let host = host(
        STREAM,
        &format!("requests = {{ max-body = \"100 B\" }}\n{PLAIN}"),
    );
    assert_eq!(post(&host, &"x".repeat(100)), 200);
    let (head, body) = call(&host, "POST /hooks/press", &[], &"x".repeat(101));
    assert_eq!(status(&head), 413);
    assert_eq!(body, "the body has more than 100 bytes\n");
    // In pieces, whose sum nobody announces.
    let mut socket = TcpStream::connect(address(&host)).unwrap();
    let head = "POST /hooks/press HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let piece = format!("40\r\n{}\r\n", "y".repeat(64));
    let _ = socket.write_all(format!("{head}{piece}{piece}0\r\n\r\n").as_bytes());
    assert_eq!(status(&answer(&mut socket).0), 413);
    assert_eq!(messages(&host, "s").len(), 1);
    assert_eq!(producer(&host)["failedRequests"], 2);
}

#[test]
fn a_full_stream_is_told_to_the_client_and_the_message_can_come_later() {
    let host = host(SMALL, PLAIN);
    fill(&host);
    let (head, body) = call(&host, "POST /hooks/press", &[], "late");
    assert_eq!(status(&head), 503);
    assert!(
        head.contains("retry-after: 5") && body.contains("the stream is full"),
        "{head}{body}"
    );
    make_room(&host);
    assert_eq!(post(&host, "late"), 200);
    assert_eq!(messages(&host, "s").last().unwrap(), "late");
}

#[test]
fn a_component_that_crashes_answers_500_and_others_go_on() {
    // Little more memory than the component begins with: a large body does not fit.
    let host = host_with(STREAM, PLAIN, "plugins.memory = \"1500 KiB\"");
    let large = "x".repeat(1 << 20);
    let (head, body) = call(&host, "POST /hooks/press", &[], &large);
    assert_eq!(status(&head), 500, "{head}");
    assert!(body.contains("the log of the host says why"), "{body}");
    host.wait_for_log("webhook failed");
    assert_eq!(post(&host, "small"), 200);
    assert_eq!(messages(&host, "s"), ["small"]);
    let producer = producer(&host);
    assert_eq!(
        (&producer["state"], &producer["failedRequests"]),
        (&"running".into(), &1.into())
    );
    let error = producer["errorMessage"].as_str().unwrap();
    assert!(error.contains("memory"), "{error}");
}

#[test]
fn only_so_many_requests_are_under_way_at_once() {
    let host = host(STREAM, &format!("requests = {{ parallel = 1 }}\n{PLAIN}"));
    let mut slow = TcpStream::connect(address(&host)).unwrap();
    let head =
        "POST /hooks/press HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4\r\n\r\nsl";
    slow.write_all(head.as_bytes()).unwrap();
    let (head, _) = eventually("the place is taken", || {
        let answer = call(&host, "POST /hooks/press", &[], "x");
        (status(&answer.0) == 503).then_some(answer)
    });
    assert!(head.contains("retry-after: 1"), "{head}");
    slow.write_all(b"ow").unwrap();
    assert_eq!(status(&answer(&mut slow).0), 200);
    assert_eq!(post(&host, "next"), 200);
}

#[test]
fn a_token_is_asked_for_where_the_configuration_names_one() {
    let host = host_with(
        STREAM,
        "args = [\"--stream\", \"s\", \"--token\", \"hook\"]\n[producer.grants]\nappend = \
         [\"s\"]\nreadable-secrets = [\"hook\"]\n[secrets.hook]\nfile = \"token\"",
        "",
    );
    assert_eq!(post(&host, "x"), 401);
    let with = |token: &str| {
        let header = format!("Authorization: Bearer {token}");
        status(&call(&host, "POST /hooks/press", &[&header], "x").0)
    };
    assert_eq!((with("guess"), with("s3cret")), (401, 200));
    assert_eq!(messages(&host, "s").len(), 1);
    assert!(!host.log().contains("s3cret"));
}

#[test]
fn check_tells_a_webhook_from_a_command() {
    let host = Host::start("");
    for (keys, said) in [
        (
            "component = \"webhook\"",
            "it is a webhook; say where with path",
        ),
        (
            "component = \"timestamp\"\npath = \"/h\"",
            "it is a command and not a webhook",
        ),
        ("component = \"file\"", "it is an exporter"),
    ] {
        let file = host.folder().join("other.toml");
        let plugins = millstream_tests::plugins();
        let config = format!(
            "storage.folder = \"other\"\nserver.listen = \"127.0.0.1:0\"\nhttp.listen = \
             \"127.0.0.1:0\"\nplugins.folder = {plugins:?}\nplugins.cache = {:?}\n[[producer]]\nname = \
             \"p\"\n{keys}\n",
            millstream_tests::target().join("native-code")
        );
        std::fs::write(&file, config).unwrap();
        let checked = host.command(&["check", "--config", "other.toml"]);
        let printed = String::from_utf8_lossy(&checked.stdout);
        assert_eq!(checked.status.code(), Some(1));
        assert!(printed.contains(said), "{printed}");
    }
}
