//! `wasi:sockets/ip-name-lookup`, for granted names only.
//!
//! The lookup is that of `wasmtime-wasi`, which has no hook for its names. What stands here goes before
//! it and behind it: a name that is not granted is refused, addresses that a name may not stand for are
//! left out, and the others are remembered, so that a connection to them is let through.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{
    Host, HostResolveAddressStream, ResolveAddressStream,
};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, SocketError};
use wasmtime_wasi::sockets::WasiSocketsView;

use crate::http::Reach;
use crate::state::State;

/// The lookups of one instance whose answers may still be read, by the number of their resource. There
/// are no more than resources.
pub(crate) type Lookups = HashMap<u32, Lookup>;

/// A lookup of a granted name.
pub(crate) struct Lookup {
    name: String,
    reach: Reach,
    /// The first address that was left out.
    refused: Option<IpAddr>,
    found_any: bool,
}

impl Host for State {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        // An address is no question to a name server, and is checked when it is connected to.
        if name.parse::<IpAddr>().is_ok() {
            return self.sockets().resolve_addresses(network, name);
        }
        let Some(reach) = self.socket_access.grants.looks_up(&name) else {
            self.socket_access.refuse_lookup(&name);
            return Err(ErrorCode::AccessDenied.into());
        };
        let stream = self.sockets().resolve_addresses(network, name.clone())?;
        let name = name.to_ascii_lowercase();
        let lookup = Lookup {
            name,
            reach,
            refused: None,
            found_any: false,
        };
        self.lookups.insert(stream.rep(), lookup);
        Ok(stream)
    }
}

impl HostResolveAddressStream for State {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> Result<Option<IpAddress>, SocketError> {
        loop {
            let next = Resource::new_borrow(stream.rep());
            let found = self.sockets().resolve_next_address(next)?;
            let Some(lookup) = self.lookups.get_mut(&stream.rep()) else {
                return Ok(found);
            };
            match found {
                Some(found) => {
                    let address = ip(found);
                    let once = std::slice::from_ref(&address);
                    let names = &self.socket_access.names;
                    names.learn(&lookup.name, once, Instant::now());
                    if lookup.reach.allows(address) {
                        lookup.found_any = true;
                        return Ok(Some(found));
                    }
                    lookup.refused.get_or_insert(address);
                }
                None => match lookup.refused.take() {
                    Some(address) if !lookup.found_any => {
                        self.socket_access.report_private(&lookup.name, address);
                        return Err(ErrorCode::AccessDenied.into());
                    }
                    _ => return Ok(None),
                },
            }
        }
    }

    fn subscribe(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.sockets().subscribe(stream)
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.lookups.remove(&stream.rep());
        HostResolveAddressStream::drop(&mut self.sockets(), stream)
    }
}

/// What a linker wants with it: errors become codes, as in `wasmtime-wasi`.
impl network::Host for State {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        self.sockets().convert_error_code(error)
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        self.sockets().network_error_code(error)
    }
}

impl network::HostNetwork for State {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.sockets(), network)
    }
}

fn ip(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => Ipv4Addr::new(a, b, c, d).into(),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => Ipv6Addr::new(a, b, c, d, e, f, g, h).into(),
    }
}
