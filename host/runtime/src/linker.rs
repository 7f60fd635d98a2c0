//! Everything the host offers to components. What an instance may do with it is a matter of its
//! grants; see [`crate::sandbox`].

use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use crate::contract::millstream::plugin::{log, streams, types, work};
use crate::error::RuntimeError;
use crate::state::State;
use crate::work::Work;

/// A linker with the interfaces of the contract, of WASI 0.2 for commands, and of outgoing HTTP.
pub(crate) fn new(engine: &Engine) -> Result<Linker<State>, RuntimeError> {
    let mut linker = Linker::new(engine);
    add_all(&mut linker).map_err(|error| RuntimeError::Engine {
        reason: format!("{error:#}"),
    })?;
    Ok(linker)
}

fn add_all(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    types::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    log::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    streams::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    work::add_to_linker::<_, HasSelf<Work>>(linker, |state| &mut state.work)
}
