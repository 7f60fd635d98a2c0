//! What a broker says.

use std::fmt;

use mqtt_protocol_core::mqtt::packet::{Property, v5_0};
use mqtt_protocol_core::mqtt::result_code::MqttError;

use crate::{Malformed, Version};

/// What a broker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// We are let in.
    Accepted(Granted),
    /// We are not.
    Refused(Code),
    /// A message is taken, or not, by its packet identifier.
    Acknowledged(u16, Code),
    /// The broker ends the connection and says why (version 5).
    Disconnected(Code),
    /// What became of each subscription, in order (3.1.1): below 0x80 it is made.
    Subscribed(Vec<u8>),
    /// A message (3.1.1).
    Message(Received),
    /// Something that means nothing here. With version 5, in which nobody subscribes, that is so of messages
    /// and of the answers to subscriptions.
    Other,
}

/// What a broker takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Messages under way at once.
    pub receive_maximum: u16,
    /// Bytes of a packet.
    pub maximum_packet_size: Option<u32>,
    /// Whether it takes messages with quality of service 1.
    pub qos_1: bool,
    /// Whether it retains messages.
    pub retain: bool,
}

/// A message of a topic that was subscribed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Where it was published.
    pub topic: String,
    /// By which it is acknowledged; none with quality of service 0.
    pub id: Option<u16>,
    /// Whether it is an old one, which the broker has kept.
    pub retained: bool,
    /// The message itself.
    pub payload: Vec<u8>,
}

/// A code, and the words that the broker may have added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The version that it is of.
    pub version: Version,
    /// As the packet has it.
    pub number: u8,
    /// The broker's own, in version 5.
    pub words: Option<String>,
}

impl Code {
    fn new(version: Version, number: u8, words: Option<String>) -> Self {
        Self {
            version,
            number,
            words,
        }
    }
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

impl Incoming {
    /// Reads a packet: its first byte, and what is behind its fixed header.
    pub(crate) fn read(version: Version, first: u8, content: &[u8]) -> Result<Self, Malformed> {
        match (first >> 4, version) {
            (2, _) => Self::read_connack(version, content),
            (3, Version::V3) => read_message(first, content)
                .map(Self::Message)
                .ok_or(Malformed::Broken("a message of it cannot be read")),
            (4, _) => Self::read_puback(version, content),
            (9, Version::V3) => match content {
                [_, _, codes @ ..] => Ok(Self::Subscribed(codes.to_vec())),
                _ => Err(Malformed::Broken(
                    "its answer to a subscription is too short",
                )),
            },
            (14, Version::V5) => {
                let words = v5_0::Disconnect::parse(content).ok();
                let words = words.and_then(|(packet, _)| words_in(packet.props().as_deref()));
                let number = content.first().copied().unwrap_or(0);
                Ok(Self::Disconnected(Code::new(version, number, words)))
            }
            (0, _) => Err(Malformed::Broken("it sends packets that do not exist")),
            _ => Ok(Self::Other),
        }
    }

    fn read_connack(version: Version, content: &[u8]) -> Result<Self, Malformed> {
        let [_, number, ..] = *content else {
            return Err(Malformed::Broken(
                "its answer to our introduction is too short",
            ));
        };
        match (version, number) {
            (Version::V3, 0) => Ok(Self::Accepted(Granted {
                receive_maximum: u16::MAX,
                maximum_packet_size: None,
                qos_1: true,
                retain: true,
            })),
            (Version::V3, _) => Ok(Self::Refused(Code::new(version, number, None))),
            (Version::V5, _) => {
                let packet = v5_0::Connack::parse(content).ok().map(|(packet, _)| packet);
                match packet {
                    Some(packet) if number == 0 => Ok(Self::Accepted(granted(packet.props()))),
                    None if number == 0 => Err(Malformed::Broken(
                        "its answer to our introduction cannot be read",
                    )),
                    packet => {
                        let words =
                            packet.and_then(|packet| words_in(Some(packet.props().as_slice())));
                        Ok(Self::Refused(Code::new(version, number, words)))
                    }
                }
            }
        }
    }

    fn read_puback(version: Version, content: &[u8]) -> Result<Self, Malformed> {
        let [high, low, ref rest @ ..] = *content else {
            return Err(Malformed::Broken("an acknowledgement of it is too short"));
        };
        let id = u16::from_be_bytes([high, low]);
        let (number, words) = match version {
            Version::V3 => (0, None),
            Version::V5 => {
                let packet = v5_0::Puback::parse(content).ok();
                let words = packet.and_then(|(packet, _)| words_in(packet.props().as_deref()));
                (rest.first().copied().unwrap_or(0), words)
            }
        };
        Ok(Self::Acknowledged(id, Code::new(version, number, words)))
    }
}

/// A message of 3.1.1 (section 3.3); the codec would copy it once more.
fn read_message(first: u8, content: &[u8]) -> Option<Received> {
    let (length, rest) = content.split_at_checked(2)?;
    let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
    let (topic, rest) = rest.split_at_checked(length)?;
    let (id, payload) = match first >> 1 & 3 {
        0 => (None, rest),
        // Nobody here asks for more than 1.
        1 => {
            let (id, payload) = rest.split_at_checked(2)?;
            (Some(u16::from_be_bytes(id.try_into().ok()?)), payload)
        }
        _ => return None,
    };
    Some(Received {
        topic: String::from_utf8(topic.to_vec()).ok()?,
        id,
        retained: first & 1 == 1,
        payload: payload.to_vec(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet with a length of one byte.
    fn one(version: Version, bytes: &[u8]) -> Incoming {
        Incoming::read(version, bytes[0], &bytes[2..]).unwrap()
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
    fn what_is_cut_short_is_refused() {
        for (version, first, content) in [
            (Version::V5, 0x20, &[0, 0, 9][..]),
            (Version::V5, 0x20, &[0]),
            (Version::V3, 0x90, &[0]),
            (Version::V3, 0x40, &[0]),
            (Version::V3, 0x32, &[0, 9]),
            (Version::V3, 0x32, &[0, 1, b't', 0]),
            // A quality of service that nobody has asked for.
            (Version::V3, 0x34, &[0, 1, b't', 0, 1]),
        ] {
            assert!(Incoming::read(version, first, content).is_err());
        }
    }
}
