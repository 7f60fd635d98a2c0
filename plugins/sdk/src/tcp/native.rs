//! Connections of a native program.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::{Server, Unreachable, rest};

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    deadline: Instant,
}

impl Connection {
    pub(super) fn connect(server: &Server, deadline: Instant) -> Result<Self, Unreachable> {
        let addresses = (server.host.as_str(), server.port)
            .to_socket_addrs()
            .map_err(|error| Unreachable::Unknown(error.to_string()))?;
        let mut failure = Unreachable::Unknown("it has no address".to_owned());
        for address in addresses {
            let rest = rest(deadline).map_err(|_| Unreachable::TimedOut)?;
            match TcpStream::connect_timeout(&address, rest) {
                Ok(stream) => {
                    stream
                        .set_nodelay(true)
                        .map_err(|error| Unreachable::Failed(error.to_string()))?;
                    return Ok(Self { stream, deadline });
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    failure = Unreachable::TimedOut;
                }
                Err(error) => failure = Unreachable::Failed(error.to_string()),
            }
        }
        Err(failure)
    }

    pub(super) fn encrypt(self, _: &Server) -> Result<Self, Unreachable> {
        let reason = "TLS belongs to the host, and there is none";
        Err(Unreachable::Tls(reason.to_owned()))
    }

    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    pub(super) fn read_now(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_nonblocking(true)?;
        let outcome = self.stream.read(buffer);
        self.stream.set_nonblocking(false)?;
        outcome
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.time()?))?;
        self.stream.read(buffer).map_err(timed_out)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.time()?))?;
        self.stream.write(bytes).map_err(timed_out)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }

    fn time(&self) -> io::Result<Duration> {
        rest(self.deadline)
    }
}

/// A time limit of a socket shows as one of two kinds, by the system.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}
