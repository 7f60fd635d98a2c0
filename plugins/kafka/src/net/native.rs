//! Connections of a native program.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::Fault;
use crate::address::Address;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection(TcpStream);

impl Connection {
    /// Connects, until `deadline` at most.
    pub(crate) fn open(address: &Address, deadline: Instant) -> Result<Self, Fault> {
        let found = (address.host.as_str(), address.port).to_socket_addrs();
        let found = found.map_err(fault)?.next().ok_or(Fault::NoAddress)?;
        let stream = TcpStream::connect_timeout(&found, until(deadline)?).map_err(fault)?;
        stream.set_nodelay(true).map_err(fault)?;
        Ok(Self(stream))
    }

    /// Sends everything, until `deadline` at most.
    pub(crate) fn write_all(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let time = Some(until(deadline)?);
            self.0.set_write_timeout(time).map_err(fault)?;
            match self.0.write(bytes) {
                Ok(0) => return Err(Fault::Closed),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(error)),
            }
        }
        Ok(())
    }

    /// Reads until the buffer is full, until `deadline` at most.
    pub(crate) fn read_exact(
        &mut self,
        mut buffer: &mut [u8],
        deadline: Instant,
    ) -> Result<(), Fault> {
        while !buffer.is_empty() {
            let time = Some(until(deadline)?);
            self.0.set_read_timeout(time).map_err(fault)?;
            match self.0.read(buffer) {
                Ok(0) => return Err(Fault::Closed),
                Ok(count) => buffer = buffer.get_mut(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(error)),
            }
        }
        Ok(())
    }
}

fn until(deadline: Instant) -> Result<Duration, Fault> {
    let time = deadline.saturating_duration_since(Instant::now());
    if time.is_zero() {
        return Err(Fault::TimedOut);
    }
    Ok(time)
}

fn fault(error: std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Fault::TimedOut,
        ErrorKind::UnexpectedEof => Fault::Closed,
        ErrorKind::PermissionDenied => Fault::NotGranted,
        ErrorKind::ConnectionRefused => Fault::Broken("is refused".to_owned()),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Fault::Broken("broke".to_owned()),
        _ => Fault::Broken(format!("failed: {error}")),
    }
}
