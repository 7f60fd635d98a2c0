//! Everything the host offers to components. What an instance may do with it is a matter of its
//! grants; see [`crate::sandbox`].

use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::p2::bindings::filesystem::types as filesystem;
use wasmtime_wasi::p2::bindings::sockets::{ip_name_lookup, tcp_create_socket, udp_create_socket};

use crate::contract::millstream::plugin::{log, secrets, streams, types, work};
use crate::contract::producing::stop;
use crate::error::RuntimeError;
use crate::files::{self, HasFiles};
use crate::state::State;
use crate::work::Work;

/// A linker with the interfaces of the contract, of WASI 0.2 for commands, of outgoing HTTP,
/// and of TLS.
pub(crate) fn new(engine: &Engine) -> Result<Linker<State>, RuntimeError> {
    let mut linker = Linker::new(engine);
    add_all(&mut linker).map_err(|error| RuntimeError::Engine {
        reason: format!("{error:#}"),
    })?;
    Ok(linker)
}

fn add_all(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    // Ours ask the grants first, and say what was denied.
    linker.allow_shadowing(true);
    ip_name_lookup::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    tcp_create_socket::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    udp_create_socket::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    filesystem::add_to_linker::<_, HasFiles>(linker, files::of)?;
    linker.allow_shadowing(false);
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    let mut options = wasmtime_wasi_tls::p2::LinkOptions::default();
    wasmtime_wasi_tls::p2::add_to_linker(linker, options.tls(true))?;
    types::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    log::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    secrets::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    stop::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    streams::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    work::add_to_linker::<_, HasSelf<Work>>(linker, |state| &mut state.work)
}
