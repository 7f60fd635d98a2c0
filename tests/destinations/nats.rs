//! The plugin `nats`, to a real nats-server with JetStream.

use millstream_tests::{Certificates, Line, Nats, NatsMessage, Quality, Reserved, eventually};
use serde_json::{Value, json};

use crate::setup::{
    Exporting, STREAM, append, append_numbered, numbered, wait_for_delivery, wait_for_error,
    wait_for_rejections, write_secret,
};

/// An export over a line to the subject `plant.s`.
fn to(line: &Line) -> Exporting<'static> {
    let address = line.address();
    Exporting {
        plugin: "nats",
        grants: format!("addresses = [\"{address}\"]"),
        config: format!(
            "{{ servers = [\"nats://{address}\"], subject = \"plant.{{stream}}\", timeoutSeconds = 1 }}"
        ),
        batch_size: Some(50),
        ..Exporting::default()
    }
}

/// A server whose JetStream stream `PLANT` takes `plant.>`, and a line to it.
fn server(more: &Value) -> (Nats, Line) {
    let server = Nats::start();
    server.create_stream("PLANT", &["plant.>"], more);
    let line = Line::to(server.address());
    (server, line)
}

fn ids(messages: &[NatsMessage]) -> Vec<String> {
    messages.iter().map(|it| it.id().to_owned()).collect()
}

fn expected_ids(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| format!("{STREAM}:{number}")).collect()
}

/// Each message once, in order, under its own id.
fn assert_each_once(server: &Nats, count: u64) {
    let messages = server.messages("PLANT");
    assert_eq!(ids(&messages), expected_ids(0..count));
    for (message, number) in messages.iter().zip(0..) {
        assert_eq!(message.payload, numbered(number).into_bytes());
    }
}

#[test]
fn messages_arrive_in_order_byte_for_byte_with_subject_id_and_headers() {
    let (server, line) = server(&json!({}));
    let mut exporting = to(&line);
    exporting.config = format!(
        "{{ servers = [\"{}\"], subject = \"plant.{{stream}}.{{json:/at}}\", headers = {{ origin = \
         \"press 4\" }}, expectedStream = \"PLANT\" }}",
        line.address()
    );
    let host = exporting.start();
    let payload = |number: u64| {
        let mut payload = format!("{{\"at\":{},\"x\":\"é\"}}\r\n", number % 3).into_bytes();
        payload.extend([b' '; 7]);
        payload
    };
    append(&host, (0..200).map(payload));
    wait_for_delivery(&host, 200);
    let messages = server.messages("PLANT");
    assert_eq!(ids(&messages), expected_ids(0..200));
    for (message, number) in messages.iter().zip(0..) {
        assert_eq!(message.payload, payload(number));
        assert_eq!(message.subject, format!("plant.s.{}", number % 3));
        assert!(
            message.headers.contains("origin: press 4\r\n"),
            "{message:?}"
        );
    }
    // What cannot have a subject is rejected, and holds up nobody.
    append(&host, ["no json".into(), payload(201), "{}".into()]);
    wait_for_rejections(&host, 2);
    wait_for_delivery(&host, 201);
}

#[test]
fn binary_payloads_arrive_as_they_are() {
    let (server, line) = server(&json!({}));
    let host = to(&line).start();
    let payload = |number: u64| {
        let mut payload = number.to_be_bytes().to_vec();
        payload.extend(b"\0\r\nMSG x 1 5\r\n\xff\xfe");
        payload
    };
    append(&host, (0..20).map(payload));
    append(&host, [vec![7; 900_000]]);
    wait_for_delivery(&host, 21);
    let messages = server.messages("PLANT");
    let payloads: Vec<_> = messages.into_iter().map(|it| it.payload).collect();
    let mut expected: Vec<_> = (0..20).map(payload).collect();
    expected.push(vec![7; 900_000]);
    assert_eq!(payloads, expected);
}

#[test]
fn a_host_that_is_killed_in_the_middle_leaves_each_message_once() {
    let (server, line) = server(&json!({}));
    let mut host = to(&line).start();
    for round in 0..5 {
        let first = 200 * u64::try_from(round).unwrap();
        cut(&line, 1000 + 700 * round, || {
            append_numbered(&host, first..first + 200);
        });
        host.kill();
        line.becomes(Quality::Good);
        host.start_again();
    }
    host.wait_for_export(STREAM, "has settled everything", |export| {
        export["lastExportedSequenceNumber"] == 999
    });
    assert_each_once(&server, 1000);
}

