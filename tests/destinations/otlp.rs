//! Log records at a collector that answers as it is told. What was sent is read by the protocol's own Python
//! classes.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use millstream_tests::{Host, HttpAnswer, HttpRequest, HttpSink, Reserved, eventually, run_script};
use serde_json::{Value, json};

use crate::setup::{
    EXPORT, Exporting, STREAM, append, append_numbered, numbered, status, wait_for_delivery,
    wait_for_error, wait_for_rejections,
};

/// An export whose token is right, with further keys of its configuration.
fn to<'a>(endpoint: &str, keys: &str) -> Exporting<'a> {
    Exporting {
        plugin: "otlp",
        grants: format!("hosts = [\"{endpoint}\"]\nsecrets = [\"collector\"]"),
        config: format!("{{ uri = \"{endpoint}\", bearer = \"collector\"{keys} }}"),
        more: format!("[secrets.collector]\nenv = \"TEST_OTLP_TOKEN\"\nhosts = [\"{endpoint}\"]"),
        environment: vec![("TEST_OTLP_TOKEN", "token-77")],
        ..Exporting::default()
    }
}

/// An `ExportLogsServiceResponse` with nothing in it.
fn accept() -> HttpAnswer {
    protobuf(200, String::new())
}

fn protobuf(status: u16, body: String) -> HttpAnswer {
    let headers = vec![("content-type", "application/x-protobuf".into())];
    HttpAnswer::Status(status, headers, body)
}

/// An `ExportLogsServiceResponse` with a `partial_success`, byte by byte: field 1, in which field 1 is the
/// number and field 2 the text.
fn partly(rejected: u8, message: &str) -> HttpAnswer {
    assert!(rejected < 0x80 && message.len() < 0x70);
    let length = |text: &str| char::from(u8::try_from(text.len()).unwrap());
    let inner = format!(
        "\x08{}\x12{}{message}",
        char::from(rejected),
        length(message)
    );
    protobuf(200, format!("\x0a{}{inner}", length(&inner)))
}

/// The bodies of requests, as the Python classes read them.
fn decoded(requests: &[HttpRequest]) -> Vec<Value> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for request in requests {
        assert_eq!((&*request.method, &*request.path), ("POST", "/v1/logs"));
        assert_eq!(request.header("content-type"), "application/x-protobuf");
        assert_eq!(request.header("authorization"), "Bearer token-77");
        let mut body = Vec::new();
        match request.header("content-encoding") {
            "gzip" => {
                GzDecoder::new(&*request.body)
                    .read_to_end(&mut body)
                    .unwrap();
            }
            other => {
                assert_eq!(other, "");
                body = request.body.to_vec();
            }
        }
        file.write_all(&u32::try_from(body.len()).unwrap().to_be_bytes())
            .unwrap();
        file.write_all(&body).unwrap();
    }
    let printed = run_script("read_otlp.py", &[file.path().to_str().unwrap()]);
    printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The records of requests, in order.
