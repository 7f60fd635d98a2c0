//! What arrives, and how it looks.

use std::collections::HashSet;
use std::time::Duration;

use millstream_protocol::definition::ExportFormat::{JsonBatched, RawNotBatched};
use millstream_tests::{Host, HttpAnswer, HttpSink, eventually};

use super::{
    accept, all, append, config, create, exporting_to, first_arrivals, listed_numbers, raw_number,
    wait_for_delivery, wait_for_error,
};

#[test]
fn each_message_is_posted_as_it_is_and_in_order() {
    // The body of an answer has to be read before its connection can be used again.
    let body = "x".repeat(20_000);
    let sink = HttpSink::scripted(move |_, _| HttpAnswer::Status(200, Vec::new(), body.clone()));
    let endpoint = sink.endpoint();
    let host = Host::start(&format!("log.level = \"debug\"\n{}", config(&endpoint)));
    create(&host, "s", &format!("{endpoint}/in?a=b"), RawNotBatched);
    append(&host, 0..1200);
    wait_for_delivery(&host, 1200);
    let requests = sink.requests();
    let numbers = requests.iter().map(raw_number);
    assert_eq!(numbers.collect::<Vec<_>>(), all(0..1200));
    for request in &requests {
        assert_eq!((&*request.method, &*request.path), ("POST", "/in?a=b"));
        assert_eq!(request.header("content-type"), "application/octet-stream");
        assert_eq!(request.header("x-millstream-stream"), "s");
        assert_eq!(
            request.header("content-length"),
            request.body.len().to_string()
        );
        assert_eq!(request.header("host"), sink.address().to_string());
    }
    let connections: HashSet<_> = requests.iter().map(|request| request.peer).collect();
    // A connection is back in the pool a moment after its answer, so there may be a second one.
    assert!(connections.len() < 10, "{} connections", connections.len());
    assert!(
        !host.log().contains("is made anew"),
        "the plugin leaves resources behind"
    );
}

#[test]
fn a_batch_is_posted_as_a_json_list() {
    let sink = HttpSink::scripted(|_, _| accept());
    let host = exporting_to(&sink.endpoint(), JsonBatched);
    append(&host, 0..1200);
    wait_for_delivery(&host, 1200);
    let requests = sink.requests();
    let numbers: Vec<u64> = requests.iter().flat_map(listed_numbers).collect();
    assert_eq!(numbers, all(0..1200));
    assert!(requests.len() < 100, "{} requests", requests.len());
    for request in &requests {
        assert_eq!((&*request.method, &*request.path), ("POST", "/in"));
        assert_eq!(request.header("content-type"), "application/json");
        assert_eq!(request.header("x-millstream-stream"), "s");
        let numbers = listed_numbers(request);
        let header = |name| request.header(name).parse().ok();
        assert_eq!(
            header("x-millstream-first-sequence-number"),
            numbers.first().copied()
        );
        assert_eq!(
            header("x-millstream-last-sequence-number"),
            numbers.last().copied()
        );
        let text = str::from_utf8(&request.body).unwrap();
        let first = format!(
            "[{{\"streamName\":\"s\",\"sequenceNumber\":{},\"ingestTime\":1",
            numbers[0]
        );
        assert!(text.starts_with(&first), "{text}");
    }
}

#[test]
fn a_plugin_address_may_set_method_and_headers() {
    let sink = HttpSink::scripted(|_, _| accept());
    let endpoint = sink.endpoint();
    let host = Host::start(&config(&endpoint));
    let uri = format!(
        "plugin:http?uri={endpoint}/put%3Fx=y&method=PUT&headers.content-type=text%2Fplain\
         &headers.X-Key=%220017%22"
    );
    create(&host, "s", &uri, RawNotBatched);
    append(&host, 0..1);
    wait_for_delivery(&host, 1);
    let [request] = &sink.requests()[..] else {
        panic!("not one request");
    };
    assert_eq!((&*request.method, &*request.path), ("PUT", "/put?x=y"));
    assert_eq!(request.header("content-type"), "text/plain");
    assert_eq!(request.header("x-key"), "0017");
    assert_eq!(raw_number(request), 0);
}

#[test]
fn a_server_that_was_not_granted_hears_nothing_and_the_grant_is_named() {
    let sink = HttpSink::scripted(|_, _| accept());
    let endpoint = sink.endpoint();
    let mut host = Host::start(&config("https://example.com"));
    create(&host, "s", &format!("{endpoint}/in"), RawNotBatched);
    append(&host, 0..3);
    let error = wait_for_error(&host, "s");
    assert!(
        error.contains(&format!("put \"{endpoint}\" into `hosts`")),
        "{error}"
    );
    assert!(sink.requests().is_empty());

    host.stop();
    let file = host.folder().join("millstream.toml");
    let granted = std::fs::read_to_string(&file)
        .unwrap()
        .replace("https://example.com", &endpoint);
    std::fs::write(&file, granted).unwrap();
    host.start_again();
    wait_for_delivery(&host, 3);
}

#[test]
fn an_address_that_cannot_work_is_shown_with_the_name_of_its_field() {
    let host = Host::start(&config("localhost"));
    for (stream, uri, field) in [
        ("a", "ftp://localhost/", "uri"),
        (
            "b",
            "plugin:http?uri=http://localhost&headers.Host=x",
            "headers.Host",
        ),
        ("c", "plugin:http?url=http://localhost", "url"),
    ] {
        create(&host, stream, uri, RawNotBatched);
        let error = wait_for_error(&host, stream);
        assert!(error.contains(field), "{error}");
    }
}

#[test]
fn a_kill_in_the_middle_loses_nothing_and_keeps_the_order() {
    let sink = HttpSink::scripted(|_, _| {
        std::thread::sleep(Duration::from_millis(2));
        accept()
    });
    let mut host = exporting_to(&sink.endpoint(), RawNotBatched);
    append(&host, 0..400);
    for round in 1..4 {
        eventually("the export is under way", || {
            (sink.requests().len() > 60 * round).then_some(())
        });
        host.kill();
        host.start_again();
    }
    host.wait_for_export("s", "is complete", |export| {
        export["lastExportedSequenceNumber"] == 399
    });
    let requests = sink.requests();
    assert_eq!(first_arrivals(requests.iter().map(raw_number)), all(0..400));
}
