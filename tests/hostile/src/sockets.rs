//! Connections to addresses that were not granted, and names that are none of its business.

use std::net::SocketAddr;

use serde::Deserialize;
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp::OutgoingDatagram;
use wasip2::sockets::udp_create_socket::create_udp_socket;

use crate::attempts::report;

#[derive(Deserialize)]
pub(crate) struct Sockets {
    names: Vec<String>,
    addresses: Vec<SocketAddr>,
}

impl Sockets {
    pub(crate) fn attempt(&self) {
        for name in &self.names {
            report(&format!("look up {name}"), &look_up(name));
        }
        for address in &self.addresses {
            report(&format!("connect {address}"), &connect(*address));
            report(&format!("send to {address}"), &send(*address));
        }
        report("listen", &listen());
        report("bind a port", &bind(([127, 0, 0, 1], 4321).into()));
    }
}

fn look_up(name: &str) -> Result<IpAddress, ErrorCode> {
    let lookup = resolve_addresses(&instance_network(), name)?;
    let ready = lookup.subscribe();
    loop {
        match lookup.resolve_next_address() {
            Ok(Some(address)) => return Ok(address),
            Ok(None) => return Err(ErrorCode::NameUnresolvable),
            Err(ErrorCode::WouldBlock) => ready.block(),
            Err(code) => return Err(code),
        }
    }
}

fn connect(address: SocketAddr) -> Result<(), ErrorCode> {
    let socket = create_tcp_socket(family(address))?;
    socket.start_connect(&instance_network(), wasi(address))?;
    finish(&socket.subscribe(), || socket.finish_connect().map(drop))
}

fn send(address: SocketAddr) -> Result<u64, ErrorCode> {
    let socket = create_udp_socket(family(address))?;
    let anywhere = match address {
        SocketAddr::V4(_) => ([0; 4], 0).into(),
        SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    socket.start_bind(&instance_network(), wasi(anywhere))?;
    finish(&socket.subscribe(), || socket.finish_bind())?;
    let (_incoming, outgoing) = socket.stream(None)?;
    outgoing.check_send()?;
    outgoing.send(&[OutgoingDatagram {
        data: b"hello".to_vec(),
        remote_address: Some(wasi(address)),
    }])
}

fn bind(address: SocketAddr) -> Result<(), ErrorCode> {
    let socket = create_tcp_socket(family(address))?;
    socket.start_bind(&instance_network(), wasi(address))?;
    finish(&socket.subscribe(), || socket.finish_bind())
}

fn listen() -> Result<(), ErrorCode> {
    let socket = create_tcp_socket(IpAddressFamily::Ipv4)?;
    socket.start_bind(&instance_network(), wasi(([0; 4], 0).into()))?;
    finish(&socket.subscribe(), || socket.finish_bind())?;
    socket.start_listen()?;
    finish(&socket.subscribe(), || socket.finish_listen())
}

fn finish(
    ready: &wasip2::io::poll::Pollable,
    act: impl Fn() -> Result<(), ErrorCode>,
) -> Result<(), ErrorCode> {
    loop {
        match act() {
            Err(ErrorCode::WouldBlock) => ready.block(),
            done => return done,
        }
    }
}

fn family(address: SocketAddr) -> IpAddressFamily {
    match address {
        SocketAddr::V4(_) => IpAddressFamily::Ipv4,
        SocketAddr::V6(_) => IpAddressFamily::Ipv6,
    }
}

fn wasi(address: SocketAddr) -> IpSocketAddress {
    let port = address.port();
    match address {
        SocketAddr::V4(address) => IpSocketAddress::Ipv4(Ipv4SocketAddress {
            port,
            address: address.ip().octets().into(),
        }),
        SocketAddr::V6(address) => IpSocketAddress::Ipv6(Ipv6SocketAddress {
            port,
            flow_info: 0,
            address: address.ip().segments().into(),
            scope_id: 0,
        }),
    }
}