fn records(requests: &[HttpRequest]) -> Vec<Value> {
    let of = |request: &Value| {
        let records = &request["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
        records.as_array().unwrap().clone()
    };
    decoded(requests).iter().flat_map(of).collect()
}

fn number(record: &Value) -> u64 {
    let attribute = &record["attributes"][1];
    assert_eq!(attribute["key"], "millstream.sequence_number");
    attribute["value"]["intValue"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

fn all(numbers: std::ops::Range<u64>) -> Vec<u64> {
    numbers.collect()
}

#[test]
fn each_message_is_a_record_that_others_read() {
    let sink = HttpSink::scripted(|_, _| accept());
    let host = to(
        &sink.endpoint(),
        ", resource = { \"service.name\" = \"press\", line = 4 }",
    )
    .start();
    append_numbered(&host, 0..1000);
    append(&host, [b"\xff\0\xfe".to_vec()]);
    wait_for_delivery(&host, 1001);
    let requests = sink.requests();
    assert!(requests.len() < 100, "{} requests", requests.len());
    let first = &decoded(&requests[..1])[0]["resourceLogs"][0];
    let resource = json!({"attributes": [
        {"key": "line", "value": {"intValue": "4"}},
        {"key": "service.name", "value": {"stringValue": "press"}},
    ]});
    assert_eq!(first["resource"], resource);
    assert_eq!(first["scopeLogs"][0]["scope"]["name"], "millstream");
    let records = records(&requests);
    assert_eq!(records.len(), 1001);
    for (record, expected) in records.iter().zip(0..1000) {
        assert_eq!(number(record), expected);
        assert_eq!(record["body"], json!({"stringValue": numbered(expected)}));
        let stream = json!({"key": "millstream.stream", "value": {"stringValue": STREAM}});
        assert_eq!(record["attributes"][0], stream);
        let time: u64 = record["timeUnixNano"].as_str().unwrap().parse().unwrap();
        assert!(time > 1_600_000_000_000_000_000, "{time}");
        assert_eq!(record["timeUnixNano"], record["observedTimeUnixNano"]);
    }
    let bytes = json!({"bytesValue": STANDARD.encode(b"\xff\0\xfe")});
    assert_eq!(records[1000]["body"], bytes);
    assert!(!host.log().contains("token-77"));
}

#[test]
fn json_keeps_its_shape_and_says_how_much_it_matters() {
    let sink = HttpSink::scripted(|_, _| accept());
    let keys = ", body = \"json\", severity = \"/level\", compression = \"none\"";
    let host = to(&sink.endpoint(), keys).start();
    let messages = [
        r#"{"level": "warn", "n": 1, "x": 1.5, "ok": true, "list": ["a", null], "in": {"b": -7}}"#,
        r#"{"level": 17}"#,
        "no json",
    ];
    append(&host, messages.map(|text| text.as_bytes().to_vec()));
    wait_for_delivery(&host, 3);
    let records = records(&sink.requests());
    assert_eq!(records[0]["severityNumber"], "SEVERITY_NUMBER_WARN");
    assert_eq!(records[0]["severityText"], "warn");
    let body = json!({"kvlistValue": {"values": [
        {"key": "in", "value": {"kvlistValue": {"values": [
            {"key": "b", "value": {"intValue": "-7"}}]}}},
        {"key": "level", "value": {"stringValue": "warn"}},
        {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {}]}}},
        {"key": "n", "value": {"intValue": "1"}},
        {"key": "ok", "value": {"boolValue": true}},
        {"key": "x", "value": {"doubleValue": 1.5}},
    ]}});
    assert_eq!(records[0]["body"], body);
    assert_eq!(records[1]["severityNumber"], "SEVERITY_NUMBER_ERROR");
    assert_eq!(records[2]["body"], json!({"stringValue": "no json"}));
    assert_eq!(records[2]["severityNumber"], Value::Null);
}

#[test]
fn what_the_collector_dropped_is_counted_and_never_sent_again() {
    let sink = HttpSink::scripted(|number, _| match number {
        0 => partly(3, "too old"),
        1 => partly(0, "a word of advice"),
        _ => accept(),
    });
    let mut exporting = to(&sink.endpoint(), "");
    exporting.batch_size = Some(10);
    let host = exporting.start_patient();
    append_numbered(&host, 0..30);
    wait_for_delivery(&host, 27);
    wait_for_rejections(&host, 3);
    let numbers: Vec<u64> = records(&sink.requests()).iter().map(number).collect();
    assert_eq!(numbers, all(0..30));
    let log = host.log();
    assert!(
        log.contains("too old") && log.contains("does not say which"),
        "{log}"
    );
    assert!(log.contains("a word of advice"), "{log}");
}

#[test]
fn a_record_that_is_refused_costs_only_itself() {
    let sink = HttpSink::scripted(|_, request| {
        let mut body = Vec::new();
        GzDecoder::new(&*request.body)
            .read_to_end(&mut body)
            .unwrap();
        match body.windows(9).any(|part| part == b"message 7") {
            // A `google.rpc.Status`: field 2 is its text.
            true => protobuf(400, "\x12\x09no sevens".into()),
            false => accept(),
        }
    });
    let host = to(&sink.endpoint(), "").start();
    append_numbered(&host, 0..50);
    wait_for_delivery(&host, 49);
    wait_for_rejections(&host, 1);
    let log = host.log();
    let rejection = log
        .lines()
        .find(|line| line.contains("message rejected"))
        .unwrap();
    assert!(
        rejection.contains("number=7 ") && rejection.contains("no sevens"),
        "{rejection}"
    );
}

