//! The packets of MQTT, both versions alike, for clients that publish and for clients that subscribe.
//!
//! * `outgoing` writes what a client says, `incoming` reads what a broker says;
//! * `parser` takes what has arrived apart, however it was cut.
//!
//! Packets are written and read by the codec of `mqtt-protocol-core`. Its state machine stays unused: what
//! it keeps beyond a codec (sessions, subscriptions, QoS 2) is not needed here. Codes are read before the
//! codec sees them, since brokers send some that the standard does not list for a packet, and one that
//! knows only 3.1.1 answers in that version to whoever offers another.

mod incoming;
mod outgoing;
mod parser;

use std::fmt;

pub use incoming::{Code, Granted, Incoming, Received};
/// Why a packet cannot be written.
pub use mqtt_protocol_core::mqtt::result_code::MqttError as Unwritable;
pub use outgoing::{
    DISCONNECT, Introduction, PING, Publish, Session, acknowledge, check_topic, subscribe,
};
pub use parser::Parser;

/// The version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// 3.1.1
    V3,
    /// 5
    #[default]
    V5,
}

/// What is not the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// A packet is larger than this many bytes, the most that its receiver expects.
    TooLarge(usize),
    /// Something else; the end of a sentence.
    Broken(&'static str),
}

impl fmt::Display for Malformed {
    /// The end of a sentence about a broker.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(most) => write!(f, "a packet of it is larger than {most} bytes"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}
