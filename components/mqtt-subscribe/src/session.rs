//! One connection to a broker, from the introduction to its end.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use millstream_mqtt_packet::{
    self as packet, Code, Incoming, Introduction, Malformed, Parser, Received, Version,
};
use millstream_plugin::producer::{self, End};
use millstream_plugin::tcp::{Connection, Server};
use millstream_plugin::{log, secrets};

use crate::{Form, Options};

/// The longest time for connecting and for each answer while the session begins.
const PATIENCE: Duration = Duration::from_secs(20);
/// The largest packet that is taken from a broker, in bytes. As JSON, where a byte may take six, it still
/// fits into an append.
const MAX_PACKET: usize = 2 << 20;
/// How often it is looked whether the host stops.
const TICK: Duration = Duration::from_millis(500);

/// Why a session is over.
pub(crate) enum Over {
    /// The producer ends.
    End(End),
    /// Another session may do better; a sentence.
    Lost(String),
}

impl From<End> for Over {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

impl From<Malformed> for Over {
    fn from(why: Malformed) -> Self {
        Self::Lost(format!("What answers is no MQTT broker: {why}."))
    }
}

impl From<std::io::Error> for Over {
    fn from(error: std::io::Error) -> Self {
        Self::Lost(format!("The connection broke: {error}."))
    }
}

pub(crate) struct Session<'a> {
    options: &'a Options,
    connection: Connection,
    parser: Parser,
    heard: Instant,
    said: Instant,
}

impl<'a> Session<'a> {
    /// Connects and subscribes.
    pub(crate) fn open(options: &'a Options) -> Result<Self, Over> {
        let server: &Server = &options.broker;
        let password = options.password.as_deref().map(|name| {
            secrets::get(name).map_err(|error| Over::Lost(secrets::explain(name, &error)))
        });
        let password = password.transpose()?;
        let introduction = Version::V3.connect(&Introduction {
            client_id: &options.client_id,
            // So that nothing is missed while we are away.
            session: packet::Session::Kept,
            keep_alive: options.keep_alive,
            user: options.user.as_deref(),
            password: password.as_deref(),
        });
        let subscription = packet::subscribe(options.topics.iter().map(String::as_str));
        let unwritable = |error| {
            let sentence =
                format!("Client, user, password or topics cannot be sent in MQTT: {error}.");
            Over::End(End::Wrong(sentence))
        };
        let introduction = introduction.map_err(unwritable)?;
        let subscription = subscription.map_err(unwritable)?;
        let now = Instant::now();
        let connection = Connection::open(server, now + PATIENCE)
            .map_err(|error| Over::Lost(error.error(server).reason().to_owned()))?;
        let mut session = Self {
            options,
            connection,
            parser: Parser::new(MAX_PACKET),
            heard: now,
            said: now,
        };
        session.say(&introduction)?;
        match session.answer()? {
            Incoming::Accepted(_) => {}
            Incoming::Refused(code) => {
                let why = refusal(&code);
                return Err(Over::Lost(format!(
                    "The broker {server} refuses us: {why}."
                )));
            }
            _ => return Err(Malformed::Broken("it does not answer our introduction").into()),
        }
        session.say(&subscription)?;
        Ok(session)
    }

    /// Appends what comes, until the session is over.
    pub(crate) fn run(mut self) -> Over {
        loop {
            match self.step() {
                Ok(()) => {}
                Err(Over::End(end)) => {
                    // The broker keeps what is not acknowledged, whether it hears this or not.
                    let _ = self.say(&packet::DISCONNECT);
                    return Over::End(end);
                }
                Err(over) => return over,
            }
        }
    }

    fn step(&mut self) -> Result<(), Over> {
        let mut messages = Vec::new();
        while let Some(incoming) = self.parser.next(Version::V3)? {
            match incoming {
                Incoming::Message(message) => messages.push(message),
                Incoming::Subscribed(codes) => self.check(&codes)?,
                _ => {}
            }
        }
        if !messages.is_empty() {
            return self.append(messages);
        }
        producer::pause(Duration::ZERO)?;
        let keep_alive = Duration::from_secs(self.options.keep_alive.into());
        if self.said.elapsed() * 2 > keep_alive {
            self.say(&packet::PING)?;
        }
        // A broker answers a ping at once.
        if self.heard.elapsed() > keep_alive + PATIENCE {
            return Err(Over::Lost("The broker is silent.".to_owned()));
        }
        self.read(TICK)
    }