/// Lets connections be cut behind so many bytes of answers, sends what has more answers than that, and
/// waits until a connection was cut: the server has stored what the host knows nothing of.
fn cut(line: &Line, bytes: usize, send: impl FnOnce()) {
    let before = line.connections();
    line.becomes(Quality::CutsAnswersAfter(bytes));
    send();
    eventually("a connection was cut", || {
        (line.connections() > before + 1).then_some(())
    });
}

#[test]
fn answers_that_are_lost_leave_each_message_once() {
    let (server, line) = server(&json!({}));
    let host = to(&line).start();
    for round in 0..5 {
        let first = 100 * u64::try_from(round).unwrap();
        cut(&line, 600 + 300 * round, || {
            append_numbered(&host, first..first + 100);
        });
        line.becomes(Quality::Good);
        wait_for_delivery(&host, first + 100);
    }
    assert_each_once(&server, 500);
}

#[test]
fn a_server_that_is_away_gets_everything_when_it_is_back() {
    let (mut server, line) = server(&json!({}));
    let host = to(&line).start();
    append_numbered(&host, 0..20);
    wait_for_delivery(&host, 20);
    server.kill();
    append_numbered(&host, 20..60);
    let error = wait_for_error(&host, &line.address().to_string());
    assert!(error.contains("closed the connection"), "{error}");
    server.start_again();
    line.leads_to(server.address());
    wait_for_delivery(&host, 60);
    assert_each_once(&server, 60);
}

#[test]
fn a_server_that_hangs_or_talks_nonsense_is_given_up_in_time() {
    let (server, line) = server(&json!({}));
    let host = to(&line).start();
    for (quality, expected) in [
        (Quality::Silent, "did not answer in time"),
        (
            Quality::Garbled(b"SSH-2.0-OpenSSH_9.6\r\n"),
            "is no NATS server",
        ),
        (
            Quality::Garbled(b"INFO {\"max_payload\":\r\n"),
            "is no NATS server",
        ),
        (Quality::Down, "closed the connection"),
    ] {
        line.becomes(quality);
        append(&host, [b"x".to_vec()]);
        let error = wait_for_error(&host, expected);
        assert!(error.contains(&line.address().to_string()), "{error}");
    }
    line.becomes(Quality::Good);
    wait_for_delivery(&host, 4);
    assert_eq!(ids(&server.messages("PLANT")), expected_ids(0..4));
}

