//! The packets of MQTT, both versions alike.
//!
//! Packets are written and read by the codec of `mqtt-protocol-core`. Its state machine stays unused: what
//! it keeps beyond a codec (sessions, subscriptions, QoS 2) is not needed here. Codes are read before the
//! codec sees them, since brokers send some that the standard does not list for a packet, and one that
//! knows only 3.1.1 answers in that version to whoever offers another.

use std::fmt;

use millstream_plugin::Message;
use mqtt_protocol_core::mqtt::packet::{Property, Qos, UserProperty, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use serde::Deserialize;
use serde_json::Value;

/// The largest packet that is taken from a broker, in bytes.
const MAX_PACKET: usize = 64 << 10;

/// The version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) enum Version {
    /// 3.1.1
    V3,
    /// 5
    #[default]
    V5,
}

impl TryFrom<Value> for Version {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match (value.as_str(), value.as_u64()) {
            (Some("5"), _) | (_, Some(5)) => Ok(Self::V5),
            (Some("3.1.1"), _) => Ok(Self::V3),
            _ => Err(format!("{value} is no version; give \"5\" or \"3.1.1\"")),
        }
    }
}

/// What a broker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// We are let in.
    Accepted(Granted),
    /// We are not.
    Refused(Code),
    /// A message is taken, or not, by its packet identifier.
    Acknowledged(u16, Code),
    /// The broker ends the connection and says why (version 5).
    Disconnected(Code),
    /// Something that means nothing here.
    Other,
}

/// What a broker takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Granted {
    /// Messages under way at once.
    pub(crate) receive_maximum: u16,
    /// Bytes of a packet.
    pub(crate) maximum_packet_size: Option<u32>,
    pub(crate) qos_1: bool,
    pub(crate) retain: bool,
}

/// A code, and the words that the broker may have added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) version: Version,
    pub(crate) number: u8,
    pub(crate) words: Option<String>,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.version, MqttError::try_from(self.number)) {
            (Version::V5, Ok(name)) => write!(f, "{name} (0x{:02x})", self.number)?,
            _ => write!(f, "code 0x{:02x}", self.number)?,
        }
        match self.words.as_deref() {
            Some(words) if !words.is_empty() => write!(f, ", {words}"),
            _ => Ok(()),
        }
    }
}

/// What is not the protocol; the end of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// How a client introduces itself.
#[derive(Debug)]
pub(crate) struct Introduction<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) keep_alive: u16,
    pub(crate) user: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
}

/// A message as it is published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Publish<'a> {
    pub(crate) id: u16,
    pub(crate) topic: &'a str,
    pub(crate) retain: bool,
    pub(crate) stream: &'a str,
    pub(crate) message: &'a Message,
}

impl Version {
    /// The packet with which a connection begins: without a session, since what is not acknowledged is
    /// published anew.
    pub(crate) fn connect(self, who: &Introduction<'_>) -> Result<Vec<u8>, MqttError> {
        macro_rules! packet {
            ($version:ident, $clean:ident) => {{
                let mut packet = $version::Connect::builder()
                    .client_id(who.client_id)?
                    .$clean(true)
                    .keep_alive(who.keep_alive);
                if let Some(user) = who.user {
                    packet = packet.user_name(user)?;
                }
                if let Some(password) = who.password {
                    packet = packet.password(password)?;
                }
                Ok(packet.build()?.to_continuous_buffer())
            }};
        }
        match self {
            Self::V3 => packet!(v3_1_1, clean_session),
            Self::V5 => packet!(v5_0, clean_start),
        }
    }

    /// The packet of a message. Version 5 carries stream and sequence number along, by which a receiver
    /// knows a repeat.
    pub(crate) fn publish(self, publish: &Publish<'_>) -> Result<Vec<u8>, MqttError> {
        let payload = publish.message.payload.as_slice();
        match self {
            Self::V3 => Ok(v3_1_1::Publish::builder()
                .topic_name(publish.topic)?
                .qos(Qos::AtLeastOnce)
                .retain(publish.retain)
                .packet_id(publish.id)
                .payload(payload)
                .build()?
                .to_continuous_buffer()),
            Self::V5 => {
                let number = publish.message.sequence_number.to_string();
                let properties: Vec<Property> = vec![
                    UserProperty::new("millstream-stream", publish.stream)?.into(),
                    UserProperty::new("millstream-sequence-number", number)?.into(),
                ];
                Ok(v5_0::Publish::builder()
                    .topic_name(publish.topic)?
                    .qos(Qos::AtLeastOnce)
                    .retain(publish.retain)
                    .packet_id(publish.id)
                    .props(properties)
                    .payload(payload)
                    .build()?
                    .to_continuous_buffer())
            }
        }
    }

    fn read(self, kind: u8, content: &[u8]) -> Result<Incoming, Malformed> {
        match kind {
            2 => self.read_connack(content),
            4 => self.read_puback(content),
            14 if self == Self::V5 => {
                let words = v5_0::Disconnect::parse(content).ok();
                let words = words.and_then(|(packet, _)| words_in(packet.props().as_deref()));
                let number = content.first().copied().unwrap_or(0);
                Ok(Incoming::Disconnected(self.code(number, words)))
            }
            0 => Err(Malformed("it sends packets that do not exist")),
            _ => Ok(Incoming::Other),
        }
    }