#[test]
fn a_collector_that_throttles_or_is_broken_gets_everything_once() {
    let retry_after = || vec![("retry-after", "1".to_owned())];
    let sink = HttpSink::scripted(move |number, _| match number {
        0 => HttpAnswer::Status(429, retry_after(), String::new()),
        1 => HttpAnswer::Status(503, retry_after(), String::new()),
        2 => HttpAnswer::status(502),
        3 => HttpAnswer::status(504),
        4 => HttpAnswer::Status(200, Vec::new(), "<html>welcome</html>".into()),
        5 => HttpAnswer::Bytes("SSH-2.0-OpenSSH_9.6\r\n"),
        _ => accept(),
    });
    let host = to(&sink.endpoint(), "").start();
    append_numbered(&host, 0..20);
    wait_for_delivery(&host, 20);
    let log = host.log();
    for said in [
        "429 Too Many",
        "503 Service",
        "502 Bad",
        "504 Gateway",
        "no answer in OTLP",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
    let requests = sink.requests();
    let numbers: Vec<u64> = records(&requests[6..]).iter().map(number).collect();
    assert_eq!(numbers, all(0..20));
    assert_eq!(status(&host)["rejectedMessages"], 0);
}

#[test]
fn a_collector_that_hangs_or_is_away_gets_everything_when_it_is_back() {
    let away = Reserved::on_loopback();
    let endpoint = away.endpoint();
    let text = format!(
        "plugins.call-deadline = \"10s\"\n{}",
        to(&endpoint, "").text()
    );
    let host = Host::start_with(&text, &[("TEST_OTLP_TOKEN", "token-77")]);
    append_numbered(&host, 0..20);
    wait_for_error(&host, "refuses connections");
    let sink = HttpSink::listen(away, |number, _| match number {
        0 => HttpAnswer::Hang,
        _ => accept(),
    });
    host.wait_for_log("in time");
    wait_for_delivery(&host, 20);
    let numbers: Vec<u64> = records(&sink.requests()[1..]).iter().map(number).collect();
    assert_eq!(numbers, all(0..20));
}

#[test]
fn a_wrong_token_and_a_wrong_address_are_waited_for() {
    for (code, hint) in [(401, "`bearer`"), (404, "`uri`")] {
        let sink = HttpSink::scripted(move |number, _| match number {
            0..3 => HttpAnswer::status(code),
            _ => accept(),
        });
        let host = to(&sink.endpoint(), "").start();
        append_numbered(&host, 0..3);
        host.wait_for_log(hint);
        wait_for_delivery(&host, 3);
        assert_eq!(status(&host)["rejectedMessages"], 0);
    }
}

#[test]
fn a_message_that_is_too_large_is_rejected_by_itself() {
    let sink = HttpSink::scripted(|_, _| accept());
    let host = to(&sink.endpoint(), "").start();
    append(
        &host,
        [
            vec![b'a'; 10],
            vec![b'x'; (1 << 20) + 1],
            vec![b'y'; 1 << 20],
        ],
    );
    wait_for_delivery(&host, 2);
    wait_for_rejections(&host, 1);
    let lengths: Vec<_> = records(&sink.requests())
        .iter()
        .map(|record| record["body"]["stringValue"].as_str().unwrap().len())
        .collect();
    assert_eq!(lengths, [10, 1 << 20]);
}

#[test]
fn a_kill_in_the_middle_loses_nothing_and_repeats_at_most_two_batches() {
    let sink = HttpSink::scripted(|_, _| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        accept()
    });
    let mut exporting = to(&sink.endpoint(), "");
    exporting.batch_size = Some(10);
    let mut host = exporting.start();
    append_numbered(&host, 0..2000);
    for round in 1..4 {
        eventually("the export is under way", || {
            (sink.requests().len() > 40 * round).then_some(())
        });
        host.kill();
        host.start_again();
    }
    host.wait_for_export(STREAM, "is complete", |export| {
        export["identifier"] == EXPORT && export["lastExportedSequenceNumber"] == 1999
    });
    let numbers: Vec<u64> = records(&sink.requests()).iter().map(number).collect();
    let mut seen = std::collections::HashSet::new();
    let first_arrivals: Vec<u64> = numbers
        .iter()
        .copied()
        .filter(|it| seen.insert(*it))
        .collect();
    assert_eq!(first_arrivals, all(0..2000));
    // The cursor is saved beside the next call.
    assert!(numbers.len() <= 2000 + 3 * 20, "{}", numbers.len());
}
