//! What holds for any bytes whatsoever.
//!
//! Each check takes an input and panics if the crate breaks a promise on it. The tests feed it
//! damaged frames, the fuzzers in `tests/fuzz` what they think of; both use this file. What is
//! promised:
//!
//! * Nothing panics, and decoding allocates no more than a stated multiple of its input.
//! * Frames come out the same however the bytes were split, and exactly as they stand in them.
//! * What was decoded survives being encoded and decoded again.
//! * What was not decoded is a sentence for people, and can be answered if its id can be read.
//! * No part of a request from its beginning passes for the whole, nor does more than the whole.

use bytes::{Bytes, BytesMut};
use millstream_protocol::frame::Incoming;
use millstream_protocol::handshake::{encode_refusal, negotiate, take_connect_version};
use millstream_protocol::request::Connect;
use millstream_protocol::response::Success;
use millstream_protocol::{
    Call, Frame, FrameDecoder, MAX_FRAME_LENGTH, MessageStreamDefinition, Operation, ProtocolError,
    Request, RequestError, Response, ResponseEncoder, ResponseStatusCode, Version, decode_request,
    decode_response, encode_request, handshake,
};

use crate::allocations::peak_of;

/// A check of one input.
pub(crate) type Check = fn(&[u8]);

/// Every check, by the name of its fuzz target.
pub(crate) const CHECKS: [(&str, Check); 12] = [
    ("frame_decoder", frames),
    ("connect", |payload| request(1, payload)),
    ("create", |payload| request(2, payload)),
    ("delete", |payload| request(3, payload)),
    ("append", |payload| request(4, payload)),
    ("read", |payload| request(5, payload)),
    ("list", |payload| request(11, payload)),
    ("describe", |payload| request(13, payload)),
    ("update", |payload| request(15, payload)),
    ("unknown_operation", |input| coded(input, unknown_operation)),
    ("response", |input| coded(input, response)),
    ("definition", definition),
];

/// What decoding may allocate for each byte of a request, in bytes: text in chunks is gathered in
/// memory that doubles as it grows, old and new side by side.
const REQUEST_FACTOR: usize = 3;
/// And for each byte of a response: the shortest name of a stream takes two bytes on the wire, and
/// 32 in a list that doubles as it grows.
const RESPONSE_FACTOR: usize = 48;
/// And besides, in bytes: what errors say.
const ANY: usize = 8 << 10;
/// And besides, in bytes: the most exports of a definition, twice, because one list of them may
/// replace another.
const DEFINED: usize = 128 << 10;

/// The most of an oversize frame that is gathered to look for its id, in bytes.
const GLIMPSE: usize = 2 << 10;

/// Takes frames out of bytes that arrive in pieces. The input begins with the decoder's limit, and
/// the sizes of four pieces that follow each other in turn.
pub(crate) fn frames(input: &[u8]) {
    let Some((&[limit, sizes @ ..], wire)) = input.split_first_chunk::<5>() else {
        return;
    };
    let limit = 16 << (limit % 10);
    let in_pieces = frames_of(wire, limit, &sizes.map(|size| usize::from(size).max(1)));
    assert_eq!(in_pieces, frames_of(wire, limit, &[wire.len().max(1)]));

    let mut rest = wire;
    for incoming in &in_pieces.0 {
        let (field, body) = rest.split_first_chunk().unwrap();
        let length = usize::try_from(i32::from_be_bytes(*field)).unwrap();
        match incoming {
            Incoming::Frame(frame) => {
                assert_eq!(length, frame.payload.len() + 1);
                assert_eq!(body[0], frame.operation);
                assert_eq!(body[1..length], frame.payload);
                assert!(length <= limit);
            }
            Incoming::TooLarge(frame) => {
                assert_eq!((length, limit), (frame.length, frame.limit));
                assert_eq!(body[0], frame.operation);
                assert!(length > limit);
                let error = frame.clone().into_request_error();
                assert_eq!(error.status, ResponseStatusCode::RequestPayloadTooLarge);
                answerable(&error);
            }
        }
        rest = body.get(length..).unwrap_or_default();
    }
    // What is left is no frame, or not a whole one.
    if let Some((field, body)) = rest.split_first_chunk() {
        match usize::try_from(i32::from_be_bytes(*field)) {
            Ok(length) if length > 0 => {
                assert!(body.len() < length);
                assert_eq!(in_pieces.1, None);
            }
            _ => assert!(matches!(
                in_pieces.1,
                Some(ProtocolError::FrameLength { length }) if length.to_be_bytes() == *field
            )),
        }
    }
}

