//! A connection to one broker that was agreed on: versions are known, and the broker knows who this is.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use millstream_plugin::ExportError;
use millstream_plugin::tcp::Connection;

use crate::address::Address;
use crate::config::{Sasl, Settings};
use crate::protocol::{
    ApiVersions, CORRELATION_BYTES, LENGTH_BYTES, Malformed, Request, SaslAuthenticate,
    SaslHandshake, Versions,
};
use crate::sasl::{Login, Step};
use crate::verdict;

/// The time for a connection to be there.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// A connection that was idle for longer is not used again: brokers close them after ten minutes
/// (`connections.max.idle.ms`), some services after four, and what is sent then has an unclear end.
const IDLE_TIME: Duration = Duration::from_secs(120);
/// The longest answer: one to a question for a topic with some 100,000 replicas.
const MOST_ANSWER_BYTES: usize = 4 << 20;
/// Messages of a SASL mechanism; SCRAM has two.
const MOST_STEPS: usize = 4;

/// How a password is found by the name of its secret; a test has another way than a component.
pub(crate) type Passwords = fn(&str) -> Result<String, ExportError>;

/// A connection to a broker.
#[derive(Debug)]
pub(crate) struct Broker {
    connection: Connection,
    address: Address,
    client_id: String,
    answer_time: Duration,
    versions: Vec<(i16, Versions)>,
    correlation: i32,
    used: Instant,
    /// When the broker ends the session.
    ends: Option<Instant>,
}

/// A request that was sent and is not answered.
#[derive(Debug)]
#[must_use]
pub(crate) struct Asked {
    correlation: i32,
    /// The version of the answer.
    pub(crate) version: i16,
    until: Instant,
}

impl Broker {
    /// Connects, asks for versions, and says who this is.
    pub(crate) fn connect(
        address: &Address,
        settings: &Settings,
        passwords: Passwords,
        deadline: Instant,
    ) -> Result<Self, ExportError> {
        let now = Instant::now();
        let server = address.server(settings.tls);
        let connection = Connection::open(&server, deadline.min(now + CONNECT_TIME))
            .map_err(|unreachable| unreachable.error(&server))?;
        let mut broker = Self {
            connection,
            address: address.clone(),
            client_id: settings.client_id.clone(),
            answer_time: settings.answer_time,
            versions: Vec::new(),
            correlation: 0,
            used: now,
            ends: None,
        };
        let (answer, _) = broker.call(Request::ApiVersions, deadline)?;
        let answer = ApiVersions::read(&answer).map_err(|why| broker.malformed(why))?;
        if let Some(error) = verdict::failure(answer.error, &broker.title()) {
            return Err(error);
        }
        broker.versions = answer.ranges;
        if let Some(sasl) = &settings.sasl {
            broker.log_in(sasl, passwords, deadline)?;
        }
        Ok(broker)
    }

    /// Whether the connection is still good for a request, as far as can be told.
    pub(crate) fn is_fresh(&self) -> bool {
        let now = Instant::now();
        now.saturating_duration_since(self.used) < IDLE_TIME
            && self.ends.is_none_or(|ends| now < ends)
    }

    /// Sends a request, and reads the answer; with it comes its version.
    pub(crate) fn call(
        &mut self,
        request: Request,
        deadline: Instant,
    ) -> Result<(Vec<u8>, i16), ExportError> {
        let asked = self.send(request, deadline)?;
        let version = asked.version;
        Ok((self.receive(asked)?, version))
    }

    /// Sends a request. The answer has to be received before the next one is sent.
    pub(crate) fn send(
        &mut self,
        request: Request,
        deadline: Instant,
    ) -> Result<Asked, ExportError> {
        let version = self.version(&request)?;
        self.correlation = self.correlation.wrapping_add(1);
        let frame: Bytes = request
            .encode(version, self.correlation, &self.client_id)
            .map_err(|why| {
                ExportError::misconfigured(format!("A request cannot be written: {why}."))
            })?;
        let until = deadline.min(Instant::now() + self.answer_time);
        self.connection.set_deadline(until);
        let sent = self.connection.write_all(&frame);
        sent.and_then(|()| self.connection.flush())
            .map_err(|error| self.broken(&error))?;
        Ok(Asked {
            correlation: self.correlation,
            version,
            until,
        })
    }

