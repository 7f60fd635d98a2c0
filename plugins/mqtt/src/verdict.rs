//! What the codes of a broker mean for messages and for the connection.

use millstream_mqtt_packet::{Code, Version};
use millstream_plugin::tcp::Server;
use millstream_plugin::{ExportError, Outcome};

/// Codes of version 5 (section 2.4) by what can be done about them.
mod codes {
    pub(super) const SUCCESS: u8 = 0x00;
    /// Taken, but nobody has subscribed.
    pub(super) const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
    /// What is wrong with a message: topic name invalid, packet too large, payload format invalid.
    pub(super) const MESSAGE: &[u8] = &[0x90, 0x95, 0x99];
    /// Bad user name or password, not authorized, banned, bad authentication method.
    pub(super) const DENIED: &[u8] = &[0x86, 0x87, 0x8a, 0x8c];
    /// Not authorized: to publish to a topic, when the broker has let us in.
    pub(super) const NOT_AUTHORIZED: u8 = 0x87;
    /// Server busy, message rate too high, quota exceeded, connection rate exceeded.
    pub(super) const THROTTLED: &[u8] = &[0x89, 0x96, 0x97, 0x9f];
    /// Unsupported protocol version, client identifier not valid, retain or QoS not supported, another
    /// server to be used, for now or for ever.
    pub(super) const MISCONFIGURED: &[u8] = &[0x84, 0x85, 0x9a, 0x9b, 0x9c, 0x9d];
    /// Malformed packet, protocol error: what a broker says of a packet it does not like.
    pub(super) const PACKET: &[u8] = &[0x81, 0x82];
}

/// What an acknowledgement means for the message to a topic.
pub(crate) fn acknowledged(code: &Code, topic: &str) -> Outcome {
    let number = code.number;
    match number {
        codes::SUCCESS | codes::NO_MATCHING_SUBSCRIBERS => Outcome::Delivered,
        _ if codes::MESSAGE.contains(&number) => Outcome::Rejected(format!(
            "The broker does not take the message for `{topic}`: {code}."
        )),
        _ => Outcome::Failed(error(
            code,
            format!("The broker did not take a message for `{topic}`: {code}."),
        )),
    }
}

/// What a refusal to let us in means.
pub(crate) fn refused(code: &Code, server: &Server) -> ExportError {
    // The few codes of 3.1.1 (section 3.2.2.3), also from a broker that knows no other version.
    let why = match code.number {
        1 => "it does not know this version of MQTT; see `version`",
        2 => "it does not like the client identifier; see `clientId`",
        3 => "it is not available",
        4 => "user or password is wrong",
        5 => "we are not authorized",
        _ => {
            let words = format!("The broker {server} does not let us in: {code}.");
            return error(code, words);
        }
    };
    let words = format!("The broker {server} does not let us in: {why}.");
    match code.number {
        1 | 2 => ExportError::misconfigured(words),
        3 => ExportError::unavailable(words),
        _ => ExportError::denied(words),
    }
}

/// What the end of a connection means, of which the broker has said why.
pub(crate) fn disconnected(code: &Code, server: &Server) -> ExportError {
    let words = format!("The broker {server} has ended the connection: {code}.");
    error(code, words)
}

/// Whether a broker that ends the connection so does not like a message.
pub(crate) fn is_about_a_message(code: &Code) -> bool {
    let number = code.number;
    codes::MESSAGE.contains(&number) || codes::PACKET.contains(&number) || is_denied(code)
}

/// Whether it is a topic that rules forbid, or may be.
pub(crate) fn is_denied(code: &Code) -> bool {
    code.number == codes::NOT_AUTHORIZED
}

/// Whether it is certain that the message can never be taken.
pub(crate) fn is_final(code: &Code) -> bool {
    code.version == Version::V5 && codes::MESSAGE.contains(&code.number)
}

fn error(code: &Code, words: String) -> ExportError {
    let number = code.number;
    if codes::DENIED.contains(&number) {
        ExportError::denied(words)
    } else if codes::THROTTLED.contains(&number) {
        ExportError::throttled(words)
    } else if codes::MISCONFIGURED.contains(&number) {
        ExportError::misconfigured(words)
    } else {
        ExportError::unavailable(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(version: Version, number: u8) -> Code {
        Code {
            version,
            number,
            words: None,
        }
    }

    fn kind(error: &ExportError) -> &'static str {
        match error {
            ExportError::Unavailable(_) => "unavailable",
            ExportError::Throttled(_) => "throttled",
            ExportError::Denied(_) => "denied",
            ExportError::Misconfigured(_) => "misconfigured",
        }
    }

    #[test]
    fn an_acknowledgement_settles_its_message() {
        for (number, expected) in [
            (0x00, "delivered"),
            (0x10, "delivered"),
            (0x80, "unavailable"),
            (0x83, "unavailable"),
            (0x87, "denied"),
            (0x90, "rejected"),
            (0x91, "unavailable"),
            (0x95, "rejected"),
            (0x97, "throttled"),
            (0x99, "rejected"),
        ] {
            let found = match acknowledged(&code(Version::V5, number), "t") {
                Outcome::Delivered => "delivered",
                Outcome::Rejected(_) => "rejected",
                Outcome::Failed(error) => kind(&error),
            };
            assert_eq!(found, expected, "{number:#x}");
        }
    }

    #[test]
    fn a_refusal_is_told_by_what_can_be_done() {
        let server = Server::parse("a", &[("mqtt", false, 1883)]).unwrap();
        for (version, number, expected) in [
            (Version::V3, 1, "misconfigured"),
            (Version::V3, 2, "misconfigured"),
            (Version::V3, 3, "unavailable"),
            (Version::V3, 4, "denied"),
            (Version::V3, 5, "denied"),
            (Version::V5, 1, "misconfigured"),
            (Version::V5, 0x85, "misconfigured"),
            (Version::V5, 0x86, "denied"),
            (Version::V5, 0x88, "unavailable"),
            (Version::V5, 0x97, "throttled"),
        ] {
            let error = refused(&code(version, number), &server);
            assert_eq!(kind(&error), expected, "{number:#x}");
        }
    }
}
