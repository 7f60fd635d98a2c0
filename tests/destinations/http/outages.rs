//! A server that is busy, broken or away.

use millstream_protocol::definition::ExportFormat::{JsonBatched, RawNotBatched};
use millstream_tests::{Host, HttpAnswer, HttpSink, Reserved, eventually};

use super::{
    accept, all, append, append_to, config, create, exporting_to, first_arrivals, listed_numbers,
    payload, raw_number, wait_for_delivery, wait_for_error,
};

#[test]
fn a_failure_in_the_middle_repeats_nothing_and_keeps_the_order() {
    let sink = HttpSink::scripted(|number, _| match number {
        7 => HttpAnswer::status(500),
        _ => accept(),
    });
    let host = exporting_to(&sink.endpoint(), RawNotBatched);
    append(&host, 0..20);
    wait_for_delivery(&host, 20);
    let numbers: Vec<u64> = sink.requests().iter().map(raw_number).collect();
    let mut expected = all(0..20);
    expected.insert(7, 7);
    assert_eq!(numbers, expected, "only the message that failed goes twice");
}

#[test]
fn a_server_that_asks_for_a_pause_gets_it() {
    let long = || HttpAnswer::Status(429, vec![("retry-after", "3600".into())], String::new());
    let sink = HttpSink::scripted(
        move |_, request| match (&*request.path, raw_number(request)) {
            ("/at-once", _) | ("/in-the-middle", 2) => long(),
            ("/at-any-time", _) => HttpAnswer::status(503),
            _ => accept(),
        },
    );
    let endpoint = sink.endpoint();
    let config = config(&endpoint).replace("200ms", "10m");
    let host = Host::start(&config);
    let paths = ["at-once", "in-the-middle", "at-any-time"];
    for path in paths {
        create(&host, path, &format!("{endpoint}/{path}"), RawNotBatched);
        append_to(&host, path, (0..4).map(payload));
    }
    let count = |path: &str, number: u64| {
        let path = format!("/{path}");
        let requests = sink.requests();
        requests
            .iter()
            .filter(|request| request.path == path && raw_number(request) == number)
            .count()
    };
    eventually("all have been refused", || {
        (count("at-once", 0) > 0 && count("in-the-middle", 2) > 0).then_some(())
    });
    let before = count("at-any-time", 0);
    eventually("the one without a pause is tried again and again", || {
        (count("at-any-time", 0) > before + 2).then_some(())
    });
    assert_eq!(count("at-once", 0), 1);
    assert_eq!(count("in-the-middle", 2), 1);
    for path in ["at-once", "in-the-middle"] {
        let error = wait_for_error(&host, path);
        assert!(error.contains("429 Too Many Requests"), "{error}");
    }
    assert_eq!(
        host.describe("in-the-middle").unwrap()["exports"][0]["exportedMessagesCount"],
        2
    );
}

#[test]
fn a_server_that_throttles_gets_everything_in_the_end() {
    let sink = HttpSink::scripted(|number, _| match number {
        0 | 3 => HttpAnswer::Status(429, vec![("retry-after", "1".into())], String::new()),
        4 => HttpAnswer::status(503),
        _ => accept(),
    });
    let host = exporting_to(&sink.endpoint(), RawNotBatched);
    append(&host, 0..10);
    host.wait_for_log("429 Too Many Requests");
    wait_for_delivery(&host, 10);
    let numbers: Vec<u64> = sink.requests().iter().map(raw_number).collect();
    assert_eq!(first_arrivals(numbers.iter().copied()), all(0..10));
    assert_eq!(numbers.len(), 13, "{numbers:?}");
}

#[test]
fn a_server_that_is_away_gets_everything_when_it_is_back() {
    for format in [RawNotBatched, JsonBatched] {
        let away = Reserved::on_loopback();
        let endpoint = away.endpoint();
        let host = exporting_to(&endpoint, format);
        append(&host, 0..33);
        let error = wait_for_error(&host, "s");
        assert!(
            error.contains(&format!("{endpoint}/in")) && error.contains("refuses connections"),
            "{error}"
        );
        let sink = HttpSink::listen(away, |_, _| accept());
        wait_for_delivery(&host, 33);
        let numbers: Vec<u64> = match format {
            RawNotBatched => sink.requests().iter().map(raw_number).collect(),
            JsonBatched => sink.requests().iter().flat_map(listed_numbers).collect(),
        };
        assert_eq!(numbers, all(0..33));
    }
}

#[test]
fn an_answer_that_never_comes_is_given_up_in_time_and_only_that_message_goes_again() {
    let sink = HttpSink::scripted(|number, _| match number {
        2 => HttpAnswer::Hang,
        _ => accept(),
    });
    let endpoint = sink.endpoint();
    let config = format!("plugins.call-deadline = \"10s\"\n{}", config(&endpoint));
    let host = Host::start(&config);
    create(&host, "s", &endpoint, RawNotBatched);
    append(&host, 0..5);
    host.wait_for_log("in time");
    wait_for_delivery(&host, 5);
    let numbers: Vec<u64> = sink.requests().iter().map(raw_number).collect();
    assert_eq!(numbers, [0, 1, 2, 2, 3, 4]);
}

#[test]
fn what_is_no_answer_in_http_is_tried_again_and_a_torn_one_with_a_status_counts() {
    let sink = HttpSink::scripted(|number, _| match number {
        0 => HttpAnswer::Bytes("SSH-2.0-OpenSSH_9.6\r\n"),
        1 => HttpAnswer::Bytes(""),
        2 => HttpAnswer::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this"),
        3 => HttpAnswer::Bytes("HTTP/1.1 2"),
        _ => accept(),
    });
    let host = exporting_to(&sink.endpoint(), RawNotBatched);
    append(&host, 0..1);
    host.wait_for_log("No answer from http://");
    wait_for_delivery(&host, 1);
    append(&host, 1..2);
    wait_for_delivery(&host, 2);
    let numbers: Vec<u64> = sink.requests().iter().map(raw_number).collect();
    assert_eq!(numbers, [0, 0, 0, 1, 1]);
}
