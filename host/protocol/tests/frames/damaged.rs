//! Every recorded frame with each of its small damages, and cut at every place.

use millstream_protocol::decode_request;

use crate::properties::{request, response};
use crate::support::fixtures;

/// Decodes a payload in both directions.
fn decode(operation: u8, payload: &[u8]) {
    request(operation, payload);
    response(operation, payload);
}

#[test]
fn a_damaged_byte_at_any_position_does_no_harm() {
    for fixture in fixtures() {
        let frame = fixture.frame();
        let mut payload = frame.payload.to_vec();
        for at in 0..payload.len() {
            let original = payload[at];
            let flips = (0..8).map(|bit| original ^ (1 << bit));
            // The heads of long, indefinite, and odd items.
            let heads = [0x1b, 0x3b, 0x5b, 0x5f, 0x7b, 0x7f, 0x9b, 0x9f, 0xbb, 0xbf];
            let odd = [0x00, 0x1c, 0xc1, 0xf6, 0xf8, 0xf9, 0xfb, 0xff];
            for damaged in flips.chain(heads).chain(odd) {
                payload[at] = damaged;
                decode(frame.operation, &payload);
            }
            payload[at] = original;
        }
    }
}

#[test]
fn a_payload_cut_at_any_position_does_no_harm() {
    for fixture in fixtures() {
        let frame = fixture.frame();
        for end in 0..frame.payload.len() {
            decode(frame.operation, &frame.payload[..end]);
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
