//! The parts of a request that its messages decide.
//!
//! The numbers of the messages stand in headers, so that a receiver can tell what it has had before:
//! a message may come twice.

use std::borrow::Cow;

use millstream_plugin::Message;

use crate::config::Format;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    /// Headers with the numbers of the first and of the last message; one for both, if it carries one
    /// alone.
    pub(crate) numbers: Vec<(&'static str, u64)>,
    pub(crate) body: Cow<'a, [u8]>,
}

/// Makes requests of the messages of one stream.
#[derive(Debug)]
pub(crate) struct Requests {
    format: Format,
    /// The stream's name as JSON.
    stream_name: String,
}

/// More than what stands around name and payload of a message in JSON: keys and two numbers.
const FRAME_BYTES: usize = 128;

impl Requests {
    pub(crate) fn new(format: Format, stream_name: &str) -> Self {
        Self {
            format,
            stream_name: serde_json::Value::from(stream_name).to_string(),
        }
    }

    /// The request that carries these messages; a raw one carries the first alone. None without a
    /// message.
    pub(crate) fn carrying<'a>(&self, messages: &'a [Message]) -> Option<Request<'a>> {
        let (first, last) = (messages.first()?, messages.last()?);
        Some(match self.format {
            Format::Raw => Request {
                numbers: vec![("x-millstream-sequence-number", first.sequence_number)],
                body: Cow::Borrowed(&first.payload),
            },
            Format::Json => Request {
                numbers: vec![
                    ("x-millstream-first-sequence-number", first.sequence_number),
                    ("x-millstream-last-sequence-number", last.sequence_number),
                ],
                body: Cow::Owned(self.list(messages)),
            },
        })
    }

    /// A JSON list of messages, as section 4.3 of the protocol's specification shows it.
    fn list(&self, messages: &[Message]) -> Vec<u8> {
        let bytes = |message: &Message| {
            self.stream_name.len() + message.payload.len().div_ceil(3) * 4 + FRAME_BYTES
        };
        let mut list = Vec::with_capacity(2 + messages.iter().map(bytes).sum::<usize>());
        let mut number = itoa::Buffer::new();
        for (place, message) in messages.iter().enumerate() {
            list.push(if place == 0 { b'[' } else { b',' });
            list.extend_from_slice(br#"{"streamName":"#);
            list.extend_from_slice(self.stream_name.as_bytes());
            list.extend_from_slice(br#","sequenceNumber":"#);
            list.extend_from_slice(number.format(message.sequence_number).as_bytes());
            list.extend_from_slice(br#","ingestTime":"#);
            list.extend_from_slice(number.format(message.ingest_time).as_bytes());
            list.extend_from_slice(br#","payload":""#);
            base64_simd::STANDARD.encode_append(&message.payload, &mut list);
            list.extend_from_slice(br#""}"#);
        }
        list.push(b']');
        list
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn message(sequence_number: u64, ingest_time: u64, payload: &[u8]) -> Message {
        Message {
            sequence_number,
            ingest_time,
            payload: payload.to_vec(),
        }
    }

    #[test]
    fn a_raw_request_is_the_payload_and_its_number() {
        let messages = [message(7, 1, b"\0\xff\r\n")];
        let request = Requests::new(Format::Raw, "s").carrying(&messages).unwrap();
        assert_eq!(*request.body, *b"\0\xff\r\n");
        assert!(matches!(request.body, Cow::Borrowed(_)));
        assert_eq!(request.numbers, [("x-millstream-sequence-number", 7)]);
    }

    #[test]
    fn a_list_is_written_as_the_specification_shows_it() {
        let messages = [message(1, 2, &[1, 2, 3])];
        let request = Requests::new(Format::Json, "s")
            .carrying(&messages)
            .unwrap();
        assert_eq!(
            str::from_utf8(&request.body).unwrap(),
            r#"[{"streamName":"s","sequenceNumber":1,"ingestTime":2,"payload":"AQID"}]"#
        );
    }

    #[test]
    fn a_list_is_json_and_its_numbers_stand_in_headers() {
        let messages = [
            message(8, 1, b"a"),
            message(9, 2, &[0xff; 100]),
            message(u64::MAX, u64::MAX, b"abc"),
        ];
        let request = Requests::new(Format::Json, "a\"b\\")
            .carrying(&messages)
            .unwrap();
        let list: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let list = list.as_array().unwrap();
        assert_eq!(list.len(), 3);
        for (entry, message) in list.iter().zip(&messages) {
            assert_eq!(entry["streamName"], "a\"b\\");
            assert_eq!(entry["sequenceNumber"], message.sequence_number);
            assert_eq!(entry["ingestTime"], message.ingest_time);
            let payload = STANDARD.decode(entry["payload"].as_str().unwrap());
            assert_eq!(payload.unwrap(), message.payload);
        }
        assert_eq!(
            request.numbers,
            [
                ("x-millstream-first-sequence-number", 8),
                ("x-millstream-last-sequence-number", u64::MAX),
            ]
        );
    }

    #[test]
    fn the_room_of_a_list_is_measured_before_it_is_written() {
        let messages = vec![message(u64::MAX, u64::MAX, &[0xff; 1000]); 50];
        let requests = Requests::new(Format::Json, "s");
        let list = requests.list(&messages);
        assert!(list.len() <= list.capacity() && list.capacity() < list.len() * 11 / 10);
    }
}
