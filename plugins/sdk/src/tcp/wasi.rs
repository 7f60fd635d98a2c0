//! Connections of a component: `wasi:sockets`, and `wasi:tls` over it.
//!
//! The sockets of the standard library would do but for two things: they know no time limits there, and
//! their streams cannot be handed to the host for TLS.

use std::io;
use std::net::IpAddr;
use std::time::Instant;

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
    Network,
};
use wasip2::sockets::tcp::TcpSocket;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;

use super::{Server, Unreachable, rest};

/// The bindings of `wasi:tls`.
mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "tls-client",
        features: ["tls"],
        with: {
            "wasi:io/error@0.2.12": wasip2::io::error,
            "wasi:io/poll@0.2.12": wasip2::io::poll,
            "wasi:io/streams@0.2.12": wasip2::io::streams,
            "wasi:tls/types@0.2.0-draft": generate,
        },
    });
}

use bindings::wasi::tls::types::{ClientConnection, ClientHandshake};

/// Bytes asked of the host at once.
const CHUNK: usize = 64 << 10;

/// The fields are dropped in this order: what stems from another goes first.
#[derive(Debug)]
pub(super) struct Connection {
    readable: Pollable,
    writable: Pollable,
    input: InputStream,
    output: OutputStream,
    deadline: Instant,
    _tls: Option<ClientConnection>,
    socket: TcpSocket,
}