/// What comes out of bytes that arrive in pieces of these sizes, and the error that ends it.
fn frames_of(wire: &[u8], limit: usize, sizes: &[usize]) -> (Vec<Incoming>, Option<ProtocolError>) {
    let mut decoder = FrameDecoder::new(limit);
    let mut found = Vec::new();
    let mut buf = BytesMut::new();
    let mut rest = wire;
    for size in sizes.iter().cycle() {
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        buf.extend_from_slice(piece);
        rest = after;
        loop {
            let before = buf.len();
            let (next, peak) = peak_of(|| decoder.next_frame(&mut buf));
            assert!(peak <= ANY, "taking a frame allocated {peak} bytes");
            match next {
                Ok(Some(incoming)) => {
                    assert!(buf.len() < before, "a frame out of nothing");
                    found.push(incoming);
                }
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
        let gathered = buf.len();
        assert!(
            gathered <= limit.max(GLIMPSE) + 4,
            "{gathered} bytes are gathered with a limit of {limit}"
        );
        if rest.is_empty() {
            break;
        }
    }
    (found, None)
}

/// Hands an input that begins with an operation code to `check`.
fn coded(input: &[u8], check: fn(u8, &[u8])) {
    if let Some((&operation, payload)) = input.split_first() {
        check(operation, payload);
    }
}

/// Decodes a request that nobody knows.
fn unknown_operation(operation: u8, payload: &[u8]) {
    let known = [1, 2, 3, 4, 5, 11, 13, 15];
    if !known.contains(&operation) {
        request(operation, payload);
    }
}

/// Decodes a request within the memory it may take.
pub(crate) fn decode_request_within_bounds(
    operation: u8,
    payload: &Bytes,
) -> Result<Request, RequestError> {
    let (decoded, peak) = peak_of(|| decode_request(operation, payload));
    let besides = match Operation::from_code(operation) {
        Some(Operation::CreateMessageStream | Operation::UpdateMessageStream) => DEFINED,
        _ => ANY,
    };
    let allowed = besides + REQUEST_FACTOR * payload.len();
    assert!(peak <= allowed, "{peak} bytes allocated, {allowed} allowed");
    decoded
}

/// Decodes a request.
pub(crate) fn request(operation: u8, payload: &[u8]) {
    let payload = Bytes::copy_from_slice(payload);
    let decoded = decode_request_within_bounds(operation, &payload);
    match &decoded {
        Ok(request) => {
            assert_eq!(request.call.operation().code(), operation);
            valid(&request.call);
            let more = Bytes::from([payload.as_ref(), &[0xf6]].concat());
            let error = decode_request(operation, &more).unwrap_err();
            assert_eq!(error.request_id.as_ref(), Some(&request.request_id));
            let mut out = BytesMut::new();
            encode_request(&mut out, request).unwrap();
            let frame = whole_frame(&mut out);
            let again = decode_request(frame.operation, &frame.payload);
            assert_eq!(again.as_ref(), Ok(request));
        }
        Err(error) => {
            assert_eq!(error.operation, Operation::response_to(operation));
            answerable(error);
        }
    }
    parts(operation, &payload, &decoded);
}

/// Decodes parts of a payload from its beginning: none of a whole request passes for a request, and
/// once there is enough for the id there is never too much.
fn parts(operation: u8, payload: &Bytes, whole: &Result<Request, RequestError>) {
    const PARTS: usize = 6;
    let mut id_is_there = false;
    for part in 0..PARTS {
        let end = payload.len() * part / PARTS;
        match decode_request(operation, &payload.slice(..end)) {
            Ok(_) => {
                assert!(whole.is_err(), "a part passed for the whole");
                id_is_there = true;
            }
            Err(error) => {
                assert!(error.request_id.is_some() || !id_is_there, "an id got lost");
                id_is_there = error.request_id.is_some();
            }
        }
    }
    let id_is_in_the_whole = match whole {
        Ok(_) => true,
        Err(error) => error.request_id.is_some(),
    };
    assert!(id_is_in_the_whole || !id_is_there, "the id got lost");
}

/// Checks the rules of a decoded call that are in no type of their own.
fn valid(call: &Call) {
    match call {
        Call::Connect(connect) => negotiated(connect),
        Call::Append { payload, .. } => assert!(!payload.is_empty()),
        Call::Read { options, .. } => {
            assert!(options.min_message_count <= options.max_message_count);
        }
        Call::Create(definition) | Call::Update(definition) => well_defined(definition),
        Call::Delete(_) | Call::Describe(_) | Call::List => {}
    }
}

/// A version that is settled was offered; a refusal can be answered.
fn negotiated(connect: &Connect) {
    assert!(connect.other_versions.len() <= Connect::MAX_OTHER_VERSIONS);
    match negotiate(connect) {
        Ok(version) => assert!(
            std::iter::once(&connect.protocol_version)
                .chain(&connect.other_versions)
                .any(|offered| offered == version.as_str())
        ),
        Err(failure) => {
            let mut out = BytesMut::new();
            encode_refusal(&mut out, None, &failure);
            assert_eq!(take_connect_version(&mut out), Some(1));
            let frame = whole_frame(&mut out);
            let response = decode_response(frame.operation, &frame.payload).unwrap();
            assert_eq!(response.outcome, Err(failure));
        }
    }
}

/// Decodes a definition as it is kept on disk.
pub(crate) fn definition(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let (decoded, peak) = peak_of(|| MessageStreamDefinition::from_cbor(&bytes));
    let allowed = DEFINED + REQUEST_FACTOR * bytes.len();
    assert!(peak <= allowed, "{peak} bytes allocated, {allowed} allowed");
    match decoded {
        Ok(definition) => {
            well_defined(&definition);
            let again = MessageStreamDefinition::from_cbor(&definition.to_cbor());
            assert_eq!(again, Ok(definition));
        }
        Err(error) => sentence(&error.to_string()),
    }
}

fn well_defined(definition: &MessageStreamDefinition) {
    assert!(definition.stream_segment_size.get() <= definition.max_size.get());
    for export in &definition.exports {
        assert!(export.batch_size <= export.kind().max_batch_size());
        let namesakes = definition.exports.iter();
        let namesakes = namesakes.filter(|other| other.identifier == export.identifier);
        assert_eq!(namesakes.count(), 1);
    }
}

/// Decodes a response within the memory it may take.
pub(crate) fn decode_response_within_bounds(
    operation: u8,
    payload: &Bytes,
) -> Result<Response, ProtocolError> {
    let (decoded, peak) = peak_of(|| decode_response(operation, payload));
    let allowed = DEFINED + RESPONSE_FACTOR * payload.len();
    assert!(peak <= allowed, "{peak} bytes allocated, {allowed} allowed");
    decoded
}

/// Decodes a response.
pub(crate) fn response(operation: u8, payload: &[u8]) {
    let payload = Bytes::copy_from_slice(payload);
    match decode_response_within_bounds(operation, &payload) {
        Ok(response) => {
            assert_eq!(response.operation.code(), operation);
            if let Some(mut out) = encode_response(&response) {
                let frame = whole_frame(&mut out);
                let again = decode_response(frame.operation, &frame.payload);
                assert_eq!(again, Ok(response));
            }
        }
        Err(error) => sentence(&error.to_string()),
    }
}

/// Encodes a response the way the server does; none if the server does not send such a response.
pub(crate) fn encode_response(response: &Response) -> Option<BytesMut> {
    let mut out = BytesMut::new();
    let encoder = ResponseEncoder::new(Version::V1_1_0, MAX_FRAME_LENGTH);
    let id = response.request_id.as_ref()?;
    match &response.outcome {
        // Longer ones are cut.
        Err(failure) if failure.message.len() > 2048 => return None,
        Err(failure) => encoder.failed(&mut out, response.operation, id, failure),
        Ok(Success::Created | Success::Updated | Success::Deleted) => {
            encoder.done(&mut out, response.operation, id);
        }
        Ok(Success::Appended { sequence_number }) => {
            encoder.appended(&mut out, id, *sequence_number);
        }
        Ok(Success::Messages(messages)) => {
            let stream = &messages.first()?.stream_name;
            if messages
                .iter()
                .any(|message| message.stream_name != *stream)
            {
                return None;
            }
            let messages = messages.iter();
            let messages =
                messages.map(|m| (m.sequence_number, m.ingest_time_millis, m.payload.as_ref()));
            encoder.messages(&mut out, id, stream, messages);
        }
        Ok(Success::Streams(names)) => {
            encoder.streams(&mut out, id, names.iter().map(AsRef::as_ref));
        }
        Ok(Success::Description(info)) => encoder.description(&mut out, id, info),
        Ok(Success::Connected(connected)) => {
            if connected.supported_versions != Version::ALL.map(Version::as_str) {
                return None;
            }
            handshake::encode_acceptance(
                &mut out,
                id,
                Version::from_text(connected.protocol_version.as_deref()?)?,
                connected.server_version.as_deref()?,
                connected.client_identifier.as_deref()?,
            );
            assert_eq!(take_connect_version(&mut out), Some(1));
        }
    }
    Some(out)
}

/// The answer to a refused request arrives as it was meant, in both versions.
fn answerable(error: &RequestError) {
    let failure = error.failure();
    sentence(&failure.message);
    let Some(id) = &error.request_id else {
        return;
    };
    for version in Version::ALL {
        let mut out = BytesMut::new();
        let encoder = ResponseEncoder::new(version, MAX_FRAME_LENGTH);
        encoder.failed(&mut out, error.operation, id, &failure);
        let frame = whole_frame(&mut out);
        let response = decode_response(frame.operation, &frame.payload).unwrap();
        assert_eq!(response.request_id.as_ref(), Some(id));
        assert_eq!(response.operation, error.operation);
        let answer = response.outcome.unwrap_err();
        assert_eq!(answer.status, failure.status.for_version(version));
        assert_eq!(answer.message, failure.message);
    }
}

/// An error is one line that a person can read.
fn sentence(text: &str) {
    assert!(text.ends_with('.'), "not a sentence: {text}");
    assert!(text.starts_with(|first: char| first.is_ascii_uppercase()));
    assert!(!text.chars().any(char::is_control), "not a line: {text:?}");
    assert!(text.len() <= 2048, "too long: {text}");
}

/// The one frame in `buf`.
pub(crate) fn whole_frame(buf: &mut BytesMut) -> Frame {
    let incoming = FrameDecoder::default().next_frame(buf).unwrap();
    let Some(Incoming::Frame(frame)) = incoming else {
        panic!("unexpected: {incoming:?}");
    };
    assert!(buf.is_empty(), "{} bytes are left", buf.len());
    frame
}
