//! Random damage, of the bytes and of the CBOR in them.

use std::ops::Range;

use fastrand::Rng;
use minicbor::Decoder;

/// Arguments of items at the bounds of something.
const ARGUMENTS: [u64; 20] = [
    0,
    1,
    10,
    23,
    24,
    255,
    256,
    500,
    501,
    1023,
    1024,
    59_999,
    65_535,
    5_242_880,
    i32::MAX.unsigned_abs() as u64,
    u32::MAX as u64,
    9_223_372_036_854,
    i64::MAX.unsigned_abs(),
    i64::MAX.unsigned_abs() + 1,
    u64::MAX,
];

const FLOATS: [f64; 12] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1024.0,
    60_000.0,
    9_007_199_254_740_992.0,
    9_223_372_036_854_775_808.0,
    f64::INFINITY,
    f64::NAN,
    f64::MAX,
];

const TEXTS: [&[u8]; 6] = [b"", b"\xc3\xa9", b"\xff\xfe", b"..", b"1.0.0", b"requestId"];

/// Damages a payload in one to four ways. `other` is another payload, of which parts may be taken.
pub(crate) fn mutate(payload: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    for _ in 0..rng.u8(1..=4) {
        if rng.u8(..4) == 0 {
            damage_bytes(payload, other, rng);
        } else {
            damage_items(payload, other, rng);
        }
    }
}

/// Damage that knows nothing of what the bytes mean.
pub(crate) fn damage_bytes(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let Some(at) = place(bytes.len(), rng) else {
        return;
    };
    match rng.u8(..6) {
        0 => bytes[at] ^= 1 << rng.u8(..8),
        1 => bytes[at] = rng.u8(..),
        2 => bytes.truncate(at),
        3 => bytes.insert(at, rng.u8(..)),
        4 => {
            let end = (at + rng.usize(1..9)).min(bytes.len());
            bytes.drain(at..end);
        }
        _ => {
            let from = rng.usize(..=other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}

/// Damage to one of the items of a payload.
fn damage_items(payload: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let heads = heads(payload);
    let Some(&Head { at, len, major }) = rng.choice(&heads) else {
        return;
    };
    let head = at..at + len;
    let item = item(payload, at);
    match rng.u8(..12) {
        // Another kind of item, or another size.
        0 => payload[at] = payload[at] & 0x1f | rng.u8(..8) << 5,
        1 => {
            let argument = *rng.choice(&ARGUMENTS).unwrap();
            let narrowest = argument_width(argument);
            let widths = [1, 2, 4, 8];
            let widths = widths.iter().filter(|width| **width >= narrowest);
            let width = *rng.choice(widths.collect::<Vec<_>>()).unwrap();
            replace(payload, head, &head_of(major, argument, width));
        }
        // The same item without a length of its own, closed or not.
        2 => {
            payload.insert(item.end, 0xff);
            replace(payload, head, &[major << 5 | 31]);
            if matches!(major, 2 | 3) {
                // Its bytes are one chunk.
                let chunk = head_of(major, item.end as u64 - at as u64 - len as u64, 8);
                replace(payload, at + 1..at + 1, &chunk);
            }
        }
        3 => replace(payload, head, &[major << 5 | 31]),
        4 => {
            let number = rng.choice(FLOATS).unwrap();
            replace(payload, item, &float(number, rng));
        }
        // Null, undefined, true, false, other simple values, a break.
        5 => replace(payload, item, &[rng.u8(0xf3..=0xff)]),
        6 => {
            let opener = rng.choice([0x81, 0x9f, 0xa1, 0xbf, 0xc1, 0xd8]).unwrap();
            let openers = vec![opener; rng.usize(1..40)];
            replace(payload, at..at, &openers);
        }
        // An item and its neighbour, twice; or items of another payload.
        7 => {
            let end = self::item(payload, item.end.min(payload.len())).end;
            let pair = payload[at..end].to_vec();
            replace(payload, at..at, &pair);
        }
        8 => {
            if let Some(from) = rng.choice(self::heads(other)) {
                let from = self::item(other, from.at);
                replace(payload, item, &other[from]);
            }
        }
        9 => drop(payload.drain(item)),
        // A key that nobody knows, in a map that knows of it.
        10 => {
            if matches!(payload[at], 0xa0..=0xb6 | 0xbf) {
                payload[at] += u8::from(payload[at] != 0xbf);
                replace(payload, at + 1..at + 1, &[0x62, b'z', b'z', rng.u8(..24)]);
            }
        }
        _ => {
            let text = rng.choice(TEXTS).unwrap();
            let text = [&head_of(3, text.len() as u64, 1), text].concat();
            replace(payload, item, &text);
        }
    }
}

fn replace(bytes: &mut Vec<u8>, range: Range<usize>, with: &[u8]) {
    bytes.splice(range, with.iter().copied());
}

fn place(len: usize, rng: &mut Rng) -> Option<usize> {
    (len > 0).then(|| rng.usize(..len))
}

/// The head of an item.
struct Head {
    at: usize,
    /// Its length, in bytes.
    len: usize,
    /// Its major type.
    major: u8,
}

/// The heads of all items, as far as they can be told.
fn heads(payload: &[u8]) -> Vec<Head> {
    let mut heads = Vec::new();
    let mut at = 0;
    while let Some(&first) = payload.get(at) {
        let major = first >> 5;
        let width = match first & 0x1f {
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => 0,
        };
        let len = (1 + width).min(payload.len() - at);
        heads.push(Head { at, len, major });
        at = match major {
            // Over the bytes of a text; into all that holds other items.
            2 | 3 if first & 0x1f != 31 => item(payload, at).end.max(at + len),
            _ => at + len,
        };
    }
    heads
}

/// The item that begins at `at`, as far as it goes.
fn item(payload: &[u8], at: usize) -> Range<usize> {
    let mut decoder = Decoder::new(&payload[at..]);
    match decoder.skip() {
        Ok(()) => at..at + decoder.position(),
        Err(_) => at..payload.len(),
    }
}

/// The fewest bytes that hold an argument.
fn argument_width(argument: u64) -> usize {
    match argument {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    }
}

/// A head whose argument takes `width` bytes.
fn head_of(major: u8, argument: u64, width: usize) -> Vec<u8> {
    let info = match width {
        1 => 24,
        2 => 25,
        4 => 26,
        _ => 27,
    };
    let mut head = vec![major << 5 | info];
    head.extend_from_slice(&argument.to_be_bytes()[8 - width..]);
    head
}

fn float(number: f64, rng: &mut Rng) -> Vec<u8> {
    if rng.bool() {
        return [&[0xfb][..], &number.to_be_bytes()].concat();
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whatever comes of it is a number too"
    )]
    let single = number as f32;
    [&[0xfa][..], &single.to_be_bytes()].concat()
}