    /// Reads the answer to a request.
    pub(crate) fn receive(&mut self, asked: Asked) -> Result<Vec<u8>, ExportError> {
        self.connection.set_deadline(asked.until);
        let mut length = [0; LENGTH_BYTES];
        self.read(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length))
            .ok()
            .and_then(|length| length.checked_sub(CORRELATION_BYTES))
            .ok_or_else(|| self.malformed(Malformed::Short))?;
        if length > MOST_ANSWER_BYTES {
            return Err(self.malformed(Malformed::Long));
        }
        let mut correlation = [0; CORRELATION_BYTES];
        self.read(&mut correlation)?;
        if i32::from_be_bytes(correlation) != asked.correlation {
            return Err(self.malformed(Malformed::Astray));
        }
        let mut answer = vec![0; length];
        self.read(&mut answer)?;
        self.used = Instant::now();
        Ok(answer)
    }

    /// The error for an answer that is none.
    pub(crate) fn malformed(&self, why: Malformed) -> ExportError {
        ExportError::unavailable(format!(
            "{} gives no answer in Kafka's protocol: {why}. Check that a Kafka listener is there, \
             and whether it is one with TLS (`tls`).",
            self.title()
        ))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), ExportError> {
        self.connection
            .read_exact(buffer)
            .map_err(|error| self.broken(&error))
    }

    fn title(&self) -> String {
        title(&self.address)
    }

    /// The version of a request that both sides know.
    fn version(&self, request: &Request) -> Result<i16, ExportError> {
        let own = request.versions();
        if own.least == own.most {
            return Ok(own.most);
        }
        let key = request.key() as i16;
        let theirs = self.versions.iter().find(|(theirs, _)| *theirs == key);
        theirs
            .and_then(|(_, theirs)| theirs.latest_of_both(own))
            .ok_or_else(|| {
                ExportError::misconfigured(format!(
                    "{} does not know {:?} in a version from {} to {}; brokers from 1.0 on do.",
                    self.title(),
                    request.key(),
                    own.least,
                    own.most
                ))
            })
    }

    fn broken(&self, error: &std::io::Error) -> ExportError {
        let title = self.title();
        ExportError::unavailable(match error.kind() {
            ErrorKind::TimedOut => format!("{title} does not answer in time."),
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                format!(
                    "{title} closed the connection; if this comes again, check whether the listener asks \
                 for TLS (`tls`) or for a login (`sasl`)."
                )
            }
            _ => format!("The connection to {} broke: {error}.", self.address),
        })
    }

    /// Says who this is, in the words of the mechanism that is configured.
    fn log_in(
        &mut self,
        sasl: &Sasl,
        passwords: Passwords,
        deadline: Instant,
    ) -> Result<(), ExportError> {
        let mechanism = sasl.mechanism.name();
        let (answer, _) = self.call(Request::SaslHandshake { mechanism }, deadline)?;
        let answer = SaslHandshake::read(&answer).map_err(|why| self.malformed(why))?;
        if answer.error == ResponseError::UnsupportedSaslMechanism.code() {
            return Err(ExportError::misconfigured(format!(
                "{} does not know `sasl.mechanism` {mechanism}; it knows {}.",
                self.title(),
                answer.mechanisms.join(", ")
            )));
        }
        if let Some(error) = verdict::failure(answer.error, &self.title()) {
            return Err(error);
        }
        let password = passwords(&sasl.password_secret)?;
        let mut login = Login::new(sasl.mechanism, &sasl.username, &password, nonce()?);
        let mut bytes = login.first();
        for _ in 0..MOST_STEPS {
            let (answer, version) = self.call(Request::SaslAuthenticate { bytes }, deadline)?;
            let answer =
                SaslAuthenticate::read(&answer, version).map_err(|why| self.malformed(why))?;
            if answer.error != 0 {
                return Err(self.refused(&answer));
            }
            let step = login.answered(&answer.bytes);
            match step.map_err(|why| ExportError::denied(format!("{} {why}.", self.title())))? {
                Step::Send(next) => bytes = next,
                Step::Done => {
                    self.ends = session_end(answer.session_lifetime);
                    return Ok(());
                }
            }
        }
        Err(ExportError::denied(format!(
            "{} comes to no end with the login.",
            self.title()
        )))
    }

    fn refused(&self, answer: &SaslAuthenticate) -> ExportError {
        match (
            &answer.message,
            verdict::failure(answer.error, &self.title()),
        ) {
            (Some(message), Some(ExportError::Denied(_))) => ExportError::denied(format!(
                "{} refuses this device: {}; check the user and the secret of `sasl`.",
                self.title(),
                message.trim_end_matches('.')
            )),
            (_, Some(error)) => error,
            (_, None) => self.malformed(Malformed::Short),
        }
    }
}

fn title(address: &Address) -> String {
    format!("The broker {address}")
}

/// When to leave a session that a broker limits (KIP-368): a bit before, so that no request meets its
/// end.
fn session_end(lifetime: i64) -> Option<Instant> {
    let lifetime = u64::try_from(lifetime).ok().filter(|time| *time > 0)?;
    Instant::now().checked_add(Duration::from_millis(lifetime / 10 * 8))
}

/// Random text for a login.
fn nonce() -> Result<String, ExportError> {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes).map_err(|error| {
        ExportError::unavailable(format!(
            "The host gave no random numbers for a login: {error}."
        ))
    })?;
    Ok(base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        bytes,
    ))
}
