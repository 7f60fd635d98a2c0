//! The plugin `mqtt`, to a real mosquitto, and to a `broker` of the test for what mosquitto never says.

mod broker;
mod throttling;

use std::collections::HashSet;

use millstream_tests::{
    Arrived, Certificates, Host, Line, Mosquitto, Quality, Reserved, Subscriber, eventually,
};

use crate::setup::{
    Exporting, STREAM, append, append_numbered, numbered, wait_for_delivery, wait_for_error,
    wait_for_rejections, write_secret,
};

/// An export over a line to the topic `plant/s`.
fn to(line: &Line, more: &str) -> Exporting<'static> {
    let address = line.address();
    Exporting {
        plugin: "mqtt",
        grants: format!("addresses = [\"{address}\"]"),
        config: format!(
            "{{ broker = \"mqtt://{address}\", topic = \"plant/{{stream}}\", timeoutSeconds = 5{more} }}"
        ),
        batch_size: Some(50),
        ..Exporting::default()
    }
}

const BOTH: [&str; 2] = ["5", "3.1.1"];

fn version(version: &str) -> String {
    format!(", version = \"{version}\"")
}

fn broker() -> (Mosquitto, Line) {
    let broker = Mosquitto::start();
    let line = Line::to(broker.address());
    (broker, line)
}

fn payloads(arrived: &[Arrived]) -> Vec<String> {
    let text = |it: &Arrived| String::from_utf8(it.payload.clone()).unwrap();
    arrived.iter().map(text).collect()
}

fn all(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(numbered).collect()
}

/// Every message, in the order in which each came first; repeats are allowed.
fn assert_none_is_missing(subscriber: &Subscriber, count: u64) {
    let first_arrivals = || {
        let mut seen = HashSet::new();
        let mut found = payloads(&subscriber.arrived());
        found.retain(|it| seen.insert(it.clone()));
        found
    };
    eventually("everything has arrived", || {
        (first_arrivals().len() as u64 >= count).then_some(())
    });
    assert_eq!(first_arrivals(), all(0..count));
}

#[test]
fn messages_arrive_once_in_order_byte_for_byte_with_either_version() {
    for name in BOTH {
        let (broker, line) = broker();
        let subscriber = broker.subscribe();
        let host = to(&line, &version(name)).start();
        let payload = |number: u64| {
            let mut payload = number.to_be_bytes().to_vec();
            payload.extend(b"\0\r\n\xff\xfe{\"");
            payload
        };
        append(&host, (0..200).map(payload));
        append(&host, [vec![7; 900_000]]);
        wait_for_delivery(&host, 201);
        let arrived = subscriber.wait_for(201);
        let expected: Vec<_> = (0..200).map(payload).chain([vec![7; 900_000]]).collect();
        assert_eq!(arrived.len(), 201);
        for ((it, payload), number) in arrived.iter().zip(expected).zip(0_u64..) {
            assert_eq!(it.payload, payload);
            assert_eq!(it.topic, "plant/s");
            assert!(!it.retained);
            let property = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let properties = match name {
                "5" => vec![
                    property("millstream-stream", STREAM),
                    property("millstream-sequence-number", &number.to_string()),
                ],
                _ => vec![],
            };
            assert_eq!(it.properties, properties);
        }
        assert_eq!(line.connections(), 1, "the connection is kept");
        assert!(broker.log().contains("millstream-s-e"), "{}", broker.log());
    }
}