    fn read_connack(self, content: &[u8]) -> Result<Incoming, Malformed> {
        let [_, number, ..] = *content else {
            return Err(Malformed("its answer to our introduction is too short"));
        };
        match (self, number) {
            (Self::V3, 0) => Ok(Incoming::Accepted(Granted {
                receive_maximum: u16::MAX,
                maximum_packet_size: None,
                qos_1: true,
                retain: true,
            })),
            (Self::V3, _) => Ok(Incoming::Refused(self.code(number, None))),
            (Self::V5, _) => {
                let packet = v5_0::Connack::parse(content).ok().map(|(packet, _)| packet);
                match packet {
                    Some(packet) if number == 0 => Ok(Incoming::Accepted(granted(packet.props()))),
                    None if number == 0 => {
                        Err(Malformed("its answer to our introduction cannot be read"))
                    }
                    packet => {
                        let words =
                            packet.and_then(|packet| words_in(Some(packet.props().as_slice())));
                        Ok(Incoming::Refused(self.code(number, words)))
                    }
                }
            }
        }
    }

    fn read_puback(self, content: &[u8]) -> Result<Incoming, Malformed> {
        let [high, low, ref rest @ ..] = *content else {
            return Err(Malformed("an acknowledgement of it is too short"));
        };
        let id = u16::from_be_bytes([high, low]);
        let (number, words) = match self {
            Self::V3 => (0, None),
            Self::V5 => {
                let packet = v5_0::Puback::parse(content).ok();
                let words = packet.and_then(|(packet, _)| words_in(packet.props().as_deref()));
                (rest.first().copied().unwrap_or(0), words)
            }
        };
        Ok(Incoming::Acknowledged(id, self.code(number, words)))
    }

    fn code(self, number: u8, words: Option<String>) -> Code {
        Code {
            version: self,
            number,
            words,
        }
    }
}

fn granted(properties: &[Property]) -> Granted {
    let mut granted = Granted {
        // What holds where a broker says nothing (MQTT 5, section 3.2.2.3).
        receive_maximum: u16::MAX,
        maximum_packet_size: None,
        qos_1: true,
        retain: true,
    };
    for property in properties {
        match property {
            Property::ReceiveMaximum(value) => granted.receive_maximum = value.val().max(1),
            Property::MaximumPacketSize(value) => granted.maximum_packet_size = Some(value.val()),
            Property::MaximumQos(value) => granted.qos_1 = value.val() > 0,
            Property::RetainAvailable(value) => granted.retain = value.val() > 0,
            _ => {}
        }
    }
    granted
}

fn words_in(properties: Option<&[Property]>) -> Option<String> {
    properties?.iter().find_map(|property| match property {
        Property::ReasonString(words) => Some(words.val().to_owned()),
        _ => None,
    })
}

/// Takes the bytes of a broker apart.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    buffer: Vec<u8>,
    /// Where what is not yet parsed begins.
    start: usize,
}

