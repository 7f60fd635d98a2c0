//! One connection to a broker that has let us in.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

use millstream_mqtt_packet::{
    self as packet, Code, Granted, Incoming, Introduction, Malformed, Parser, Publish, Version,
};
use millstream_plugin::tcp::{Connection, Server};
use millstream_plugin::{ExportContext, ExportError, secrets};

use crate::config::Config;
use crate::verdict;

/// The largest packet that is taken from a broker, in bytes: any answer to us is far smaller.
const MAX_PACKET: usize = 64 << 10;
/// Bytes that are gathered before they are written.
const CHUNK: usize = 64 << 10;

/// A connection that has been let in.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    version: Version,
    parser: Parser,
    /// What is to be written.
    out: Vec<u8>,
    server: Server,
    granted: Granted,
    /// When something was written last.
    written: Instant,
    next_id: u16,
}

/// Why a connection is of no use any more.
#[derive(Debug)]
pub(crate) enum Fault {
    TimedOut,
    /// The broker has closed it, and has not said why.
    Closed,
    /// The broker has said why.
    Disconnected(Code),
    Broken(io::Error),
    NotMqtt(Malformed),
}

impl Session {
    /// Connects and is let in, or not.
    pub(crate) fn open(
        config: &Config,
        context: &ExportContext,
        deadline: Instant,
    ) -> Result<Self, ExportError> {
        let server = &config.broker.0;
        let password = config
            .password_secret
            .as_deref()
            .map(secrets::require)
            .transpose()?;
        let client_id = config.client_id(context);
        let who = Introduction {
            client_id: &client_id,
            // What is not acknowledged is published anew.
            session: packet::Session::New,
            keep_alive: config.keep_alive_seconds,
            user: config.user.as_deref(),
            password: password.as_deref(),
        };
        let connect = config.version.connect(&who).map_err(|error| {
            ExportError::misconfigured(format!(
                "User, password or client identifier cannot be sent in MQTT: {error}."
            ))
        })?;
        let connection = Connection::open(server, deadline).map_err(|error| error.error(server))?;
        let mut session = Self {
            connection,
            version: config.version,
            parser: Parser::new(MAX_PACKET),
            out: connect,
            server: server.clone(),
            granted: Granted {
                receive_maximum: 1,
                maximum_packet_size: None,
                qos_1: true,
                retain: true,
            },
            written: Instant::now(),
            next_id: 0,
        };
        session.granted = session.log_in()?;
        session.check(config)?;
        Ok(session)
    }

    fn log_in(&mut self) -> Result<Granted, ExportError> {
        let fault = |fault: Fault, server: &Server| match fault {
            Fault::Closed => ExportError::unavailable(format!(
                "The broker {server} has closed the connection instead of letting us in."
            )),
            fault => fault.error(server),
        };
        self.flush().map_err(|error| fault(error, &self.server))?;
        match self.next().map_err(|error| fault(error, &self.server))? {
            Incoming::Accepted(granted) => Ok(granted),
            Incoming::Refused(code) => Err(verdict::refused(&code, &self.server)),
            _ => {
                let error =
                    Fault::NotMqtt(Malformed::Broken("it does not answer our introduction"));
                Err(error.error(&self.server))
            }
        }
    }

    fn check(&self, config: &Config) -> Result<(), ExportError> {
        let server = &self.server;
        if !self.granted.qos_1 {
            return Err(ExportError::misconfigured(format!(
                "The broker {server} offers QoS 0 only, without acknowledgements."
            )));
        }
        if config.retain && !self.granted.retain {
            return Err(ExportError::misconfigured(format!(
                "The broker {server} retains no messages; set `retain` to false."
            )));
        }
        Ok(())
    }

    /// Whether it can be used again: it is not so old that the broker may have given it up, and nothing
    /// has ended it.
    pub(crate) fn is_alive(&mut self, config: &Config, deadline: Instant) -> bool {
        self.connection.set_deadline(deadline);
        // A batch may take its time without writing.
        let quiet = self.written.elapsed() + config.timeout_seconds.duration();
        quiet < config.keep_alive() && matches!(self.arrived(), Ok(None))
    }

