//! What a client says.

use mqtt_protocol_core::mqtt::packet::{
    Property, Qos, SubEntry, SubOpts, UserProperty, v3_1_1, v5_0,
};

use crate::{Unwritable, Version};

/// How a client introduces itself.
#[derive(Debug)]
pub struct Introduction<'a> {
    /// By which the broker knows it again.
    pub client_id: &'a str,
    /// What becomes of what the broker kept for it.
    pub session: Session,
    /// The longest time between two packets of it, in seconds.
    pub keep_alive: u16,
    /// Its name, if it has one.
    pub user: Option<&'a str>,
    /// Goes with a name only.
    pub password: Option<&'a str>,
}

/// Subscriptions, and messages on their way, beyond one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// The broker forgets them.
    New,
    /// The broker keeps them while the client is away; with version 5, which wants a time for that, only
    /// until the connection ends.
    Kept,
}

/// A message as it is published, with quality of service 1.
#[derive(Debug, Clone, Copy)]
pub struct Publish<'a> {
    /// By which it is acknowledged; not 0.
    pub id: u16,
    /// See [`check_topic`].
    pub topic: &'a str,
    /// Whether the broker keeps it for who subscribes later.
    pub retain: bool,
    /// What goes along in version 5: names and values.
    pub user_properties: &'a [(&'a str, &'a str)],
    /// The message itself.
    pub payload: &'a [u8],
}

/// Says that we are there (MQTT 5, section 3.12).
pub const PING: [u8; 2] = [0xc0, 0];
/// Says good bye (MQTT 5, section 3.14).
pub const DISCONNECT: [u8; 2] = [0xe0, 0];

impl Version {
    /// The packet with which a connection begins.
    ///
    /// # Errors
    ///
    /// A text is longer than 65,535 bytes, there is a password without a user, or a session is to be kept
    /// for a client without an identifier.
    pub fn connect(self, who: &Introduction<'_>) -> Result<Vec<u8>, Unwritable> {
        macro_rules! packet {
            ($version:ident, $clean:ident) => {{
                let mut packet = $version::Connect::builder()
                    .client_id(who.client_id)?
                    .$clean(who.session == Session::New)
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

    /// The packet of a message.
    ///
    /// # Errors
    ///
    /// The topic is none, or the message is too large for a packet.
    pub fn publish(self, publish: &Publish<'_>) -> Result<Vec<u8>, Unwritable> {
        match self {
            Self::V3 => Ok(v3_1_1::Publish::builder()
                .topic_name(publish.topic)?
                .qos(Qos::AtLeastOnce)
                .retain(publish.retain)
                .packet_id(publish.id)
                .payload(publish.payload)
                .build()?
                .to_continuous_buffer()),
            Self::V5 => {
                let properties = publish.user_properties.iter();
                let properties = properties
                    .map(|(name, value)| Ok(UserProperty::new(*name, *value)?.into()))
                    .collect::<Result<Vec<Property>, Unwritable>>()?;
                Ok(v5_0::Publish::builder()
                    .topic_name(publish.topic)?
                    .qos(Qos::AtLeastOnce)
                    .retain(publish.retain)
                    .packet_id(publish.id)
                    .props(properties)
                    .payload(publish.payload)
                    .build()?
                    .to_continuous_buffer())
            }
        }
    }
}

/// Asks for the messages of topics with quality of service 1, in version 3.1.1.
///
/// # Errors
///
/// There is no topic, or one is longer than 65,535 bytes.
pub fn subscribe<'a>(topics: impl Iterator<Item = &'a str>) -> Result<Vec<u8>, Unwritable> {
    let at_least_once = SubOpts::new().set_qos(Qos::AtLeastOnce);
    let entries = topics
        .map(|topic| SubEntry::new(topic, at_least_once))
        .collect::<Result<Vec<_>, _>>()?;
    let packet = v3_1_1::Subscribe::builder()
        .packet_id(1)
        .entries(entries)
        .build()?;
    Ok(packet.to_continuous_buffer())
}

/// Says that a message is ours now (MQTT 5, section 3.4); the same in both versions.
pub fn acknowledge(id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [0x40, 2, high, low]
}

/// Whether one can publish to a topic (MQTT 5, section 4.7).
///
/// # Errors
///
/// A sentence that says why not.
pub fn check_topic(topic: &str) -> Result<(), String> {
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

    const WHO: Introduction<'_> = Introduction {
        client_id: "id",
        session: Session::Kept,
        keep_alive: 258,
        user: Some("u"),
        password: Some("p"),
    };

    #[test]
    fn an_introduction_is_that_of_the_standard() {
        assert_eq!(
            Version::V3.connect(&WHO).unwrap(),
            b"\x10\x14\x00\x04MQTT\x04\xc0\x01\x02\x00\x02id\x00\x01u\x00\x01p"
        );
        let who = Introduction {
            client_id: "c",
            session: Session::New,
            keep_alive: 60,
            ..WHO
        };
        assert_eq!(
            Version::V3.connect(&who).unwrap(),
            b"\x10\x13\0\x04MQTT\x04\xc2\0\x3c\0\x01c\0\x01u\0\x01p"
        );
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        for who in [
            Introduction {
                client_id: &"x".repeat(70_000),
                ..WHO
            },
            Introduction { user: None, ..WHO },
        ] {
            assert!(Version::V3.connect(&who).is_err());
        }
        let topic = "x".repeat(70_000);
        assert!(subscribe([topic.as_str()].into_iter()).is_err());
        assert!(subscribe([].into_iter()).is_err());
    }

    #[test]
    fn a_message_is_published_as_the_standard_says() {
        let publish = Publish {
            id: 258,
            topic: "t",
            retain: true,
            user_properties: &[("n", "v"), ("n", "w")],
            payload: b"\0\xff",
        };
        let bytes = Version::V3.publish(&publish).unwrap();
        assert_eq!(bytes, b"\x33\x07\0\x01t\x01\x02\0\xff");
        let bytes = Version::V5.publish(&publish).unwrap();
        let expected = b"\x33\x16\0\x01t\x01\x02\x0e\
            \x26\0\x01n\0\x01v\x26\0\x01n\0\x01w\0\xff";
        assert_eq!(bytes, expected);
        let large = [0; 321];
        let publish = Publish {
            payload: &large,
            ..publish
        };
        let bytes = Version::V3.publish(&publish).unwrap();
        assert_eq!(bytes[..3], [0x33, 0xc6, 0x02]);
    }

    #[test]
    fn subscriptions_and_acknowledgements_are_those_of_the_standard() {
        assert_eq!(
            subscribe(["a/#", "b"].into_iter()).unwrap(),
            b"\x82\x0c\x00\x01\x00\x03a/#\x01\x00\x01b\x01"
        );
        assert_eq!(acknowledge(0x0102), [0x40, 2, 1, 2]);
    }

    #[test]
    fn topics_with_wildcards_are_none_to_publish_to() {
        assert!(check_topic("plant/7/é").is_ok());
        for topic in ["", "a/#", "+/a", "a\nb", "a\0b", &"x".repeat(70_000)] {
            assert!(check_topic(topic).is_err());
        }
    }
}