    /// Appends messages and acknowledges them: a message that is not appended is not lost.
    fn append(&mut self, messages: Vec<Received>) -> Result<(), Over> {
        let ids: Vec<_> = messages.iter().filter_map(|message| message.id).collect();
        let payloads: Vec<_> = messages
            .into_iter()
            .filter_map(|message| self.options.form.write(message))
            .collect();
        if !payloads.is_empty() {
            producer::append(&self.options.stream, &payloads)?;
        }
        // A full stream may have taken its time.
        self.heard = Instant::now();
        let acknowledgements: Vec<u8> = ids.into_iter().flat_map(packet::acknowledge).collect();
        if acknowledgements.is_empty() {
            return Ok(());
        }
        self.say(&acknowledgements)
    }

    fn check(&self, codes: &[u8]) -> Result<(), Over> {
        let refused = self.options.topics.iter().zip(codes);
        let refused = refused.filter(|(_, code)| **code >= 0x80);
        let refused: Vec<_> = refused.map(|(topic, _)| topic.as_str()).collect();
        if refused.is_empty() {
            log::info(&format!("subscribed to {}", self.options.topics.join(", ")));
            return Ok(());
        }
        let topics = refused.join(", ");
        Err(Over::Lost(format!(
            "The broker refuses a subscription: {topics}."
        )))
    }

    /// The next packet while the session begins.
    fn answer(&mut self) -> Result<Incoming, Over> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(incoming) = self.parser.next(Version::V3)? {
                return Ok(incoming);
            }
            if Instant::now() > deadline {
                return Err(Over::Lost("The broker does not answer in time.".to_owned()));
            }
            producer::pause(Duration::ZERO)?;
            self.read(TICK)?;
        }
    }

    /// Reads what comes within a time, which may be nothing.
    fn read(&mut self, time: Duration) -> Result<(), Over> {
        let mut bytes = [0; 16 << 10];
        self.connection.set_deadline(Instant::now() + time);
        match self.connection.read(&mut bytes) {
            Ok(0) => Err(Over::Lost(
                "The broker has closed the connection.".to_owned(),
            )),
            Ok(count) => {
                self.heard = Instant::now();
                self.parser.feed(bytes.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn say(&mut self, bytes: &[u8]) -> Result<(), Over> {
        self.connection.set_deadline(Instant::now() + PATIENCE);
        self.connection.write_all(bytes)?;
        self.connection.flush()?;
        self.said = Instant::now();
        Ok(())
    }
}

/// What the codes of an answer to an introduction mean (MQTT 3.1.1, section 3.2.2.3).
fn refusal(code: &Code) -> &'static str {
    match code.number {
        1 => "it does not speak MQTT 3.1.1",
        2 => "it does not take the client identifier",
        3 => "it is not available",
        4 => "user or password is wrong",
        5 => "we are not authorised",
        _ => "it gives a code that the standard does not know",
    }
}

impl Form {
    /// A message as it is appended; none if there is nothing of it.
    fn write(self, message: Received) -> Option<Vec<u8>> {
        match self {
            Self::Payload => (!message.payload.is_empty()).then_some(message.payload),
            Self::Json => Some(self.json(message).to_string().into_bytes()),
        }
    }

    fn json(self, message: Received) -> serde_json::Value {
        let mut value = serde_json::json!({
            "topic": message.topic,
            "retained": message.retained,
        });
        match String::from_utf8(message.payload) {
            Ok(text) => value["payload"] = text.into(),
            Err(error) => {
                use base64::Engine as _;
                let engine = base64::engine::general_purpose::STANDARD;
                value["payloadBase64"] = engine.encode(error.as_bytes()).into();
            }
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: &[u8]) -> Received {
        Received {
            topic: "a/b".into(),
            id: None,
            retained: true,
            payload: payload.to_vec(),
        }
    }

    #[test]
    fn a_message_is_its_payload_or_json_with_its_topic() {
        assert_eq!(Form::Payload.write(message(b"x")), Some(b"x".to_vec()));
        assert_eq!(Form::Payload.write(message(b"")), None);
        let json =
            |payload| String::from_utf8(Form::Json.write(message(payload)).unwrap()).unwrap();
        assert_eq!(
            json(b"21"),
            r#"{"payload":"21","retained":true,"topic":"a/b"}"#
        );
        assert_eq!(
            json(b"\xff"),
            r#"{"payloadBase64":"/w==","retained":true,"topic":"a/b"}"#
        );
    }
}
