//! Large inputs in the shapes where memory or work would grow faster than the input, if it did
//! anywhere.

use bytes::Bytes;

use crate::properties::{decode_request_within_bounds, decode_response_within_bounds};
use crate::watchdog::Watchdog;

/// How often the parts of a value repeat. Work that grew with its square would take minutes, and a
/// list that doubles as it grows has just done so.
const REPEATS: usize = (1 << 17) + 1;

/// Values of many small parts: a head, the part, and the break that ends them.
const VALUES: [(u8, &[u8]); 18] = [
    (0x9f, &[0]),
    (0x9f, &[0xa0]),
    (0x9f, &[0x60]),
    (0x9f, b"\x61a"),
    (0x9f, b"\xa1\x6aidentifier\x61a"),
    (0x9f, b"\x9f\xbf\xff\xff"),
    (0x7f, b"\x61a"),
    (0x7f, &[0x60]),
    (0x7f, b"\x77abcdefghijklmnopqrstuvw"),
    (0x5f, &[0x41, 1]),
    (0x5f, b"\x57abcdefghijklmnopqrstuvw"),
    (0x5f, &[0x40]),
    (0xbf, &[0x60, 0]),
    (0xbf, b"\x61a\xf6"),
    (0xbf, b"\x69requestId\x61r"),
    (0xbf, b"\x64http\x80"),
    (0xbf, b"\x70exportDefinition\xa0"),
    (0x81, &[0x81]),
];

/// Where the values stand: in which operation, under which keys.
const PLACES: [(u8, &[&str]); 16] = [
    (1, &["requestId"]),
    (1, &["otherSupportedProtocolVersions"]),
    (1, &["authToken"]),
    (2, &["definition"]),
    (2, &["definition", "exportDefinition"]),
    (2, &["definition", "exportDefinition", "IotSitewise"]),
    (4, &["name"]),
    (4, &["payload"]),
    (5, &["readMessagesOptions"]),
    (6, &["supportedProtocolVersions"]),
    (10, &["messages"]),
    (12, &["streams"]),
    (14, &["messageStreamInfo", "storageStatus"]),
    (14, &["messageStreamInfo", "exportStatuses"]),
    (99, &["unknown"]),
    (11, &["unknown"]),
];

/// Decodes an input that begins with an operation code, as the side that gets it.
fn decode(input: &[u8]) {
    if let Some((&operation, payload)) = input.split_first() {
        let payload = Bytes::copy_from_slice(payload);
        let _ = decode_request_within_bounds(operation, &payload);
        let _ = decode_response_within_bounds(operation, &payload);
    }
}

#[test]
fn many_small_parts_take_little_memory_and_come_to_an_end() {
    let watchdog = Watchdog::new();
    for (operation, keys) in PLACES {
        for (head, part) in VALUES {
            let mut input = vec![operation];
            for key in keys {
                input.extend_from_slice(&[0xbf, 0x78, u8::try_from(key.len()).unwrap()]);
                input.extend_from_slice(key.as_bytes());
            }
            input.push(head);
            input.extend_from_slice(&part.repeat(REPEATS));
            input.push(0xff);
            input.extend_from_slice(&vec![0xff; keys.len()]);
            watchdog.run("decode", decode, &input);
        }
    }
}