impl Parser {
    /// Takes what has come.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next packet; none if more bytes are needed for it.
    pub(crate) fn next(&mut self, version: Version) -> Result<Option<Incoming>, Malformed> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        match split(rest)? {
            Some((kind, content, length)) => {
                let incoming = version.read(kind, content)?;
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

/// The kind of a packet, what is behind its fixed header, and its whole length.
type Split<'a> = (u8, &'a [u8], usize);

/// Takes the first packet apart (MQTT 5, section 2.1); none if it is not there whole.
fn split(bytes: &[u8]) -> Result<Option<Split<'_>>, Malformed> {
    let Some((first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    // Only packets that carry messages have flags (section 2.1.3).
    if first & 0x0f != 0 && first >> 4 != 3 {
        return Err(Malformed("it sends packets that do not exist"));
    }
    let mut length = 0_usize;
    for place in 0..4_usize {
        let Some(byte) = rest.get(place) else {
            return Ok(None);
        };
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            if length > MAX_PACKET {
                return Err(Malformed("a packet of it is larger than any answer to us"));
            }
            let content = rest.get(place + 1..).and_then(|rest| rest.get(..length));
            return Ok(content.map(|content| (first >> 4, content, place + 2 + length)));
        }
    }
    Err(Malformed("a packet of it has no right length"))
}

/// Whether one can publish to a topic; a sentence if not (MQTT 5, section 4.7).
pub(crate) fn check_topic(topic: &str) -> Result<(), String> {
    let why = match topic {
        "" => "it is empty",
        topic if topic.len() > 65_535 => "it has more than 65535 bytes",
        topic if topic.contains(['#', '+']) => "it has a wildcard",
        topic if topic.chars().any(char::is_control) => "it has a control character",
        _ => return Ok(()),
    };
    let shown: String = topic.chars().take(100).collect();
    Err(format!("`{shown}` is no topic to publish to: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(version: Version, bytes: &[u8]) -> Result<Vec<Incoming>, Malformed> {
        let mut parser = Parser::default();
        let mut found = Vec::new();
        // However the bytes are cut.
        for byte in bytes {
            parser.feed(&[*byte]);
            while let Some(incoming) = parser.next(version)? {
                found.push(incoming);
            }
        }
        Ok(found)
    }

    fn one(version: Version, bytes: &[u8]) -> Incoming {
        let mut found = parse(version, bytes).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    #[test]
    fn a_broker_says_what_it_takes() {
        let bytes = [
            0x20, 15, 0, 0, 12, 0x21, 0, 7, 0x27, 0, 0, 4, 0, 0x25, 0, 0x24, 0,
        ];
        let Incoming::Accepted(granted) = one(Version::V5, &bytes) else {
            panic!("not accepted")
        };
        assert_eq!(granted.receive_maximum, 7);
        assert_eq!(granted.maximum_packet_size, Some(1024));
        assert!(!granted.qos_1 && !granted.retain);
        let Incoming::Accepted(granted) = one(Version::V3, &[0x20, 2, 0, 0]) else {
            panic!("not accepted")
        };
        assert_eq!(
            (granted.receive_maximum, granted.maximum_packet_size),
            (u16::MAX, None)
        );
    }

    #[test]
    fn codes_are_read_whatever_the_standard_says_of_them() {
        let code = |incoming| match incoming {
            Incoming::Refused(code) | Incoming::Disconnected(code) => (0, code.number),
            Incoming::Acknowledged(id, code) => (id, code.number),
            other => panic!("{other:?}"),
        };
        for (version, bytes, expected) in [
            (Version::V3, &[0x20, 2, 0, 5][..], (0, 5)),
            (Version::V5, &[0x20, 3, 0, 0x87, 0], (0, 0x87)),
            // A broker that knows only 3.1.1.
            (Version::V5, &[0x20, 2, 0, 1], (0, 1)),
            (Version::V3, &[0x40, 2, 1, 2], (0x102, 0)),
            (Version::V5, &[0x40, 2, 1, 2], (0x102, 0)),
            (Version::V5, &[0x40, 3, 1, 2, 0x97], (0x102, 0x97)),
            // Packet too large, which is none of the codes of this packet.
            (Version::V5, &[0x40, 4, 1, 2, 0x95, 0], (0x102, 0x95)),
            (Version::V5, &[0xe0, 1, 0x8b], (0, 0x8b)),
            (Version::V5, &[0xe0, 0], (0, 0)),
        ] {
            assert_eq!(code(one(version, bytes)), expected, "{bytes:?}");
        }
        assert_eq!(one(Version::V5, &[0xd0, 0]), Incoming::Other);
    }

    #[test]
    fn a_code_is_shown_with_its_name_and_the_words_of_the_broker() {
        let bytes = [0x40, 10, 0, 1, 0x97, 6, 0x1f, 0, 3, b'b', b'u', b'y'];
        let Incoming::Acknowledged(1, code) = one(Version::V5, &bytes) else {
            panic!("not acknowledged")
        };
        assert_eq!(code.to_string(), "QuotaExceeded (0x97), buy");
    }

    #[test]
    fn what_is_not_mqtt_is_refused_and_never_grows() {
        for bytes in [
            &b"HTTP/1.1 400"[..],
            &[0x20, 1, 0],
            &[0x40, 1, 0],
            &[0x20, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0xff, 0xff, 0xff, 0x7f],
            &[0x00, 0],
        ] {
            assert!(parse(Version::V5, bytes).is_err(), "{bytes:?}");
        }
        assert!(parse(Version::V5, &[0x20, 3, 0, 0, 9]).is_err());
    }

    #[test]
    fn packets_are_those_of_the_standard() {
        let who = Introduction {
            client_id: "c",
            keep_alive: 60,
            user: Some("u"),
            password: Some("p"),
        };
        let connect = Version::V3.connect(&who).unwrap();
        let expected = b"\x10\x13\0\x04MQTT\x04\xc2\0\x3c\0\x01c\0\x01u\0\x01p";
        assert_eq!(connect, expected);
        let message = Message {
            sequence_number: 7,
            ingest_time: 0,
            payload: b"\0\xff".to_vec(),
        };
        let publish = Publish {
            id: 258,
            topic: "t",
            retain: true,
            stream: "s",
            message: &message,
        };
        let bytes = Version::V3.publish(&publish).unwrap();
        assert_eq!(bytes, b"\x33\x07\0\x01t\x01\x02\0\xff");
        let bytes = Version::V5.publish(&publish).unwrap();
        let expected = b"\x33\x3f\0\x01t\x01\x02\x37\
            \x26\0\x11millstream-stream\0\x01s\x26\0\x1amillstream-sequence-number\0\x017\0\xff";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn topics_with_wildcards_are_none_to_publish_to() {
        assert!(check_topic("plant/7/é").is_ok());
        for topic in ["", "a/#", "+/a", "a\nb", "a\0b", &"x".repeat(70_000)] {
            assert!(check_topic(topic).is_err());
        }
    }
}
