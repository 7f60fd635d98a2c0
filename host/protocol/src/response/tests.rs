use bytes::{Bytes, BytesMut};

use super::*;
use crate::cbor::{Map, Writer};
use crate::definition::StrategyOnFull;
use crate::frame::Incoming;
use crate::{FrameDecoder, MAX_FRAME_LENGTH, MessageStreamDefinition, ProtocolError, Version};

const ENCODER: fn(usize) -> ResponseEncoder = |limit| ResponseEncoder::new(Version::V1_1_0, limit);

fn id(text: &str) -> RequestId {
    text.parse().unwrap()
}

fn decode(mut out: BytesMut) -> Response {
    let incoming = FrameDecoder::default().next_frame(&mut out).unwrap();
    let Some(Incoming::Frame(frame)) = incoming else {
        panic!("unexpected: {incoming:?}");
    };
    assert!(out.is_empty(), "one frame, no more");
    decode_response(frame.operation, &frame.payload).unwrap()
}

#[test]
fn the_size_of_a_read_response_is_known_beforehand() {
    let name: Name = "stream".parse().unwrap();
    for (number, size) in [
        (0, 1),
        (23, 23),
        (24, 24),
        (300, 256),
        (70_000, 65_536),
        (1 << 40, 7),
    ] {
        let payload = vec![9; size];
        let request_id = id(&"r".repeat(30));
        let encode = |count: usize| {
            let mut out = BytesMut::new();
            let messages = vec![(number, 1_700_000_000_000, payload.as_slice()); count];
            ENCODER(MAX_FRAME_LENGTH).messages(&mut out, &request_id, &name, messages);
            out.len() - 4
        };
        let message = encoded_message_size(&name, number, 1_700_000_000_000, size);
        assert_eq!(encode(2) - encode(1), message);
        assert_eq!(encode(1) - encode(0), message);
        assert!(encode(0) <= read_response_overhead(&request_id));
        assert!(encode(300) <= read_response_overhead(&request_id) + 300 * message);
        assert!(encode(0) + 16 >= read_response_overhead(&request_id));
    }
}

#[test]
fn a_response_beyond_the_limit_gives_way_to_a_failure() {
    let name: Name = "s".parse().unwrap();
    let mut out = BytesMut::from("before");
    ENCODER(200).messages(&mut out, &id("r"), &name, [(0, 0, &[1_u8; 300][..])]);
    assert_eq!(out.split_to(6), "before");
    let response = decode(out);
    assert_eq!(response.operation, Operation::ReadMessagesResponse);
    assert_eq!(response.request_id, Some(id("r")));
    assert_eq!(
        response.outcome.unwrap_err().status,
        ResponseStatusCode::ResponsePayloadTooLarge
    );
}

#[test]
fn messages_come_back_as_they_went() {
    let name: Name = "s".parse().unwrap();
    let mut out = BytesMut::new();
    let messages = [
        (5, 1_700_000_000_000, &b"a"[..]),
        (6, 1_700_000_000_001, b"\0\xff"),
    ];
    ENCODER(MAX_FRAME_LENGTH).messages(&mut out, &id("r"), &name, messages);
    let expected = messages.map(|(sequence_number, ingest_time_millis, payload)| Message {
        stream_name: name.clone(),
        sequence_number,
        ingest_time_millis,
        payload: Bytes::copy_from_slice(payload),
    });
    assert_eq!(
        decode(out).outcome,
        Ok(Success::Messages(expected.to_vec()))
    );
}

#[test]
fn an_empty_stream_has_minus_one_for_its_newest_message() {
    let info = MessageStreamInfo {
        definition: MessageStreamDefinition::new(
            "s".parse().unwrap(),
            StrategyOnFull::RejectNewData,
        ),
        storage: StorageStatus::default(),
        exports: vec![ExportStatus::new("e")],
    };
    let mut out = BytesMut::new();
    ENCODER(MAX_FRAME_LENGTH).description(&mut out, &id("r"), &info);
    let newest = b"newestSequenceNumber\x20";
    let last = b"lastExportedSequenceNumber\x20";
    assert!(out.windows(newest.len()).any(|window| window == newest));
    assert!(out.windows(last.len()).any(|window| window == last));
    assert_eq!(
        decode(out).outcome,
        Ok(Success::Description(Box::new(info)))
    );
}

