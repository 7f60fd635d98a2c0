//! One TCP connection, with a time limit for everything that waits.
//!
//! Inside a component it goes through `wasi:sockets`, where the host checks the grant: the standard
//! library's sockets have no time limits there. Natively, for tests, it is the standard library's.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod wasi;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::Connection;
#[cfg(target_arch = "wasm32")]
pub(crate) use wasi::Connection;

/// Why a connection does not do what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The host does not let this component connect there.
    NotGranted,
    /// The host is a name, and names are not looked up.
    NoAddress,
    /// The time was up.
    TimedOut,
    /// The other end closed it.
    Closed,
    /// Anything else; in words that follow "the connection".
    Broken(String),
}