#[test]
fn a_topic_takes_what_the_payload_carries_and_is_retained_if_wanted() {
    let (broker, line) = broker();
    let mut exporting = to(&line, ", retain = true");
    exporting.config = exporting
        .config
        .replace("plant/{stream}", "plant/{json:/at}");
    let host = exporting.start();
    let payloads = [
        "{\"at\":\"a\"}",
        "no json",
        "{\"at\":7}",
        "{\"at\":\"x/#\"}",
        "{\"at\":\"a\",\"new\":1}",
    ];
    append(&host, payloads.map(Into::into));
    wait_for_rejections(&host, 2);
    wait_for_delivery(&host, 3);
    let arrived = broker.subscribe().wait_for(2);
    let mut found: Vec<_> = arrived
        .iter()
        .map(|it| (it.topic.as_str(), it.payload.as_slice(), it.retained))
        .collect();
    found.sort();
    let expected: [(&str, &[u8], bool); 2] = [
        ("plant/7", b"{\"at\":7}", true),
        ("plant/a", b"{\"at\":\"a\",\"new\":1}", true),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_host_that_is_killed_in_the_middle_loses_nothing() {
    for name in BOTH {
        let (broker, line) = broker();
        let subscriber = broker.subscribe();
        let mut host = to(&line, &version(name)).start();
        for round in 0..3 {
            let first = 100 * u64::try_from(round).unwrap();
            cut(&line, 20 + 60 * round, || {
                append_numbered(&host, first..first + 100);
            });
            host.kill();
            line.becomes(Quality::Good);
            host.start_again();
        }
        wait_until_settled(&host, 300);
        assert_none_is_missing(&subscriber, 300);
        // At most what was under way comes again: a batch for each end of a connection.
        let surplus = subscriber.arrived().len() - 300;
        assert!(surplus <= 50 * line.connections(), "{surplus}");
    }
}

fn wait_until_settled(host: &Host, count: u64) {
    host.wait_for_export(STREAM, "has settled everything", |export| {
        export["lastExportedSequenceNumber"] == count - 1
    });
}

/// Lets connections be cut behind so many bytes of answers, sends what has more answers than that, and
/// waits until a connection was cut: the broker has taken what the host knows nothing of.
fn cut(line: &Line, bytes: usize, send: impl FnOnce()) {
    let before = line.connections();
    line.becomes(Quality::CutsAnswersAfter(bytes));
    send();
    eventually("a connection was cut", || {
        (line.connections() > before + 1).then_some(())
    });
}

#[test]
fn a_broker_that_is_away_hangs_or_talks_nonsense_gets_everything_in_the_end() {
    for name in BOTH {
        let (broker, line) = broker();
        let subscriber = broker.subscribe();
        let host = to(&line, &version(name)).start();
        append_numbered(&host, 0..10);
        wait_for_delivery(&host, 10);
        for (round, (quality, expected)) in [
            (Quality::Down, "has closed the connection"),
            (Quality::Silent, "did not answer in time"),
            (
                Quality::Garbled(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
                "no MQTT broker",
            ),
            (Quality::Garbled(b"\x20\x01\x00"), "no MQTT broker"),
        ]
        .into_iter()
        .enumerate()
        {
            line.becomes(quality);
            let first = 10 + 10 * round as u64;
            append_numbered(&host, first..first + 10);
            let error = wait_for_error(&host, expected);
            assert!(error.contains(&line.address().to_string()), "{error}");
        }
        line.becomes(Quality::Good);
        wait_for_delivery(&host, 50);
        assert_none_is_missing(&subscriber, 50);
    }
}

#[test]
fn a_broker_that_does_not_listen_yet_is_named() {
    let (broker, line) = broker();
    let away = Reserved::on_loopback();
    let address = away.endpoint().replace("http://", "");
    let mut exporting = to(&line, "");
    exporting.grants = format!("addresses = [\"{address}\"]");
    exporting.config = format!("{{ broker = \"{address}\", topic = \"t\", timeoutSeconds = 1 }}");
    let host = exporting.start();
    append_numbered(&host, 0..1);
    let error = wait_for_error(&host, "refuses connections");
    assert!(error.contains(&address), "{error}");
    drop(broker);
}

/// A user `device` may write to `plant/good/#` only; tests may read everything.
const RIGHTS: &str = "user device\ntopic write plant/good/#\nuser tests\ntopic read #\n";

fn guarded(more: &str) -> Mosquitto {
    let passwords = [
        Mosquitto::password_file("device", "right"),
        Mosquitto::password_file("tests", "tests"),
    ];
    let config = format!("password_file FOLDER/passwords\nacl_file FOLDER/rights\n{more}\n");
    let passwords = passwords.concat();
    Mosquitto::start_with(&config, &[("passwords", &passwords), ("rights", RIGHTS)])
}

#[test]
fn a_wrong_password_and_a_forbidden_topic_are_denied() {
    for name in BOTH {
        let broker = guarded("");
        let subscriber = broker.subscribe_as(Some(("tests", "tests")));
        let line = Line::to(broker.address());
        let more = format!(
            "{}, user = \"device\", passwordSecret = \"mqtt\"",
            version(name)
        );
        let mut exporting = to(&line, &more);
        exporting.config = exporting.config.replace("{stream}", "{json:/to}");
        exporting.grants += "\nreadable-secrets = [\"mqtt\"]";
        let secrets = tempfile::TempDir::new().unwrap();
        let file = secrets.path().join("mqtt");
        write_secret(&file, "not-this-one");
        exporting.more = format!("[secrets.mqtt]\nfile = {file:?}\n");
        let host = exporting.start();
        let good = ["{\"to\":\"good/1\"}", "{\"to\":\"good/2\"}"];
        append(
            &host,
            [good[0], "{\"to\":\"bad\"}", good[1]].map(Into::into),
        );
        wait_for_error(&host, "does not let us in");
        write_secret(&file, "right");
        match name {
            "5" => {
                wait_for_error(&host, "NotAuthorized (0x87)");
                wait_for_delivery(&host, 2);
            }
            // The broker drops it, and with this version it acknowledges it all the same.
            _ => wait_for_delivery(&host, 3),
        }
        // With version 5, this mosquitto answers and then ends the connection, so that a message may be
        // published again.
        let mut arrived = payloads(&subscriber.wait_for(2));
        arrived.dedup();
        assert_eq!(arrived, good);
        assert!(
            !host.log().contains("not-this-one"),
            "the secret is in the log"
        );
    }
}

#[test]
fn a_message_beyond_the_limit_of_the_broker_is_rejected_and_its_neighbours_arrive() {
    let sizes = [10, 5000, 20, 6000, 30];
    let messages = || sizes.into_iter().map(|size| vec![b'x'; size]);
    let expected = [10, 20, 30, 40];
    for (limit, name, reason) in [
        // The broker says at the beginning how large a packet may be.
        ("max_packet_size 2000", "5", "maximum packet size"),
        // It refuses the single message.
        ("message_size_limit 2000", "5", "PacketTooLarge (0x95)"),
        // It closes the connection: the message is found by trying.
        ("max_packet_size 2000", "3.1.1", "while it takes others"),
    ] {
        let broker = Mosquitto::start_with(&format!("allow_anonymous true\n{limit}\n"), &[]);
        let subscriber = broker.subscribe();
        let line = Line::to(broker.address());
        let host = to(&line, &version(name)).start();
        append(&host, messages());
        wait_for_rejections(&host, 2);
        wait_for_delivery(&host, 3);
        host.wait_for_log(reason);
        append(&host, [vec![b'x'; 7000]]);
        wait_for_rejections(&host, 3);
        append(&host, [vec![b'x'; 40]]);
        wait_for_delivery(&host, 4);
        let arrived = subscriber.wait_for(4);
        let found: HashSet<_> = arrived.iter().map(|it| it.payload.len()).collect();
        assert!(
            expected.iter().all(|size| found.contains(size)),
            "{found:?}"
        );
        assert!(arrived.iter().all(|it| it.payload.len() < 2000));
    }
}

#[test]
fn no_more_messages_are_under_way_than_the_broker_allows() {
    let broker = Mosquitto::start_with("allow_anonymous true\nmax_inflight_messages 3\n", &[]);
    let subscriber = broker.subscribe();
    let line = Line::to(broker.address());
    let host = to(&line, "").start();
    append_numbered(&host, 0..200);
    wait_for_delivery(&host, 200);
    subscriber.wait_for(200);
    assert_none_is_missing(&subscriber, 200);
    assert_eq!(line.connections(), 1, "the broker would end the connection");
}

#[test]
fn a_broker_with_tls_that_asks_for_a_certificate_sees_the_one_of_the_device() {
    let certificates = Certificates::new();
    let file = |name: &str| certificates.file(name).display().to_string();
    let encrypted = format!(
        "allow_anonymous true\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n\
         use_identity_as_username true\n",
        file("authority.crt"),
        file("server.crt"),
        file("server.key"),
    );
    let broker = Mosquitto::start_with(&encrypted, &[]);
    let port = broker.address().port();
    let authority = file("authority.crt");
    let mut exporting = Exporting {
        plugin: "mqtt",
        grants: format!("addresses = [\"localhost:{port}\"]"),
        config: format!(
            "{{ broker = \"mqtts://localhost:{port}\", topic = \"t\", timeoutSeconds = 5 }}"
        ),
        environment: vec![("SSL_CERT_FILE", &authority)],
        ..Exporting::default()
    };
    let without = exporting.start();
    append_numbered(&without, 0..1);
    wait_for_error(&without, &format!("localhost:{port}"));
    drop(without);

    exporting.grants += &format!(
        "\ntls-identities = [{{ certificate = {:?}, private-key = {:?}, servers = [\"localhost\"] }}]",
        certificates.file("device.crt"),
        certificates.file("device.key"),
    );
    let host = exporting.start();
    append_numbered(&host, 0..30);
    wait_for_delivery(&host, 30);
    assert!(broker.log().contains("u'device'"), "{}", broker.log());
}
