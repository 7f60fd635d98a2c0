//! `wasi:sockets/ip-name-lookup`, for granted names only.
//!
//! That of `wasmtime-wasi` has no hook for its names, nor a bound on the threads that wait for silent name
//! servers, so the host's own stands in its place: a name that is not granted is refused, addresses that a
//! name may not stand for are left out, and the others are remembered, so that a connection to them is
//! let through.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use std::vec;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{
    Host, HostResolveAddressStream, ResolveAddressStream,
};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, Pollable, SocketError, subscribe};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};
use wasmtime_wasi::sockets::WasiSocketsView;

use crate::http::Reach;
use crate::name_lookup::look_up;
use crate::state::State;

/// A lookup of a granted name, or an address as its own answer. The table of resources has it under the
/// number by which the guest knows its `resolve-address-stream`.
struct Lookup {
    /// In lower case.
    name: String,
    reach: Reach,
    answer: Answer,
    /// The first address that was left out.
    refused: Option<IpAddr>,
    found_any: bool,
}

enum Answer {
    Asked(AbortOnDropJoinHandle<io::Result<Vec<IpAddr>>>),
    /// What the guest has not read yet.
    Found(vec::IntoIter<IpAddr>),
    /// An address is no question to a name server, and is checked when it is connected to.
    Itself(Option<IpAddr>),
    Unresolvable,
}

impl Answer {
    fn of(answered: io::Result<Vec<IpAddr>>) -> Self {
        answered.map_or(Self::Unresolvable, |found| Self::Found(found.into_iter()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lookup {
    async fn ready(&mut self) {
        if let Answer::Asked(asked) = &mut self.answer {
            self.answer = Answer::of(asked.await);
        }
    }
}

fn ours(stream: &Resource<ResolveAddressStream>) -> Resource<Lookup> {
    Resource::new_borrow(stream.rep())
}

impl Host for State {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        // Only whoever has a network may ask.
        self.table.get(&network)?;
        let (reach, answer) = if let Ok(address) = name.parse::<IpAddr>() {
            (Reach::Private, Answer::Itself(Some(address)))
        } else if let Some(reach) = self.socket_access.grants.looks_up(&name) {
            (reach, Answer::Asked(spawn(look_up(name.clone()))))
        } else {
            self.socket_access.refuse_lookup(&name);
            return Err(ErrorCode::AccessDenied.into());
        };
        let lookup = self.table.push(Lookup {
            name: name.to_ascii_lowercase(),
            reach,
            answer,
            refused: None,
            found_any: false,
        })?;
        Ok(Resource::new_own(lookup.rep()))
    }
}

impl HostResolveAddressStream for State {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> Result<Option<IpAddress>, SocketError> {
        let lookup = self.table.get_mut(&ours(&stream))?;
        if let Answer::Asked(asked) = &mut lookup.answer
            && let Poll::Ready(answered) =
                Pin::new(asked).poll(&mut Context::from_waker(Waker::noop()))
        {
            lookup.answer = Answer::of(answered);
        }
        let found = match &mut lookup.answer {
            Answer::Asked(_) => return Err(ErrorCode::WouldBlock.into()),
            Answer::Unresolvable => return Err(ErrorCode::NameUnresolvable.into()),
            Answer::Itself(address) => return Ok(address.take().map(IpAddress::from)),
            Answer::Found(found) => found,
        };
        for address in found {
            let address = address.to_canonical();
            let names = &self.socket_access.names;
            names.learn(&lookup.name, &[address], Instant::now());
            if lookup.reach.allows(address) {
                lookup.found_any = true;
                return Ok(Some(address.into()));
            }
            lookup.refused.get_or_insert(address);
        }
        match lookup.refused.take() {
            Some(address) if !lookup.found_any => {
                self.socket_access.report_private(&lookup.name, address);
                Err(ErrorCode::AccessDenied.into())
            }
            _ => Ok(None),
        }
    }

    fn subscribe(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(&mut self.table, ours(&stream))
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.table
            .delete(Resource::<Lookup>::new_own(stream.rep()))?;
        Ok(())
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
