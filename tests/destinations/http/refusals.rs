//! A server that answers, and does not want it.

use millstream_protocol::definition::ExportFormat::{JsonBatched, RawNotBatched};
use millstream_tests::{HttpAnswer, HttpRequest, HttpSink};

use super::{
    accept, append, append_to, exporting_to, first_arrivals, listed_numbers, payload, raw_number,
    wait_for_delivery,
};

#[test]
fn a_message_that_the_server_refuses_is_rejected_and_the_rest_arrives_once() {
    const BAD: u64 = 13;
    for format in [RawNotBatched, JsonBatched] {
        let is_bad = move |request: &HttpRequest| match format {
            RawNotBatched => raw_number(request) == BAD,
            JsonBatched => listed_numbers(request).contains(&BAD),
        };
        let sink = HttpSink::scripted(move |_, request| {
            if is_bad(request) {
                let why = "no such sensor".to_owned();
                HttpAnswer::Status(422, Vec::new(), why)
            } else {
                accept()
            }
        });
        let host = exporting_to(&sink.endpoint(), format);
        append(&host, 0..40);
        let export = host.wait_for_export("s", "is complete", |export| {
            export["lastExportedSequenceNumber"] == 39
        });
        assert_eq!(export["exportedMessagesCount"], 39);
        let taken: Vec<u64> = sink
            .requests()
            .iter()
            .filter(|request| !is_bad(request))
            .flat_map(|request| match format {
                RawNotBatched => vec![raw_number(request)],
                JsonBatched => listed_numbers(request),
            })
            .collect();
        let good: Vec<u64> = (0..40).filter(|number| *number != BAD).collect();
        assert_eq!(taken, good);
        let log = host.log();
        let rejections: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("message rejected"))
            .collect();
        let [rejection] = &rejections[..] else {
            panic!("{rejections:?}");
        };
        assert!(
            rejection.contains("number=13") && rejection.contains("no such sensor"),
            "{rejection}"
        );
    }
}

#[test]
fn a_server_that_does_not_even_read_a_large_body_refuses_only_that_message() {
    for format in [RawNotBatched, JsonBatched] {
        let sink = HttpSink::scripted(|_, _| accept());
        let host = exporting_to(&sink.endpoint(), format);
        append_to(&host, "s", [payload(0), vec![b'x'; 9 << 20], payload(2)]);
        let export = host.wait_for_export("s", "is complete", |export| {
            export["lastExportedSequenceNumber"] == 2
        });
        assert_eq!(export["exportedMessagesCount"], 2);
        let numbers: Vec<u64> = match format {
            RawNotBatched => sink.requests().iter().map(raw_number).collect(),
            JsonBatched => sink.requests().iter().flat_map(listed_numbers).collect(),
        };
        assert_eq!(first_arrivals(numbers), [0, 2]);
        assert!(
            host.log().contains("413 Payload Too Large"),
            "{}",
            host.log()
        );
    }
}

#[test]
fn a_server_that_refuses_the_device_or_is_elsewhere_is_waited_for() {
    for (status, hint) in [(401, "credentials"), (404, "`uri`"), (301, "/moved")] {
        let sink = HttpSink::scripted(move |number, _| match number {
            0..3 => HttpAnswer::Status(status, vec![("location", "/moved".into())], String::new()),
            _ => accept(),
        });
        let host = exporting_to(&sink.endpoint(), JsonBatched);
        append(&host, 0..3);
        host.wait_for_log(hint);
        wait_for_delivery(&host, 3);
        assert!(!host.log().contains("message rejected"));
    }
}
