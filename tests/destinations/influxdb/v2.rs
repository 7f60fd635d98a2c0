//! The write API of version 2, with a stand-in that takes nothing that is not as documented.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::read::GzDecoder;
use millstream_tests::{HttpAnswer, HttpRequest, HttpSink};

use super::lines;
use crate::setup::{
    Exporting, append, status, wait_for_delivery, wait_for_error, wait_for_rejections,
};

/// An export with the right token.
fn to_v2<'a>(endpoint: &str) -> Exporting<'a> {
    Exporting {
        plugin: "influxdb",
        grants: format!("hosts = [\"{endpoint}\"]\nsecrets = [\"influx\"]"),
        config: format!(
            "{{ uri = \"{endpoint}\", org = \"my org\", bucket = \"b&c\", token = \"influx\" }}"
        ),
        more: format!("[secrets.influx]\nenv = \"TEST_INFLUX_TOKEN\"\nhosts = [\"{endpoint}\"]"),
        environment: vec![("TEST_INFLUX_TOKEN", "token-77")],
        ..Exporting::default()
    }
}

/// The lines of a request.
fn written(request: &HttpRequest) -> Vec<String> {
    assert_eq!(request.header("content-encoding"), "gzip");
    let mut text = String::new();
    GzDecoder::new(&*request.body)
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

fn error(status: u16, code: &str, message: &str) -> HttpAnswer {
    let body = format!("{{\"code\":\"{code}\",\"message\":\"{message}\"}}");
    HttpAnswer::Status(
        status,
        vec![("content-type", "application/json".into())],
        body,
    )
}

/// Answers as the service does: 422 for a batch with a text where a number was.
fn strict(request: &HttpRequest) -> HttpAnswer {
    if request.header("authorization") != "Token token-77" {
        return error(401, "unauthorized", "unauthorized access");
    }
    let path = "/api/v2/write?org=my+org&bucket=b%26c&precision=ns";
    if (&*request.method, &*request.path) != ("POST", path) {
        return error(404, "not found", "path not found");
    }
    match written(request).iter().any(|line| line.contains('"')) {
        true => error(
            422,
            "unprocessable entity",
            "failure writing points: field type conflict",
        ),
        false => HttpAnswer::status(204),
    }
}

#[test]
fn a_web_server_that_says_yes_to_everything_is_no_influxdb() {
    let real = Arc::new(AtomicBool::new(false));
    let is_real = Arc::clone(&real);
    let sink = HttpSink::scripted(move |_, request| match is_real.load(Ordering::SeqCst) {
        true => strict(request),
        false => HttpAnswer::Status(200, Vec::new(), "<html>Log in to go on</html>".into()),
    });
    let host = to_v2(&sink.endpoint()).start();
    append(&host, lines(0..20));
    wait_for_error(&host, "InfluxDB says 204");
    real.store(true, Ordering::SeqCst);
    wait_for_delivery(&host, 20);
    assert_eq!(status(&host)["rejectedMessages"], 0);
}

#[test]
fn each_point_is_written_once_with_the_token_of_the_host() {
    let sink = HttpSink::scripted(|_, request| strict(request));
    let host = to_v2(&sink.endpoint()).start();
    append(&host, lines(0..1000));
    wait_for_delivery(&host, 1000);
    let all: Vec<String> = sink.requests().iter().flat_map(written).collect();
    assert_eq!(all.len(), 1000);
    for (number, line) in all.iter().enumerate() {
        let (point, time) = line.rsplit_once(' ').unwrap();
        assert_eq!(point, format!("press,machine=4 stroke={number}i"));
        assert!(
            time.parse::<i64>().unwrap() > 1_600_000_000_000_000_000,
            "{line}"
        );
    }
    assert!(!host.log().contains("token-77"));
}

#[test]
fn a_point_that_the_service_refuses_costs_only_itself() {
    let sink = HttpSink::scripted(|_, request| strict(request));
    let host = to_v2(&sink.endpoint()).start();
    let mut messages: Vec<Vec<u8>> = lines(0..100).collect();
    messages[33] = b"press stroke=\"x\"".to_vec();
    append(&host, messages);
    wait_for_delivery(&host, 99);
    wait_for_rejections(&host, 1);
    let log = host.log();
    assert!(
        log.contains("number=33 ") && log.contains("field type conflict"),
        "{log}"
    );
}

#[test]
fn a_service_that_throttles_gets_everything_in_the_end() {
    let sink = HttpSink::scripted(|number, request| match number {
        0 => HttpAnswer::Status(429, vec![("retry-after", "1".into())], String::new()),
        1 => error(503, "unavailable", "busy"),
        _ => strict(request),
    });
    let host = to_v2(&sink.endpoint()).start();
    append(&host, lines(0..10));
    host.wait_for_log("429 Too Many Requests");
    wait_for_delivery(&host, 10);
    assert_eq!(status(&host)["rejectedMessages"], 0);
}

#[test]
fn a_wrong_token_is_waited_for() {
    let sink = HttpSink::scripted(|_, request| strict(request));
    let mut exporting = to_v2(&sink.endpoint());
    exporting.environment = vec![("TEST_INFLUX_TOKEN", "wrong")];
    let host = exporting.start();
    append(&host, lines(0..1));
    let error = wait_for_error(&host, "401 Unauthorized");
    assert!(
        error.contains("unauthorized access") && error.contains("`token`"),
        "{error}"
    );
    assert_eq!(status(&host)["rejectedMessages"], 0);
}
