//! Takes the bytes of a broker apart.

use crate::{Incoming, Malformed, Version};

/// What has arrived and is not yet taken apart. It holds one packet of the largest size and what came with
/// its end.
#[derive(Debug)]
pub struct Parser {
    /// The largest packet that is taken, in bytes behind its fixed header.
    largest: usize,
    buffer: Vec<u8>,
    /// Where what is not yet parsed begins.
    start: usize,
}

impl Parser {
    /// A parser that refuses packets of more than `largest` bytes.
    pub fn new(largest: usize) -> Self {
        Self {
            largest,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// Takes what has come.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next packet; none if more bytes are needed for it.
    ///
    /// # Errors
    ///
    /// What has come is not MQTT, and nothing behind it can be read.
    pub fn next(&mut self, version: Version) -> Result<Option<Incoming>, Malformed> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        match split(rest, self.largest)? {
            Some((first, content, length)) => {
                let incoming = Incoming::read(version, first, content)?;
                self.start += length;
                Ok(Some(incoming))
            }
            None => {
                self.buffer.drain(..self.start);
                self.start = 0;
                Ok(None)
            }
        }
    }
}

/// The first byte of a packet, what is behind its fixed header, and its whole length.
type Split<'a> = (u8, &'a [u8], usize);

/// Takes the first packet apart (MQTT 5, section 2.1); none if it is not there whole.
fn split(bytes: &[u8], largest: usize) -> Result<Option<Split<'_>>, Malformed> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    // Only packets that carry messages have flags (section 2.1.3).
    if first & 0x0f != 0 && first >> 4 != 3 {
        return Err(Malformed::Broken("it sends packets that do not exist"));
    }
    let mut length = 0_usize;
    for place in 0..4_usize {
        let Some(byte) = rest.get(place) else {
            return Ok(None);
        };
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            if length > largest {
                return Err(Malformed::TooLarge(largest));
            }
            let content = rest.get(place + 1..).and_then(|rest| rest.get(..length));
            return Ok(content.map(|content| (first, content, place + 2 + length)));
        }
    }
    Err(Malformed::Broken("a packet of it has no right length"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Received;

    #[test]
    fn packets_are_found_however_their_bytes_are_cut() {
        let bytes = b"\x20\x02\x00\x05\x90\x04\x00\x01\x01\x80\xd0\x00\
                      \x33\x08\x00\x01t\x00\x07abc\x30\x03\x00\x01t";
        let mut parser = Parser::new(1 << 10);
        let mut found = Vec::new();
        for byte in bytes {
            parser.feed(&[*byte]);
            while let Some(incoming) = parser.next(Version::V3).unwrap() {
                found.push(incoming);
            }
        }
        assert!(parser.buffer.is_empty(), "{parser:?}");
        let message = |id, retained, payload: &[u8]| {
            Incoming::Message(Received {
                topic: "t".into(),
                id,
                retained,
                payload: payload.to_vec(),
            })
        };
        assert!(matches!(&found[0], Incoming::Refused(code) if code.number == 5));
        assert_eq!(
            found[1..],
            [
                Incoming::Subscribed(vec![1, 0x80]),
                Incoming::Other,
                message(Some(7), true, b"abc"),
                message(None, false, b""),
            ]
        );
    }

    #[test]
    fn what_is_not_mqtt_is_refused_and_never_grows() {
        for version in [Version::V3, Version::V5] {
            for bytes in [
                &b"HTTP/1.1 400 Bad Request\r\n"[..],
                &[0x20, 1, 0],
                &[0x20, 0],
                &[0x40, 1, 0],
                &[0x20, 0xff, 0xff, 0xff, 0xff],
                &[0x30, 0xff, 0xff, 0xff, 0x7f],
                &[0x30, 0xff, 0xff, 0xff, 0xff, 0x01],
                &[0x00, 0],
            ] {
                let mut parser = Parser::new(64 << 10);
                parser.feed(bytes);
                assert!(parser.next(version).is_err(), "{bytes:?}");
            }
        }
    }

    #[test]
    fn the_largest_packet_is_taken_and_a_larger_one_is_not() {
        let mut parser = Parser::new(200);
        parser.feed(&[0xd0, 0xc8, 1]);
        parser.feed(&[0; 200]);
        assert_eq!(parser.next(Version::V5), Ok(Some(Incoming::Other)));
        parser.feed(&[0xd0, 0xc9, 1]);
        let error = parser.next(Version::V5).unwrap_err();
        assert_eq!(error.to_string(), "a packet of it is larger than 200 bytes");
    }
}