#[test]
fn a_failure_keeps_to_the_version_of_the_connection() {
    let failure = Failure::new(ResponseStatusCode::UpdateNotAllowed, "no");
    let operation = Operation::UpdateMessageStreamResponse;
    let mut out = BytesMut::new();
    ResponseEncoder::new(Version::V1_0_0, MAX_FRAME_LENGTH).failed(
        &mut out,
        operation,
        &id("r"),
        &failure,
    );
    assert_eq!(
        decode(out).outcome.unwrap_err().status,
        ResponseStatusCode::InvalidRequest
    );
}

#[test]
fn a_long_error_message_is_cut_between_characters() {
    let failure = Failure::new(ResponseStatusCode::UnknownFailure, "é".repeat(5000));
    let mut out = BytesMut::new();
    ENCODER(10).failed(&mut out, Operation::ListStreamsResponse, &id("r"), &failure);
    assert_eq!(decode(out).outcome.unwrap_err().message, "é".repeat(1024));
}

#[test]
fn a_success_without_what_it_promises_is_an_error() {
    let mut out = BytesMut::new();
    let encoder = ENCODER(MAX_FRAME_LENGTH);
    encoder.done(&mut out, Operation::AppendMessageResponse, &id("r"));
    encoder.done(&mut out, Operation::DescribeMessageStreamResponse, &id("r"));
    encoder.done(&mut out, Operation::UnknownOperationError, &id("r"));
    let mut decoder = FrameDecoder::default();
    while let Some(Incoming::Frame(frame)) = decoder.next_frame(&mut out).unwrap() {
        assert!(decode_response(frame.operation, &frame.payload).is_err());
    }
    assert!(decode_response(Operation::Connect.code(), &Bytes::from_static(&[0xa0])).is_err());
}

#[test]
fn null_is_as_good_as_absent_in_a_response() {
    let null_message =
        Bytes::from_static(b"\xa3\x69requestId\x61r\x66status\x00\x6cerrorMessage\xf6");
    let response = decode_response(7, &null_message).unwrap();
    assert_eq!(response.outcome, Ok(Success::Created));
}

/// Decodes a response that has an id, a status, and these fields.
fn decode_fields(
    operation: Operation,
    fields: impl FnOnce(&mut Map<'_>),
) -> Result<Success, ProtocolError> {
    let mut out = BytesMut::new();
    Writer::new(&mut out).map(|map| {
        map.key("requestId").text("r");
        map.key("status").uint(0);
        fields(map);
    });
    let response = decode_response(operation.code(), &out.freeze())?;
    Ok(response.outcome.unwrap())
}

#[test]
fn numbers_of_a_response_are_signed_integers() {
    const BEYOND: u64 = 1 << 63;
    let appended = |number: u64| {
        decode_fields(Operation::AppendMessageResponse, |map| {
            map.key("sequenceNumber").uint(number);
        })
    };
    let sequence_number = BEYOND - 1;
    assert_eq!(
        appended(sequence_number),
        Ok(Success::Appended { sequence_number })
    );
    assert!(appended(BEYOND).is_err());
    let info = |newest: u64| {
        decode_fields(Operation::DescribeMessageStreamResponse, |map| {
            map.key("messageStreamInfo").map(|map| {
                map.key("definition").map(|map| {
                    map.key("name").text("s");
                    map.key("strategyOnFull").uint(0);
                });
                map.key("storageStatus")
                    .map(|map| map.key("newestSequenceNumber").uint(newest));
            });
        })
    };
    assert!(info(BEYOND - 1).is_ok());
    assert_eq!(
        info(BEYOND).unwrap_err().to_string(),
        "The field messageStreamInfo.storageStatus.newestSequenceNumber must be between 0 and \
         9223372036854775807, but it is 9223372036854775808."
    );
}

#[test]
fn of_two_lists_with_one_key_the_last_counts() {
    let names = ["a", "b"].map(|name| name.parse::<Name>().unwrap());
    let streams = decode_fields(Operation::ListStreamsResponse, |map| {
        for name in &names {
            map.key("streams").list([name], |writer, name| {
                writer.text(name.as_str());
            });
        }
    });
    assert_eq!(streams, Ok(Success::Streams(names[1..].to_vec())));
}

#[test]
fn a_server_cannot_fill_the_memory_with_versions() {
    let connected = decode_fields(Operation::ConnectResponse, |map| {
        map.key("supportedProtocolVersions")
            .list(vec![""; 1000], |writer, version| writer.text(version));
    });
    let Ok(Success::Connected(connected)) = connected else {
        panic!("unexpected: {connected:?}");
    };
    assert_eq!(
        connected.supported_versions.len(),
        Connected::MAX_SUPPORTED_VERSIONS
    );
}
