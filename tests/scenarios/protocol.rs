//! What no SDK sends.

use millstream_protocol::request::ReadMessagesOptions;
use millstream_protocol::{Bounded, Call, ResponseStatusCode, response::Success};
use millstream_protocol::{MessageStreamDefinition, definition::StrategyOnFull};
use millstream_tests::{Host, RawClient};

fn create(client: &mut RawClient, name: &str) {
    let name = name.parse().unwrap();
    let definition = MessageStreamDefinition::new(name, StrategyOnFull::OverwriteOldestData);
    let response = client.call("c", Call::Create(Box::new(definition)));
    assert_eq!(response.outcome, Ok(Success::Created));
}

fn append(name: &str, payload: &'static str) -> Call {
    Call::Append {
        name: name.parse().unwrap(),
        payload: payload.into(),
    }
}

#[test]
fn requests_may_arrive_a_byte_at_a_time_and_many_at_once() {
    let host = Host::start("");
    let mut slow = RawClient::open(host.port());
    for byte in RawClient::greeting() {
        slow.send(&[byte]);
    }
    slow.expect_version();
    assert!(slow.response().outcome.is_ok());
    create(&mut slow, "s");
    for byte in RawClient::frame("slow", append("s", "x")) {
        slow.send(&[byte]);
    }
    assert_eq!(
        slow.response().outcome,
        Ok(Success::Appended { sequence_number: 0 })
    );

    let mut fast = RawClient::connect(host.port());
    let mut all = Vec::new();
    for number in 0..1000 {
        all.extend_from_slice(&RawClient::frame(&number.to_string(), append("s", "y")));
    }
    fast.send(&all);
    for number in 0..1000_u64 {
        let response = fast.response();
        assert_eq!(response.request_id.unwrap().as_str(), number.to_string());
        let sequence_number = number + 1;
        assert_eq!(response.outcome, Ok(Success::Appended { sequence_number }));
    }
}

#[test]
fn malformed_frames_are_answered_or_end_their_connection_and_disturb_nobody() {
    let host = Host::start("");
    let mut bystander = RawClient::connect(host.port());
    create(&mut bystander, "s");

    // A length below one.
    let mut client = RawClient::connect(host.port());
    client.send(&[0, 0, 0, 0, 4]);
    assert!(client.is_closed());

    // A request without an id that could be answered.
    let mut client = RawClient::connect(host.port());
    client.send(&[0, 0, 0, 2, 4, 0xFF]);
    assert!(client.is_closed());

    // An operation that does not exist: answered, and the connection goes on.
    let mut client = RawClient::connect(host.port());
    let mut unknown = RawClient::frame("who", Call::List);
    unknown[4] = 99;
    client.send(&unknown);
    let response = client.response();
    let failure = response.outcome.unwrap_err();
    assert_eq!(failure.status, ResponseStatusCode::UnknownOperation);
    assert_eq!(response.request_id.unwrap().as_str(), "who");
    assert!(client.call("still", Call::List).outcome.is_ok());

    // A truncated request: the connection simply ends.
    let mut client = RawClient::connect(host.port());
    client.send(&RawClient::frame("cut", append("s", "never"))[..20]);
    drop(client);

    // A first frame that is no handshake.
    let mut client = RawClient::open(host.port());
    client.send(&[1]);
    client.send(&RawClient::frame("early", Call::List));
    client.expect_version();
    let failure = client.response().outcome.unwrap_err();
    assert_eq!(failure.status, ResponseStatusCode::UnexpectedOperation);
    assert!(client.is_closed());

    // Another version of the connection.
    let mut client = RawClient::open(host.port());
    client.send(&[7]);
    client.expect_version();
    let failure = client.response().outcome.unwrap_err();
    assert_eq!(
        failure.status,
        ResponseStatusCode::UnsupportedConnectVersion
    );
    assert!(client.is_closed());

    let appended = bystander.call("b", append("s", "undisturbed"));
    assert_eq!(
        appended.outcome,
        Ok(Success::Appended { sequence_number: 0 })
    );
}