#[test]
fn a_full_stream_that_discards_what_is_new_throttles_and_loses_nothing() {
    let full = json!({ "discard": "new", "max_msgs": 30 });
    let (server, line) = server(&full);
    let host = to(&line).start();
    append_numbered(&host, 0..100);
    let error = wait_for_error(&host, "maximum messages exceeded");
    assert!(error.contains("no room"), "{error}");
    assert_eq!(server.messages("PLANT").len(), 30);
    server.update_stream("PLANT", &["plant.>"], &json!({ "max_msgs": 1000 }));
    wait_for_delivery(&host, 100);
    let mut found = ids(&server.messages("PLANT"));
    let mut expected = expected_ids(0..100);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_message_that_is_too_large_is_rejected_and_its_neighbours_arrive() {
    let small = json!({ "max_msg_size": 2000 });
    let (server, line) = server(&small);
    let host = to(&line).start();
    let sizes = [10, 3000, 20, (1 << 20) + 1, 30];
    append(&host, sizes.into_iter().map(|size| vec![b'x'; size]));
    wait_for_rejections(&host, 2);
    wait_for_delivery(&host, 3);
    let messages = server.messages("PLANT");
    let found: Vec<_> = messages.iter().map(|it| it.payload.len()).collect();
    assert_eq!(found, [10, 20, 30]);
    host.wait_for_log("maximum allowed");
    host.wait_for_log("max_payload");
}

#[test]
fn a_subject_without_a_stream_waits_for_one() {
    let server = Nats::start();
    let line = Line::to(server.address());
    let host = to(&line).start();
    append_numbered(&host, 0..10);
    wait_for_error(
        &host,
        "No JetStream stream listens on the subject `plant.s`",
    );
    server.create_stream("PLANT", &["plant.>"], &json!({}));
    wait_for_delivery(&host, 10);
    assert_each_once(&server, 10);
}

/// A user for tests, and one that may publish to `plant.good.>` only.
const USERS: &str = "authorization { users: [\n\
    { user: tests, password: tests }\n\
    { user: device, password: right, permissions: {\n\
      publish: [\"plant.good.>\"], subscribe: [\"_INBOX.>\"] } }\n] }\n";

#[test]
fn a_wrong_password_and_a_forbidden_subject_are_denied() {
    let login = json!({ "user": "tests", "pass": "tests" });
    let server = Nats::start_with(USERS, login);
    server.create_stream("PLANT", &["plant.>"], &json!({}));
    let line = Line::to(server.address());
    let mut exporting = to(&line);
    exporting.grants += "\nreadable-secrets = [\"nats\"]";
    exporting.config = format!(
        "{{ servers = [\"{}\"], subject = \"plant.{{json:/to}}.x\", user = \"device\", passwordSecret = \
         \"nats\", timeoutSeconds = 1 }}",
        line.address()
    );
    let secrets = tempfile::TempDir::new().unwrap();
    let file = secrets.path().join("nats");
    write_secret(&file, "wrong");
    exporting.more = format!("[secrets.nats]\nfile = {file:?}\n");
    let host = exporting.start();
    append(
        &host,
        ["{\"to\":\"good\"}", "{\"to\":\"bad\"}", "{\"to\":\"good\"}"].map(Into::into),
    );
    wait_for_error(&host, "Authorization Violation");
    write_secret(&file, "right");
    wait_for_error(
        &host,
        "Permissions Violation for Publish to \"plant.bad.x\"",
    );
    wait_for_delivery(&host, 2);
    assert_eq!(ids(&server.messages("PLANT")), ["s:0", "s:2"]);
    assert!(!host.log().contains("wrong"), "the secret is in the log");
}

#[test]
fn over_tls_the_server_must_be_the_one_that_is_named() {
    let certificates = Certificates::new();
    let file = |name: &str| certificates.file(name).display().to_string();
    let config = format!(
        "tls {{ cert_file: {:?}, key_file: {:?} }}\n",
        file("server.crt"),
        file("server.key")
    );
    // Tests speak to it over the same port, so the stream is made before TLS is wanted.
    let mut server = Nats::start();
    server.create_stream("PLANT", &["plant.>"], &json!({}));
    server.kill();
    server.configure(&config);
    server.start_again();
    let port = server.address().port();
    let exporting = Exporting {
        plugin: "nats",
        grants: "addresses = [\"localhost\"]".to_owned(),
        config: format!(
            "{{ servers = [\"tls://localhost:{port}\"], subject = \"plant.s\", timeoutSeconds = 5 }}"
        ),
        ..Exporting::default()
    };
    let untrusting = exporting.start();
    append_numbered(&untrusting, 0..1);
    let error = wait_for_error(&untrusting, "no connection over TLS");
    assert!(error.contains("UnknownIssuer"), "{error}");
    drop(untrusting);

    let authority = file("authority.crt");
    let trusting = Exporting {
        environment: vec![("SSL_CERT_FILE", &authority)],
        ..exporting
    };
    let host = trusting.start();
    append_numbered(&host, 0..30);
    wait_for_delivery(&host, 30);
    server.kill();
    server.configure("");
    server.start_again();
    assert_each_once(&server, 30);
}

#[test]
fn of_several_servers_one_that_is_there_is_taken() {
    let (server, line) = server(&json!({}));
    let down = Reserved::on_loopback();
    let away = down.endpoint().replace("http://", "");
    let mut exporting = to(&line);
    exporting.grants = format!("addresses = [\"{away}\", \"{}\"]", line.address());
    exporting.config = format!(
        "{{ servers = [\"{away}\", \"{}\"], subject = \"plant.s\", timeoutSeconds = 1 }}",
        line.address()
    );
    let host = exporting.start();
    append_numbered(&host, 0..30);
    wait_for_delivery(&host, 30);
    assert_each_once(&server, 30);
}

#[test]
fn a_server_that_is_not_granted_is_not_connected_to() {
    let (_server, line) = server(&json!({}));
    let mut exporting = to(&line);
    exporting.grants = "addresses = [\"127.0.0.1:1\", \"localhost:1\"]".to_owned();
    let host = exporting.start();
    append_numbered(&host, 0..1);
    let error = wait_for_error(&host, "may not connect");
    assert!(error.contains(&line.address().to_string()), "{error}");
    host.wait_for_log("it is not granted; to allow it, add it");
    assert_eq!(line.connections(), 0);
}

#[test]
fn a_name_that_is_not_granted_is_not_even_looked_up() {
    let (_server, line) = server(&json!({}));
    let mut exporting = to(&line);
    exporting.grants = "addresses = [\"localhost\"]".to_owned();
    exporting.config =
        "{ servers = [\"data.example.com:4222\"], subject = \"plant.s\", timeoutSeconds = 1 }"
            .to_owned();
    let host = exporting.start();
    append_numbered(&host, 0..1);
    wait_for_error(&host, "may not connect to data.example.com:4222");
    host.wait_for_log("refused to look up the name `data.example.com`");
}
