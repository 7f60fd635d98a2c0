//! Connections through `wasi:sockets`.

use std::net::IpAddr;
use std::time::Instant;

use wasip2::clocks::monotonic_clock;
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use wasip2::sockets::tcp::TcpSocket;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;

use super::Fault;
use crate::address::Address;

/// An open connection. The streams are children of the socket and have to go before it.
#[derive(Debug)]
pub(crate) struct Connection {
    input: InputStream,
    output: OutputStream,
    _socket: TcpSocket,
}

impl Connection {
    /// Connects, until `deadline` at most.
    pub(crate) fn open(address: &Address, deadline: Instant) -> Result<Self, Fault> {
        let ip = address.host.parse().map_err(|_| Fault::NoAddress)?;
        let (family, remote) = remote(ip, address.port);
        let socket = create_tcp_socket(family).map_err(fault)?;
        socket
            .start_connect(&instance_network(), remote)
            .map_err(fault)?;
        let (input, output) = loop {
            match socket.finish_connect() {
                Ok(streams) => break streams,
                Err(ErrorCode::WouldBlock) => wait(&socket.subscribe(), deadline)?,
                Err(error) => return Err(fault(error)),
            }
        };
        Ok(Self {
            input,
            output,
            _socket: socket,
        })
    }

    /// Sends everything, until `deadline` at most.
    pub(crate) fn write_all(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let room = self.output.check_write().map_err(broken)?;
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            let (chunk, rest) = bytes.split_at(room.min(bytes.len()));
            if chunk.is_empty() {
                wait(&self.output.subscribe(), deadline)?;
            } else {
                self.output.write(chunk).map_err(broken)?;
                bytes = rest;
            }
        }
        self.output.flush().map_err(broken)
    }

    /// Reads until the buffer is full, until `deadline` at most.
    pub(crate) fn read_exact(
        &mut self,
        mut buffer: &mut [u8],
        deadline: Instant,
    ) -> Result<(), Fault> {
        while !buffer.is_empty() {
            let read = self.input.read(buffer.len() as u64).map_err(broken)?;
            if read.is_empty() {
                wait(&self.input.subscribe(), deadline)?;
                continue;
            }
            let (filled, rest) = buffer
                .split_at_mut_checked(read.len())
                .ok_or_else(|| Fault::Broken("yields more than was asked for".to_owned()))?;
            filled.copy_from_slice(&read);
            buffer = rest;
        }
        Ok(())
    }
}

fn remote(ip: IpAddr, port: u16) -> (IpAddressFamily, IpSocketAddress) {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            let address = (a, b, c, d);
            let remote = IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address });
            (IpAddressFamily::Ipv4, remote)
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h] = ip.segments();
            let remote = IpSocketAddress::Ipv6(Ipv6SocketAddress {
                port,
                flow_info: 0,
                address: (a, b, c, d, e, f, g, h),
                scope_id: 0,
            });
            (IpAddressFamily::Ipv6, remote)
        }
    }
}

/// Waits until something is ready.
fn wait(ready: &Pollable, deadline: Instant) -> Result<(), Fault> {
    let time = deadline.saturating_duration_since(Instant::now());
    if time.is_zero() {
        return Err(Fault::TimedOut);
    }
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    poll(&[ready, &monotonic_clock::subscribe_duration(nanoseconds)]);
    Ok(())
}

fn broken(error: StreamError) -> Fault {
    match error {
        StreamError::Closed => Fault::Closed,
        StreamError::LastOperationFailed(_) => Fault::Broken("broke".to_owned()),
    }
}

fn fault(error: ErrorCode) -> Fault {
    match error {
        ErrorCode::AccessDenied => Fault::NotGranted,
        ErrorCode::Timeout => Fault::TimedOut,
        ErrorCode::ConnectionRefused => Fault::Broken("is refused".to_owned()),
        ErrorCode::RemoteUnreachable => Fault::Broken("finds no way there".to_owned()),
        ErrorCode::ConnectionReset | ErrorCode::ConnectionAborted => {
            Fault::Broken("broke".to_owned())
        }
        other => Fault::Broken(format!("failed: {other}")),
    }
}
