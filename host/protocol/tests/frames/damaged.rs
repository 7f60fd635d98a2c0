//! Damaged frames: whatever the damage, decoding ends in a value or in an error, and a request
//! whose id came through undamaged can be answered.

use bytes::{Bytes, BytesMut};
use millstream_protocol::frame::Incoming;
use millstream_protocol::{FrameDecoder, decode_request, decode_response};

use crate::support::{Fixture, fixtures};

/// Decodes a payload in both directions.
fn decode(operation: u8, payload: &Bytes) {
    if let Err(error) = decode_request(operation, payload) {
        let sentence = error.to_string();
        assert!(sentence.ends_with('.'), "not a sentence: {sentence}");
    }
    if let Err(error) = decode_response(operation, payload) {
        let sentence = error.to_string();
        assert!(sentence.ends_with('.'), "not a sentence: {sentence}");
    }
}

/// Takes all frames out of these bytes and decodes them.
fn run(bytes: &[u8]) {
    let mut buf = BytesMut::from(bytes);
    let mut decoder = FrameDecoder::new(64 * 1024);
    while let Ok(Some(incoming)) = decoder.next_frame(&mut buf) {
        if let Incoming::Frame(frame) = incoming {
            decode(frame.operation, &frame.payload);
        }
    }
}

#[test]
fn a_damaged_byte_at_any_position_does_no_harm() {
    for fixture in fixtures() {
        let mut bytes = fixture.bytes.clone();
        for at in 0..bytes.len() {
            let original = bytes[at];
            let flips = (0..8).map(|bit| original ^ (1 << bit));
            // The heads of long, indefinite, and odd items.
            let heads = [0x1b, 0x3b, 0x5b, 0x5f, 0x7b, 0x7f, 0x9b, 0x9f, 0xbb, 0xbf];
            let odd = [0x00, 0x1c, 0xc1, 0xf6, 0xf8, 0xf9, 0xfb, 0xff];
            for damaged in flips.chain(heads).chain(odd) {
                bytes[at] = damaged;
                run(&bytes);
            }
            bytes[at] = original;
        }
    }
}

#[test]
fn a_payload_cut_at_any_position_does_no_harm() {
    for fixture in fixtures() {
        let frame = fixture.frame();
        for end in 0..frame.payload.len() {
            run(&Fixture::reframed(frame.operation, &frame.payload[..end]));
        }
    }
}

#[test]
fn a_cut_request_keeps_its_id_if_the_cut_is_behind_it() {
    for fixture in fixtures().into_iter().filter(|fixture| fixture.from_client) {
        let frame = fixture.frame();
        let request = decode_request(frame.operation, &frame.payload).unwrap();
        let id = request.request_id.as_str().as_bytes();
        // All SDKs put the id first.
        let id_end = frame
            .payload
            .windows(id.len())
            .position(|window| window == id)
            .unwrap()
            + id.len();
        for end in 0..frame.payload.len() {
            let error = decode_request(frame.operation, &frame.payload.slice(..end)).unwrap_err();
            let expected = (end >= id_end).then(|| request.request_id.clone());
            assert_eq!(error.request_id, expected, "{} at {end}", fixture.name);
        }
    }
}

#[test]
fn splices_of_frames_do_no_harm() {
    let fixtures = fixtures();
    // A fixed sequence (xorshift), so that a failure can be repeated.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(limit).unwrap()).unwrap()
    };
    for _ in 0..20_000 {
        let head = fixtures[below(fixtures.len())].frame();
        let tail = fixtures[below(fixtures.len())].frame();
        let mut payload = head.payload[..below(head.payload.len())].to_vec();
        payload.extend_from_slice(&tail.payload[below(tail.payload.len())..]);
        let at = below(payload.len());
        payload[at] = u8::try_from(below(256)).unwrap();
        decode(head.operation, &Bytes::from(payload));
    }
}