#[test]
fn a_frame_beyond_the_limit_is_refused_and_the_connection_goes_on() {
    let host = Host::start("");
    let mut client = RawClient::connect(host.port());
    create(&mut client, "s");
    let payload = vec![b'x'; 17 << 20].into();
    let name = "s".parse().unwrap();
    let response = client.call("big", Call::Append { name, payload });
    let failure = response.outcome.unwrap_err();
    assert_eq!(failure.status, ResponseStatusCode::RequestPayloadTooLarge);
    let appended = client.call("small", append("s", "fits"));
    assert_eq!(
        appended.outcome,
        Ok(Success::Appended { sequence_number: 0 })
    );
}

fn read(name: &str, min: u64, max: u64, timeout_millis: u64) -> Call {
    let options = ReadMessagesOptions {
        min_message_count: Bounded::clamped(min),
        max_message_count: Bounded::clamped(max),
        read_timeout_millis: Bounded::clamped(timeout_millis),
        ..ReadMessagesOptions::default()
    };
    Call::Read {
        name: name.parse().unwrap(),
        options,
    }
}

#[test]
fn a_read_returns_what_fits_in_a_frame_and_refuses_a_minimum_that_does_not() {
    let host = Host::start("server.max-frame = \"64 KiB\"");
    let mut client = RawClient::connect(host.port());
    create(&mut client, "s");
    for _ in 0..20 {
        let payload = vec![b'x'; 10_000].into();
        let response = client.call(
            "a",
            Call::Append {
                name: "s".parse().unwrap(),
                payload,
            },
        );
        assert!(response.outcome.is_ok());
    }
    let Ok(Success::Messages(messages)) = client.call("r", read("s", 1, 20, 0)).outcome else {
        panic!("messages were expected");
    };
    assert_eq!(messages.len(), 6);
    let failure = client.call("r", read("s", 20, 20, 0)).outcome.unwrap_err();
    assert_eq!(failure.status, ResponseStatusCode::ResponsePayloadTooLarge);
}

#[test]
fn answers_to_equal_ids_come_in_the_order_of_the_requests() {
    let host = Host::start("");
    let mut client = RawClient::connect(host.port());
    create(&mut client, "s");
    let mut other = RawClient::connect(host.port());
    // The read waits for a message that the other client appends; the list has to wait for the read.
    client.send(&RawClient::frame(" ", read("s", 1, 1, 30_000)));
    client.send(&RawClient::frame(" ", Call::List));
    other.call("a", append("s", "awaited"));
    assert!(matches!(
        client.response().outcome,
        Ok(Success::Messages(_))
    ));
    assert!(matches!(client.response().outcome, Ok(Success::Streams(_))));
    // With ids of their own they do not wait for each other.
    client.send(&RawClient::frame("long", read("s", 2, 2, 30_000)));
    client.send(&RawClient::frame("short", Call::List));
    assert!(matches!(client.response().outcome, Ok(Success::Streams(_))));
    other.call("a", append("s", "second"));
    assert!(matches!(
        client.response().outcome,
        Ok(Success::Messages(_))
    ));
}

#[test]
fn an_address_that_would_nest_without_end_is_refused() {
    use millstream_protocol::definition::{Destination, Export, ExportDefinition, ExportFormat};
    let host = Host::start("");
    let mut client = RawClient::connect(host.port());
    let mut definition =
        MessageStreamDefinition::new("deep".parse().unwrap(), StrategyOnFull::OverwriteOldestData);
    let uri = format!("plugin:x?{}=1", vec!["a"; 1_000_000].join("."));
    let destination = Destination::Http {
        uri,
        format: ExportFormat::RawNotBatched,
    };
    let export = Export::new("e".parse().unwrap(), destination);
    definition.exports = ExportDefinition::new(vec![export]).unwrap();
    let failure = client
        .call("c", Call::Create(Box::new(definition)))
        .outcome
        .unwrap_err();
    assert_eq!(failure.status, ResponseStatusCode::InvalidRequest);
    assert!(client.call("l", Call::List).outcome.is_ok());
}

#[test]
fn a_key_that_nobody_knows_is_ignored_and_logged_once() {
    let host = Host::start("log.level = \"debug\"");
    let mut client = RawClient::connect(host.port());
    let list = b"\x00\x00\x00\x13\x0b\xa2\x69requestId\x61l\x63new\x01";
    client.send(&list.repeat(2));
    for _ in 0..2 {
        let response = client.response();
        assert_eq!(response.outcome, Ok(Success::Streams(Vec::new())));
    }
    host.wait_for_log("not known");
    let log = host.log();
    let lines = log.lines().filter(|line| line.contains("not known"));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("key=\"new\""), "{log}");
}