    /// Messages under way at once.
    pub(crate) fn receive_maximum(&self) -> u16 {
        self.granted.receive_maximum
    }

    /// Bytes of a packet.
    pub(crate) fn maximum_packet_size(&self) -> Option<u32> {
        self.granted.maximum_packet_size
    }

    /// An identifier that none of the messages under way has, of which there are fewer than there are
    /// identifiers.
    pub(crate) fn new_id(&mut self) -> u16 {
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.next_id
    }

    /// The packet of a message.
    pub(crate) fn packet(&self, publish: &Publish<'_>) -> Result<Vec<u8>, String> {
        self.version
            .publish(publish)
            .map_err(|error| format!("The message does not fit into a packet of MQTT: {error}."))
    }

    /// Sends a packet, perhaps with later ones.
    pub(crate) fn send(&mut self, packet: &[u8]) -> Result<(), Fault> {
        self.out.extend_from_slice(packet);
        match self.out.len() < CHUNK {
            true => Ok(()),
            false => self.flush(),
        }
    }

    /// Writes what is gathered. That the broker has closed the connection shows when it is read from:
    /// acknowledgements and a reason may have come before.
    pub(crate) fn flush(&mut self) -> Result<(), Fault> {
        if self.out.is_empty() {
            return Ok(());
        }
        let written = self.connection.write_all(&self.out);
        let written = written.and_then(|()| self.connection.flush());
        self.out.clear();
        self.written = Instant::now();
        match written.map_err(Fault::from) {
            Ok(()) | Err(Fault::Closed) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// What has come already; none if there is nothing.
    pub(crate) fn arrived(&mut self) -> Result<Option<Incoming>, Fault> {
        self.read_packet(|connection, buffer| match connection.read_now(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            outcome => outcome.map(Some),
        })
    }

    /// Waits for what comes next.
    pub(crate) fn next(&mut self) -> Result<Incoming, Fault> {
        let packet = self.read_packet(|connection, buffer| connection.read(buffer).map(Some))?;
        packet.ok_or(Fault::Closed)
    }

    fn read_packet(
        &mut self,
        read: impl Fn(&mut Connection, &mut [u8]) -> io::Result<Option<usize>>,
    ) -> Result<Option<Incoming>, Fault> {
        let mut buffer = [0; 4 << 10];
        loop {
            match self.parser.next(self.version)? {
                Some(Incoming::Disconnected(code)) => return Err(Fault::Disconnected(code)),
                Some(incoming) => return Ok(Some(incoming)),
                None => {}
            }
            match read(&mut self.connection, &mut buffer)? {
                None => return Ok(None),
                Some(0) => return Err(Fault::Closed),
                Some(count) => self.parser.feed(buffer.get(..count).unwrap_or_default()),
            }
        }
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }
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
    fn from(malformed: Malformed) -> Self {
        Self::NotMqtt(malformed)
    }
}

impl Fault {
    pub(crate) fn error(&self, server: &Server) -> ExportError {
        ExportError::unavailable(match self {
            Self::Disconnected(code) => return verdict::disconnected(code, server),
            Self::TimedOut => format!("The broker {server} did not answer in time."),
            Self::Closed => format!(
                "The broker {server} has closed the connection before it had acknowledged everything."
            ),
            Self::Broken(error) => format!("The connection to {server} broke: {error}."),
            Self::NotMqtt(why) => format!("What answers at {server} is no MQTT broker: {why}."),
        })
    }

    /// Whether the broker may have ended the connection because of a message.
    pub(crate) fn may_be_about_a_message(&self) -> bool {
        match self {
            Self::Closed => true,
            Self::Disconnected(code) => verdict::is_about_a_message(code),
            Self::TimedOut | Self::Broken(_) | Self::NotMqtt(_) => false,
        }
    }
}
