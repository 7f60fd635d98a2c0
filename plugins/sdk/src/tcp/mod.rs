//! Connections over TCP, for exporters with a protocol of their own.
//!
//! Inside a component a connection is one of `wasi:sockets`, to what the operator has granted under
//! `addresses`; TLS over it is the host's (`wasi:tls`), with the certificates that the host trusts.
//! Natively, for tests and benchmarks, it is one of the standard library, without TLS.
//!
//! A [`Connection`] has one time limit at a time: reading and writing fail with
//! [`io::ErrorKind::TimedOut`] when it is reached. So a peer that hangs costs an exporter as much of its
//! call as it likes to give, however the peer does it. Nothing here tries anything again.

#[cfg(not(target_arch = "wasm32"))]
mod native;
mod server;
mod timeout;
#[cfg(target_arch = "wasm32")]
mod wasi;

use std::io::{self, Read, Write};
use std::time::Instant;

use crate::ExportError;

#[cfg(not(target_arch = "wasm32"))]
use native as system;
#[cfg(target_arch = "wasm32")]
use wasi as system;

pub use server::Server;
pub use timeout::Timeout;

/// An open connection.
#[derive(Debug)]
pub struct Connection(system::Connection);

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreachable {
    /// The host does not let this component connect there.
    NotGranted,
    /// The name is not known; why.
    Unknown(String),
    /// Nobody answers in time.
    TimedOut,
    /// The connection failed; why.
    Failed(String),
    /// There is a server, but no agreement on TLS, or no trust in it; why.
    Tls(String),
}

impl Connection {
    /// Connects, over TLS if the server has it, and gives up at `deadline`. The connection has the same
    /// time limit.
    ///
    /// # Errors
    ///
    /// Why there is no connection; [`Unreachable::error`] makes an answer of it.
    pub fn open(server: &Server, deadline: Instant) -> Result<Self, Unreachable> {
        let connection = Self::open_in_the_clear(server, deadline)?;
        match server.tls {
            true => connection.encrypt(server),
            false => Ok(connection),
        }
    }

    /// Connects in the clear, whatever the server has, for protocols that begin so. [`Self::encrypt`] goes
    /// on over TLS.
    ///
    /// # Errors
    ///
    /// As for [`Self::open`].
    pub fn open_in_the_clear(server: &Server, deadline: Instant) -> Result<Self, Unreachable> {
        system::Connection::connect(server, deadline).map(Self)
    }

    /// Goes on over TLS. The certificate must be one for the server's name.
    ///
    /// # Errors
    ///
    /// As for [`Self::open`].
    pub fn encrypt(self, server: &Server) -> Result<Self, Unreachable> {
        self.0.encrypt(server).map(Self)
    }

    /// Sets the time limit of what follows.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.0.set_deadline(deadline);
    }

    /// Reads what is there, without waiting; 0 if the peer has closed the connection.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if there is nothing to read; or the connection is broken.
    pub fn read_now(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_now(buffer)
    }
}

impl Read for Connection {
    /// Waits for something to read; 0 if the peer has closed the connection.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Unreachable {
    /// What an exporter answers where no server could be reached.
    pub fn error(&self, server: &Server) -> ExportError {
        match self {
            Self::NotGranted => ExportError::denied(format!(
                "This plugin may not connect to {server}: no grant covers it, or its name stands for an \
                 address of the local network; put \"{server}\" into `addresses` or \
                 `private-addresses` of the plugin's grants. The host's log says which."
            )),
            Self::Unknown(why) => {
                ExportError::unavailable(format!("The name of {server} cannot be resolved: {why}."))
            }
            Self::TimedOut => {
                ExportError::unavailable(format!("{server} cannot be connected to in time."))
            }
            Self::Failed(why) => {
                ExportError::unavailable(format!("{server} cannot be reached: {why}."))
            }
            Self::Tls(why) => ExportError::unavailable(format!(
                "There is no connection over TLS to {server}: {why}. Check port and certificates; the \
                 host trusts those of the system, or of SSL_CERT_FILE."
            )),
        }
    }
}

/// What is left until a time limit; an error if it is reached.
fn rest(deadline: Instant) -> io::Result<std::time::Duration> {
    let rest = deadline.saturating_duration_since(Instant::now());
    if rest.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(rest)
}

#[cfg(test)]
mod tests;
