use bytes::BytesMut;

use super::*;
use crate::cbor::{Map, Writer};

fn payload(fields: impl FnOnce(&mut Map<'_>)) -> Bytes {
    let mut out = BytesMut::new();
    Writer::new(&mut out).map(fields);
    out.freeze()
}

fn read(
    options: impl FnOnce(&mut Map<'_>),
) -> std::result::Result<ReadMessagesOptions, RequestError> {
    let payload = payload(|map| {
        map.key("readMessagesOptions").map(options);
        map.key("streamName").text("s");
        map.key("requestId").text("r");
    });
    match decode_request(5, &payload)?.call {
        Call::Read { options, .. } => Ok(options),
        other => panic!("unexpected: {other:?}"),
    }
}

#[test]
fn an_append_shares_the_memory_of_its_frame() {
    let payload = payload(|map| {
        map.key("payload").bytes(b"Hello");
        map.key("unknown").list([1, 2], |writer, n| writer.uint(n));
        map.key("name").text("s");
        map.key("requestId").text(" ");
    });
    let frame = payload.as_ptr_range();
    let request = decode_request(4, &payload).unwrap();
    assert_eq!(request.request_id, " ");
    let Call::Append { name, payload } = request.call else {
        panic!("no append");
    };
    assert_eq!(name, "s");
    assert_eq!(payload, "Hello");
    assert!(frame.contains(&payload.as_ptr()));
    assert!(frame.contains(&name.as_str().as_ptr()));
}

#[test]
fn an_empty_message_is_refused() {
    let payload = payload(|map| {
        map.key("requestId").text("r");
        map.key("name").text("s");
        map.key("payload").bytes(b"");
    });
    let error = decode_request(4, &payload).unwrap_err();
    assert_eq!(error.status, ResponseStatusCode::InvalidRequest);
    assert_eq!(error.operation, Operation::AppendMessageResponse);
    assert_eq!(error.request_id.unwrap(), "r");
    assert_eq!(
        error.cause.to_string(),
        "The field payload must have at least 1 byte."
    );
}

#[test]
fn the_id_is_recovered_from_before_and_after_a_broken_rule() {
    for id_first in [true, false] {
        let payload = payload(|map| {
            if id_first {
                map.key("requestId").text("r");
            }
            map.key("name").text("a/b");
            if !id_first {
                map.key("requestId").text("r");
            }
        });
        let error = decode_request(3, &payload).unwrap_err();
        assert_eq!(error.request_id.unwrap(), "r");
        assert!(
            error
                .cause
                .to_string()
                .starts_with("The field name must have")
        );
    }
}

#[test]
fn the_id_is_recovered_from_a_payload_that_ends_early() {
    let whole = payload(|map| {
        map.key("requestId").text("r");
        map.key("name").text("stream");
    });
    let error = decode_request(13, &whole.slice(..whole.len() - 3)).unwrap_err();
    assert_eq!(error.request_id.unwrap(), "r");
    assert!(matches!(error.cause, ProtocolError::Malformed { .. }));
}

#[test]
fn without_an_id_there_is_nothing_to_recover() {
    for bytes in [&[][..], &[0xa0], &[0xff], b"garbage", &[0x80], &[0xbf]] {
        let error = decode_request(11, &Bytes::from_static(bytes)).unwrap_err();
        assert_eq!(error.request_id, None, "{bytes:02x?}");
    }
}

#[test]
fn an_unknown_operation_is_answered_as_such() {
    let payload = payload(|map| {
        map.key("what").map(|map| map.key("ever").boolean(true));
        map.key("requestId").text("r");
    });
    for code in [0, 6, 17, 18, 255] {
        let error = decode_request(code, &payload).unwrap_err();
        assert_eq!(error.operation, Operation::UnknownOperationError);
        assert_eq!(error.status, ResponseStatusCode::UnknownOperation);
        assert_eq!(error.request_id.unwrap(), "r");
    }
}

#[test]
fn a_read_without_options_asks_for_one_message_from_the_beginning() {
    let payload = payload(|map| {
        map.key("requestId").text("r");
        map.key("streamName").text("s");
    });
    let request = decode_request(5, &payload).unwrap();
    assert_eq!(
        request.call,
        Call::Read {
            name: "s".parse().unwrap(),
            options: ReadMessagesOptions::default()
        }
    );
    assert_eq!(read(|_| {}).unwrap(), ReadMessagesOptions::default());
}

#[test]
fn a_read_with_a_minimum_alone_asks_for_as_many() {
    let options = read(|map| map.key("minMessageCount").uint(2)).unwrap();
    assert_eq!(options.min_message_count.get(), 2);
    assert_eq!(options.max_message_count.get(), 2);
}

#[test]
fn a_read_whose_minimum_exceeds_its_maximum_is_refused() {
    let error = read(|map| {
        map.key("maxMessageCount").uint(2);
        map.key("minMessageCount").uint(3);
    })
    .unwrap_err();
    assert_eq!(
        error.cause.to_string(),
        "The field readMessagesOptions.maxMessageCount must be at least minMessageCount, which is \
         3, but it is 2."
    );
}

#[test]
fn counts_and_timeout_of_a_read_keep_to_their_bounds() {
    for (key, bad) in [
        ("minMessageCount", 0),
        ("maxMessageCount", 1 << 31),
        ("readTimeoutMillis", 9_223_372_036_855),
        ("desiredStartSequenceNumber", 1 << 63),
    ] {
        assert!(read(|map| map.key(key).uint(bad)).is_err(), "{key}");
    }
}

#[test]
fn an_empty_token_is_none_and_a_token_does_not_show() {
    let connect = |token: &str| {
        let payload = payload(|map| {
            map.key("requestId").text("r");
            map.key("protocolVersion").text("1.1.0");
            map.key("authToken").text(token);
        });
        match decode_request(1, &payload).unwrap().call {
            Call::Connect(connect) => connect,
            other => panic!("unexpected: {other:?}"),
        }
    };
    assert_eq!(connect("").auth_token, None);
    let with_token = connect("secret");
    assert!(!format!("{with_token:?}").contains("secret"));
    assert_eq!(with_token.auth_token.unwrap().reveal(), "secret");
}

#[test]
fn a_client_cannot_fill_the_memory_with_versions() {
    let payload = payload(|map| {
        map.key("requestId").text("r");
        map.key("protocolVersion").text("9.0.0");
        map.key("otherSupportedProtocolVersions")
            .list(vec![""; 100_000], |writer, version| writer.text(version));
    });
    let Call::Connect(connect) = decode_request(1, &payload).unwrap().call else {
        panic!("no connect");
    };
    assert_eq!(connect.other_versions.len(), Connect::MAX_OTHER_VERSIONS);
}

#[test]
fn of_two_fields_with_one_key_the_last_counts() {
    let payload = payload(|map| {
        for version in ["1.0.0", "1.1.0"] {
            map.key("requestId").text(version);
            map.key("protocolVersion").text(version);
            map.key("otherSupportedProtocolVersions")
                .list([version], |writer, version| writer.text(version));
        }
    });
    let request = decode_request(1, &payload).unwrap();
    assert_eq!(request.request_id, "1.1.0");
    let Call::Connect(connect) = request.call else {
        panic!("no connect");
    };
    assert_eq!(connect.protocol_version, "1.1.0");
    assert_eq!(connect.other_versions, ["1.1.0"]);
}

#[test]
fn a_key_that_is_no_text_is_named_as_the_fault() {
    let payload = Bytes::from_static(b"\xa2\x69requestId\x61r\x01\x02");
    let error = decode_request(11, &payload).unwrap_err();
    assert_eq!(error.request_id.unwrap(), "r");
    assert_eq!(
        error.cause.to_string(),
        "The value has a key that is not text."
    );
}

#[test]
fn keys_that_are_passed_over_are_told() {
    let payload = payload(|map| {
        map.key("new").uint(1);
        map.key("requestId").text("r");
        map.key("streamName").text("s");
        map.key("readMessagesOptions").map(|map| {
            map.key("minMessageCount").uint(1);
            map.key(&"é".repeat(100)).uint(1);
        });
    });
    let mut unknown = Vec::new();
    let noted = decode_request_noting(5, &payload, &mut |key| unknown.push(key.to_owned()));
    assert_eq!(noted, decode_request(5, &payload));
    assert_eq!(unknown, ["new".to_owned(), "é".repeat(64)]);
}
