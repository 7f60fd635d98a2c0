//! One connection to a server, from its greeting on.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use millstream_plugin::tcp::{Connection, Server};
use millstream_plugin::{ExportContext, ExportError};
use serde_json::Value;

use crate::config::Config;
use crate::credentials;
use crate::protocol::{self, Delivered, Info, Malformed, Operation, Parser, Publish};

/// Bytes that are gathered before they are written.
const CHUNK: usize = 64 << 10;

/// What comes that a batch has to know of.
#[derive(Debug)]
pub(crate) enum Event {
    /// The acknowledgement of a message, by the number that it was published with.
    Answer(String, Delivered),
    /// The server has refused something, and goes on.
    Refusal(String),
}

/// A connection that has been let in.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    parser: Parser,
    /// What is to be written.
    out: Vec<u8>,
    server: Server,
    info: Info,
    /// The subject below which acknowledgements come.
    inbox: String,
}

impl Session {
    /// Connects to a server and is let in, or not.
    pub(crate) fn open(
        config: &Config,
        context: &ExportContext,
        server: &Server,
        deadline: Instant,
    ) -> Result<Self, ExportError> {
        let unreachable = |error: millstream_plugin::tcp::Unreachable| error.error(server);
        let mut connection =
            Connection::open_in_the_clear(server, deadline).map_err(unreachable)?;
        let mut parser = Parser::default();
        let info = greeting(&mut connection, &mut parser).map_err(|fault| fault.error(server))?;
        if server.tls || info.tls_required {
            connection = connection.encrypt(server).map_err(unreachable)?;
        }
        if !info.headers {
            return Err(ExportError::misconfigured(format!(
                "The server {server} knows no headers: JetStream needs one of version 2.2 or later."
            )));
        }
        let mut session = Self {
            inbox: format!("{}.{}", config.inbox_prefix, random()),
            connection,
            parser,
            out: Vec::new(),
            server: server.clone(),
            info,
        };
        session.log_in(config, context)?;
        Ok(session)
    }

