//! A service that does not take objects, and messages that no object takes.

use std::collections::BTreeSet;

use millstream_tests::{Emulator, Host, HttpAnswer, HttpSink, Line, Quality, Reserved};

use super::{archived, archiving_to, create_bucket, objects, payloads, refusal, taken};
use crate::setup::{
    EXPORT, STREAM, append, append_numbered, numbered, wait_for_delivery, wait_for_error,
    wait_for_rejections,
};

#[test]
fn throttling_trouble_and_nonsense_are_waited_out_under_the_same_key() {
    let sink = HttpSink::scripted(|number, _| match number {
        0 => refusal(503, "SlowDown"),
        1 => refusal(500, "InternalError"),
        2 => HttpAnswer::Status(200, Vec::new(), "<html>welcome</html>".into()),
        3 => HttpAnswer::Bytes("this is not HTTP\r\n\r\n"),
        4 => HttpAnswer::Status(502, Vec::new(), "no".into()),
        5 => refusal(400, "RequestTimeout"),
        _ => taken(),
    });
    let mut exporting = archiving_to(&sink.endpoint(), ", compression = \"none\"");
    exporting.batch_size = Some(5);
    let host = exporting.start();
    append_numbered(&host, 0..20);
    host.wait_for_log("S3 bucket `archive` in `eu-central-1`");
    wait_for_delivery(&host, 20);
    let requests = sink.requests();
    let keys: BTreeSet<_> = requests[..7].iter().map(|request| &request.path).collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert!(
        requests[..7]
            .iter()
            .all(|request| request.body == requests[0].body)
    );
    let written: Vec<_> = requests[6..].iter().flat_map(payloads).collect();
    assert_eq!(written, (0..20).map(numbered).collect::<Vec<_>>());
    let export = host.wait_for_export(STREAM, "works again", |export| export["errorMessage"] == "");
    assert_eq!(export["lastExportedSequenceNumber"], 19);
}

#[test]
fn what_an_operator_has_to_mend_is_said_and_waited_for() {
    let sink = HttpSink::scripted(|number, _| match number {
        0..3 => refusal(403, "SignatureDoesNotMatch"),
        3..6 => refusal(400, "AuthorizationHeaderMalformed"),
        _ => taken(),
    });
    let host = archiving_to(&sink.endpoint(), ", compression = \"none\"").start();
    append_numbered(&host, 0..5);
    host.wait_for_log("`s3:PutObject`: SignatureDoesNotMatch");
    host.wait_for_log("AuthorizationHeaderMalformed");
    wait_for_delivery(&host, 5);
}

#[test]
fn a_bucket_that_does_not_exist_is_waited_for() {
    let emulator = Emulator::start();
    let host = archiving_to(emulator.endpoint(), "").start();
    append_numbered(&host, 0..12);
    let error = wait_for_error(&host, "does not exist; check `bucket`");
    assert!(error.contains("NoSuchBucket"), "{error}");
    create_bucket(emulator.endpoint());
    wait_for_delivery(&host, 12);
    assert_eq!(
        archived(&objects(emulator.endpoint())),
        (0..12).collect::<Vec<_>>()
    );
}

#[test]
fn an_endpoint_that_is_away_gets_everything_when_it_is_back() {
    let away = Reserved::on_loopback();
    let host = archiving_to(&away.endpoint(), ", compression = \"none\"").start();
    append_numbered(&host, 0..33);
    wait_for_error(&host, "it refuses connections");
    let sink = HttpSink::listen(away, |_, _| taken());
    wait_for_delivery(&host, 33);
    let written: Vec<_> = sink.requests().iter().flat_map(payloads).collect();
    assert_eq!(written, (0..33).map(numbered).collect::<Vec<_>>());
}

#[test]
fn an_answer_that_never_comes_is_given_up_and_the_object_written_again() {
    let sink = HttpSink::scripted(|number, _| match number {
        0 => HttpAnswer::Hang,
        _ => taken(),
    });
    let exporting = archiving_to(&sink.endpoint(), ", compression = \"none\"");
    let config = format!("plugins.call-deadline = \"10s\"\n{}", exporting.text());
    let host = Host::start_with(&config, &exporting.environment);
    append_numbered(&host, 0..4);
    host.wait_for_log("in time");
    wait_for_delivery(&host, 4);
    let requests = sink.requests();
    assert_eq!(requests[0].path, requests[1].path);
    assert_eq!(requests[0].body, requests[1].body);
}

#[test]
fn an_answer_that_is_lost_leaves_one_object() {
    let emulator = Emulator::start();
    create_bucket(emulator.endpoint());
    let address = emulator.endpoint().strip_prefix("http://").unwrap();
    let line = Line::to(address.parse().unwrap());
    line.becomes(Quality::CutsAnswersAfter(0));
    let mut exporting = archiving_to(&line.endpoint(), "");
    exporting.batch_size = Some(10);
    let host = exporting.start_patient();
    append_numbered(&host, 0..10);
    wait_for_error(&host, "No answer");
    // Written all the same.
    assert_eq!(archived(&objects(emulator.endpoint())).len(), 10);
    append_numbered(&host, 10..20);
    line.becomes(Quality::Good);
    wait_for_delivery(&host, 20);
    assert_eq!(
        archived(&objects(emulator.endpoint())),
        (0..20).collect::<Vec<_>>()
    );
}

#[test]
fn what_no_object_can_carry_is_rejected_and_its_neighbours_arrive() {
    let emulator = Emulator::start();
    create_bucket(emulator.endpoint());
    let host = archiving_to(emulator.endpoint(), ", payload = \"text\"").start();
    let too_large = vec![b'x'; (10 << 20) + 1];
    append(
        &host,
        [
            b"a".to_vec(),
            vec![0xff],
            b"b".to_vec(),
            too_large,
            vec![1; 3 << 20],
            b"c".to_vec(),
        ],
    );
    wait_for_delivery(&host, 3);
    wait_for_rejections(&host, 3);
    assert_eq!(archived(&objects(emulator.endpoint())), [0, 2, 5]);
    host.wait_for_log("The payload is not text");
    host.wait_for_log("are more than the plugin takes");
    host.wait_for_log("an object has at most");
}

#[test]
fn without_a_grant_for_the_signature_the_operator_is_told() {
    let sink = HttpSink::scripted(|_, _| taken());
    let mut exporting = archiving_to(&sink.endpoint(), "");
    exporting.grants = format!("hosts = [\"{}\"]", sink.endpoint());
    let host = exporting.start();
    append_numbered(&host, 0..1);
    let error = wait_for_error(&host, "`aws-services`");
    assert!(error.contains("S3 bucket `archive`"), "{error}");
    assert!(sink.requests().is_empty());
    assert_eq!(
        host.describe(STREAM).unwrap()["exports"][0]["identifier"],
        EXPORT
    );
}