impl Connection {
    pub(super) fn connect(server: &Server, deadline: Instant) -> Result<Self, Unreachable> {
        let network = instance_network();
        let mut failure = Unreachable::Unknown("it has no address".to_owned());
        for address in addresses(&network, server, deadline)? {
            match connect(&network, address, server.port, deadline) {
                Ok((socket, input, output)) => {
                    return Ok(Self::over(socket, None, input, output, deadline));
                }
                Err(Unreachable::TimedOut) => return Err(Unreachable::TimedOut),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    pub(super) fn encrypt(self, server: &Server) -> Result<Self, Unreachable> {
        let Self {
            readable,
            writable,
            input,
            output,
            deadline,
            socket,
            ..
        } = self;
        // The streams go to the host, and what stems from them must be gone.
        drop((readable, writable));
        let (tls, input, output) = handshake(&server.host, input, output, deadline)?;
        Ok(Self::over(socket, Some(tls), input, output, deadline))
    }

    fn over(
        socket: TcpSocket,
        tls: Option<ClientConnection>,
        input: InputStream,
        output: OutputStream,
        deadline: Instant,
    ) -> Self {
        Self {
            readable: input.subscribe(),
            writable: output.subscribe(),
            input,
            output,
            deadline,
            _tls: tls,
            socket,
        }
    }

    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    pub(super) fn read_now(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let most = buffer.len().min(CHUNK) as u64;
        match self.input.read(most) {
            Ok(bytes) if bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            Ok(bytes) => {
                for (to, from) in buffer.iter_mut().zip(&bytes) {
                    *to = *from;
                }
                Ok(bytes.len().min(buffer.len()))
            }
            Err(StreamError::Closed) => Ok(0),
            Err(error) => Err(unread(&error)),
        }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.read_now(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait(&self.readable, self.deadline)?;
                }
                outcome => return outcome,
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room()?;
        let chunk = bytes.get(..room.min(bytes.len())).unwrap_or(bytes);
        self.output
            .write(chunk)
            .map_err(|error| unwritten(&error))?;
        Ok(chunk.len())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.output.flush().map_err(|error| unwritten(&error))?;
        // There is room again when the flush is done.
        self.room().map(|_| ())
    }

    /// How much can be written; waits until it is something.
    fn room(&self) -> io::Result<usize> {
        loop {
            match self.output.check_write() {
                Ok(0) => wait(&self.writable, self.deadline)?,
                Ok(room) => return Ok(usize::try_from(room).unwrap_or(usize::MAX)),
                Err(error) => return Err(unwritten(&error)),
            }
        }
    }
}

/// The addresses of a server.
fn addresses(
    network: &Network,
    server: &Server,
    deadline: Instant,
) -> Result<Vec<IpAddress>, Unreachable> {
    // An address needs no lookup, which a component without granted names may not make.
    if let Ok(address) = server.host.parse() {
        return Ok(vec![literal(address)]);
    }
    let lookup = resolve_addresses(network, &server.host).map_err(unresolved)?;
    let ready = lookup.subscribe();
    let mut found = Vec::new();
    loop {
        match lookup.resolve_next_address() {
            Ok(Some(address)) => found.push(address),
            Ok(None) => return Ok(found),
            Err(ErrorCode::WouldBlock) => {
                wait(&ready, deadline).map_err(|_| Unreachable::TimedOut)?;
            }
            Err(code) => return Err(unresolved(code)),
        }
    }
}

fn literal(address: IpAddr) -> IpAddress {
    match address {
        IpAddr::V4(address) => IpAddress::Ipv4(address.octets().into()),
        IpAddr::V6(address) => IpAddress::Ipv6(address.segments().into()),
    }
}

fn unresolved(code: ErrorCode) -> Unreachable {
    match code {
        ErrorCode::AccessDenied => Unreachable::NotGranted,
        // What a host says where no name is granted at all.
        ErrorCode::PermanentResolverFailure => Unreachable::NotGranted,
        ErrorCode::NameUnresolvable => Unreachable::Unknown("it is not known".to_owned()),
        other => Unreachable::Unknown(other.message().to_owned()),
    }
}

type Connected = (TcpSocket, InputStream, OutputStream);

fn connect(
    network: &Network,
    address: IpAddress,
    port: u16,
    deadline: Instant,
) -> Result<Connected, Unreachable> {
    let (family, address) = match address {
        IpAddress::Ipv4(address) => (
            IpAddressFamily::Ipv4,
            IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address }),
        ),
        IpAddress::Ipv6(address) => (
            IpAddressFamily::Ipv6,
            IpSocketAddress::Ipv6(Ipv6SocketAddress {
                port,
                flow_info: 0,
                address,
                scope_id: 0,
            }),
        ),
    };
    let socket = create_tcp_socket(family).map_err(unconnected)?;
    socket
        .start_connect(network, address)
        .map_err(unconnected)?;
    let ready = socket.subscribe();
    let (input, output) = loop {
        match socket.finish_connect() {
            Ok(streams) => break streams,
            Err(ErrorCode::WouldBlock) => {
                wait(&ready, deadline).map_err(|_| Unreachable::TimedOut)?;
            }
            Err(code) => return Err(unconnected(code)),
        }
    };
    drop(ready);
    Ok((socket, input, output))
}

fn unconnected(code: ErrorCode) -> Unreachable {
    match code {
        ErrorCode::AccessDenied => Unreachable::NotGranted,
        ErrorCode::Timeout => Unreachable::TimedOut,
        ErrorCode::ConnectionRefused => Unreachable::Failed("it refuses connections".to_owned()),
        ErrorCode::RemoteUnreachable => Unreachable::Failed("there is no way to it".to_owned()),
        other => Unreachable::Failed(other.message().to_owned()),
    }
}

type Encrypted = (ClientConnection, InputStream, OutputStream);

fn handshake(
    server_name: &str,
    input: InputStream,
    output: OutputStream,
    deadline: Instant,
) -> Result<Encrypted, Unreachable> {
    let streams = ClientHandshake::finish(ClientHandshake::new(server_name, input, output));
    let ready = streams.subscribe();
    loop {
        match streams.get() {
            None => wait(&ready, deadline).map_err(|_| Unreachable::TimedOut)?,
            Some(Ok(Ok(encrypted))) => return Ok(encrypted),
            Some(Ok(Err(error))) => return Err(Unreachable::Tls(error.to_debug_string())),
            Some(Err(())) => {
                return Err(Unreachable::Tls("the host has lost it".to_owned()));
            }
        }
    }
}

/// Waits for a pollable; an error if the time limit is reached before.
fn wait(pollable: &Pollable, deadline: Instant) -> io::Result<()> {
    let rest = u64::try_from(rest(deadline)?.as_nanos()).unwrap_or(u64::MAX);
    // What the poll says counts. To ask the pollable again is to ask the host's executor, which may say no
    // only because this task has had its share for now.
    let ready = poll(&[pollable, &subscribe_duration(rest)]);
    match ready.contains(&0) {
        true => Ok(()),
        false => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// A failed read. A peer that is gone is told from other faults, as the standard library does. WASI 0.2
/// gives words for that, and no code.
fn unread(error: &StreamError) -> io::Error {
    const GONE: [&str; 3] = ["reset by peer", "ConnectionReset", "close_notify"];
    let StreamError::LastOperationFailed(error) = error else {
        return io::ErrorKind::BrokenPipe.into();
    };
    let words = error.to_debug_string();
    let kind = match GONE.iter().any(|gone| words.contains(gone)) {
        true => io::ErrorKind::ConnectionReset,
        false => io::ErrorKind::Other,
    };
    io::Error::new(kind, words)
}

/// A failed write: nobody takes anything any more. Why, reading says.
fn unwritten(error: &StreamError) -> io::Error {
    match error {
        StreamError::Closed => io::ErrorKind::BrokenPipe.into(),
        StreamError::LastOperationFailed(error) => {
            io::Error::new(io::ErrorKind::ConnectionAborted, error.to_debug_string())
        }
    }
}