    fn log_in(&mut self, config: &Config, context: &ExportContext) -> Result<(), ExportError> {
        let mut options = credentials::fields(config, self.info.nonce.as_deref())?;
        let name = format!(
            "millstream {}/{}",
            context.stream_name, context.export_identifier
        );
        for (key, value) in [
            ("verbose", Value::from(false)),
            ("pedantic", false.into()),
            (
                "tls_required",
                (self.server.tls || self.info.tls_required).into(),
            ),
            ("name", name.into()),
            ("lang", "rust".into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("protocol", 1.into()),
            ("headers", true.into()),
            ("no_responders", true.into()),
        ] {
            options.insert(key.to_owned(), value);
        }
        protocol::connect(&mut self.out, &Value::Object(options));
        let inbox = format!("{}.*", self.inbox);
        protocol::subscribe(&mut self.out, &inbox);
        self.out.extend_from_slice(b"PING\r\n");
        self.flush().map_err(|fault| fault.error(&self.server))?;
        loop {
            match self
                .operation()
                .map_err(|fault| fault.error(&self.server))?
            {
                Operation::Pong => return Ok(()),
                Operation::Error(words) => return Err(refused(&words, &self.server)),
                Operation::Ping => self.out.extend_from_slice(b"PONG\r\n"),
                Operation::Info(info) => self.info = *info,
                Operation::Message(_) | Operation::Ok => {}
            }
        }
    }

    /// Whether it can be used again: nothing has come but what keeps it alive.
    pub(crate) fn is_alive(&mut self, deadline: Instant) -> bool {
        self.connection.set_deadline(deadline);
        loop {
            match self.arrived() {
                // Answers that nobody waits for any more.
                Ok(Some(Event::Answer(..))) => {}
                Ok(Some(Event::Refusal(_))) | Err(_) => return false,
                Ok(None) => return !self.info.ldm && self.flush().is_ok(),
            }
        }
    }

    /// The largest message, headers included, in bytes.
    pub(crate) fn max_payload(&self) -> u64 {
        self.info.max_payload
    }

    /// Publishes a message; its acknowledgement comes under this number.
    pub(crate) fn publish(
        &mut self,
        number: &str,
        subject: &str,
        headers: &str,
        payload: &[u8],
    ) -> Result<(), Fault> {
        let reply = format!("{}.{number}", self.inbox);
        let publish = Publish {
            subject,
            reply: &reply,
            headers,
            payload,
        };
        publish.write(&mut self.out);
        match self.out.len() < CHUNK {
            true => Ok(()),
            false => self.flush(),
        }
    }

    /// Writes what is gathered. That the server has closed the connection shows when it is read from:
    /// acknowledgements and a reason may have come before.
    pub(crate) fn flush(&mut self) -> Result<(), Fault> {
        if self.out.is_empty() {
            return Ok(());
        }
        let written = self.connection.write_all(&self.out);
        let written = written.and_then(|()| self.connection.flush());
        self.out.clear();
        match written.map_err(Fault::from) {
            Ok(()) | Err(Fault::Closed) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// What has come already; none if there is nothing.
    pub(crate) fn arrived(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            while let Some(operation) = self.parser.next()? {
                if let Some(event) = self.take(operation) {
                    return Ok(Some(event));
                }
            }
            let mut buffer = [0; 4 << 10];
            match self.connection.read_now(&mut buffer) {
                Ok(0) => return Err(Fault::Closed),
                Ok(count) => self.parser.feed(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for what comes next.
    pub(crate) fn next(&mut self) -> Result<Event, Fault> {
        loop {
            let operation = self.operation()?;
            if let Some(event) = self.take(operation) {
                return Ok(event);
            }
            self.flush()?;
        }
    }

    fn operation(&mut self) -> Result<Operation, Fault> {
        read_operation(&mut self.connection, &mut self.parser)
    }

    fn take(&mut self, operation: Operation) -> Option<Event> {
        match operation {
            Operation::Message(message) => {
                let number = message.subject.strip_prefix(&self.inbox)?;
                let number = number.strip_prefix('.')?.to_owned();
                return Some(Event::Answer(number, message));
            }
            Operation::Error(words) => return Some(Event::Refusal(words)),
            Operation::Ping => self.out.extend_from_slice(b"PONG\r\n"),
            Operation::Info(info) => self.info = *info,
            Operation::Pong | Operation::Ok => {}
        }
        None
    }

    /// Sets the time limit of what follows.
    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        self.connection.set_deadline(deadline);
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }
}

/// Why a connection is of no use any more.
#[derive(Debug)]
pub(crate) enum Fault {
    TimedOut,
    Closed,
    Broken(io::Error),
    NotNats(&'static str),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::TimedOut => Self::TimedOut,
            // How a peer that is gone shows, by who notices first.
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
                Self::Closed
            }
            _ => Self::Broken(error),
        }
    }
}

impl From<Malformed> for Fault {
    fn from(Malformed(why): Malformed) -> Self {
        Self::NotNats(why)
    }
}

impl Fault {
    pub(crate) fn error(&self, server: &Server) -> ExportError {
        ExportError::unavailable(match self {
            Self::TimedOut => format!("The server {server} did not answer in time."),
            Self::Closed => format!("The server {server} has closed the connection."),
            Self::Broken(error) => format!("The connection to {server} broke: {error}."),
            Self::NotNats(why) => format!("What answers at {server} is no NATS server: {why}."),
        })
    }
}

/// What an error of the server means that concerns the whole connection.
pub(crate) fn refused(words: &str, server: &Server) -> ExportError {
    let said = format!("The server {server} says: {words}.");
    let lower = words.to_ascii_lowercase();
    let denied = [
        "authoriz",
        "authentic",
        "permission",
        "account",
        "revoked",
        "expired",
    ];
    match denied.iter().any(|word| lower.contains(word)) {
        true => ExportError::denied(said),
        false => ExportError::unavailable(said),
    }
}

fn greeting(connection: &mut Connection, parser: &mut Parser) -> Result<Info, Fault> {
    match read_operation(connection, parser)? {
        Operation::Info(info) => Ok(*info),
        _ => Err(Fault::NotNats("it does not begin with who it is")),
    }
}

fn read_operation(connection: &mut Connection, parser: &mut Parser) -> Result<Operation, Fault> {
    loop {
        if let Some(operation) = parser.next()? {
            return Ok(operation);
        }
        let mut buffer = [0; 4 << 10];
        match connection.read(&mut buffer)? {
            0 => return Err(Fault::Closed),
            count => parser.feed(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// A part of a subject that nobody else has.
fn random() -> String {
    let mut bytes = [0; 12];
    // Without random numbers the inbox is one that others can guess, which harms nothing that the
    // permissions of the server do not allow anyway.
    let _ = getrandom::fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}
