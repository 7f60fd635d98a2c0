//! HTTP for exporters: one request at a time, and what an answer means for the messages that it carried.
//!
//! * [`Address`] is where a request goes, as a configuration names it.
//! * [`Request`] goes through [`send`]: inside a component through `wasi:http`, where the host checks
//!   the grant, signs, and keeps time limits; natively, for tests and benchmarks, through a small client
//!   that speaks in the clear only.
//! * [`Answer::verdict`] and [`Unanswered::error`] turn what came of it into what the host is to do.
//!
//! * [`headers`](mod@headers) checks those of a configuration, and asks the host for those with secrets.
//! * [`Delivery`] carries a batch in order, by as many requests as it takes.
//! * [`Compression`] is for bodies.
//!
//! Nothing here retries: the host does, with pauses that the operator sees. What sends requests takes a
//! [`Transport`], so that a test can put a script in the place of the network.

mod address;
mod answer;
#[cfg(not(target_arch = "wasm32"))]
#[path = "native.rs"]
mod client;
#[cfg(target_arch = "wasm32")]
#[path = "wasi.rs"]
mod client;
mod compression;
mod delivery;
pub mod headers;

use std::borrow::Cow;

pub use address::{Address, Scheme};
pub use answer::{Advice, Answer, FINAL, Unanswered, Verdict, printable};
pub use compression::Compression;
pub use delivery::{Delivery, Parcel, Sent};
pub use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// What is kept of a body of which only the beginning matters: more than an operator gets to see.
const BEGINNING: usize = 2 << 10;

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names are all there is to say")]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

/// How much of an answer's body is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Its beginning, for an operator to read; what goes wrong with the rest does not matter.
    Beginning,
    /// All of it, up to this many bytes: without it the answer counts as none.
    Whole(usize),
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// What is asked for.
    pub method: Method,
    /// Where it goes.
    pub address: &'a Address,
    /// Its headers; `host` and `content-length` are not among them.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Cow<'a, [u8]>,
    /// What is wanted of the answer's body.
    pub keep: Keep,
}

/// What carries a request to a server.
pub trait Transport {
    /// Sends one request, and reads the answer.
    ///
    /// # Errors
    ///
    /// There is no answer; [`Unanswered`] says why.
    fn send(&mut self, request: &Request<'_>) -> Result<Answer, Unanswered>;
}

/// The network that the host lets this component reach.
#[derive(Debug, Clone, Copy, Default)]
pub struct Network;

impl Transport for Network {
    fn send(&mut self, request: &Request<'_>) -> Result<Answer, Unanswered> {
        client::send(request)
    }
}

/// Sends one request, and reads the answer.
///
/// # Errors
///
/// There is no answer; [`Unanswered`] says why.
pub fn send(request: &Request<'_>) -> Result<Answer, Unanswered> {
    client::send(request)
}
