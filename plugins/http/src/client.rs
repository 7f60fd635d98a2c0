//! Requests through `wasi:http`, one at a time.
//!
//! The bindings are used without an executor: a component without threads has nothing else to do while
//! it waits. Every handle of the host is a value here and dropped when a request is over, since the
//! host keeps only so many for an instance.

use http::HeaderMap;
use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, Scheme,
};
use wasip2::io::poll::poll;

use crate::address::{self, Address};
use crate::answer::{Answer, Unanswered};
use crate::config;
use crate::delivery::Client;
use crate::request::Request;

/// The body of an answer is read to its end, so that the connection can serve the next request; one
/// that is longer, or takes longer, is not worth it.
const MAX_BODY: usize = 64 << 10;
/// In nanoseconds.
const BODY_TIME: u64 = 2_000_000_000;
/// What is kept of a body: more than an operator gets to see of it.
const MAX_KEPT: usize = 2 << 10;

/// A server, ready to be sent requests.
#[derive(Debug)]
pub(crate) struct WasiClient {
    method: Method,
    address: Address,
    headers: Vec<(String, Vec<u8>)>,
}

impl WasiClient {
    /// A client whose requests all have these headers.
    pub(crate) fn new(method: config::Method, address: Address, headers: &HeaderMap) -> Self {
        Self {
            method: match method {
                config::Method::Post => Method::Post,
                config::Method::Put => Method::Put,
            },
            address,
            headers: headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
                .collect(),
        }
    }

    /// The head of a request, as the host wants it.
    fn head(&self, request: &Request<'_>) -> Result<OutgoingRequest, Unanswered> {
        let mut headers = self.headers.clone();
        let own = request
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        headers.extend(own);
        let length = request.body.len().to_string();
        headers.push(("content-length".to_owned(), length.into_bytes()));
        let headers =
            Fields::from_list(&headers).map_err(|error| Unanswered::NotSent(error.to_string()))?;

        let head = OutgoingRequest::new(headers);
        let scheme = match self.address.scheme {
            address::Scheme::Http => Scheme::Http,
            address::Scheme::Https => Scheme::Https,
        };
        head.set_method(&self.method)
            .and_then(|()| head.set_scheme(Some(&scheme)))
            .and_then(|()| head.set_authority(Some(&self.address.authority)))
            .and_then(|()| head.set_path_with_query(Some(&self.address.path_with_query)))
            .map_err(|()| Unanswered::NotSent("the host does not take its address".to_owned()))?;
        Ok(head)
    }
}

impl Client for WasiClient {
    fn send(&mut self, request: &Request<'_>) -> Result<Answer, Unanswered> {
        let head = self.head(request)?;
        let body = head
            .body()
            .map_err(|()| Unanswered::NotSent("the host does not take its body".to_owned()))?;
        // Without options: the host has time limits of its own, which leave out what a request waits for
        // bandwidth. And wasmtime-wasi-http keeps the options that a guest hands over.
        let response = outgoing_handler::handle(head, None).map_err(unanswered)?;
        write(body, &request.body, &response);
        let response = wait(&response)?;
        Ok(read(&response))
    }
}

/// Writes the body of a request. It stops where the host takes no more of it: the reason is in the
/// answer, or in what stands there instead of one.
fn write(body: OutgoingBody, bytes: &[u8], response: &FutureIncomingResponse) {
    let Ok(stream) = body.write() else { return };
    let (writable, answered) = (stream.subscribe(), response.subscribe());
    let mut rest = bytes;
    while !rest.is_empty() {
        let Ok(room) = stream.check_write() else {
            return;
        };
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let (chunk, later) = rest.split_at(room.min(rest.len()));
        if !chunk.is_empty() {
            if stream.write(chunk).is_err() {
                return;
            }
            rest = later;
            continue;
        }
        poll(&[&writable, &answered]);
        if answered.ready() && !writable.ready() {
            return;
        }
    }
    drop((writable, answered, stream));
    // A body that is not finished counts as broken off.
    let _ = OutgoingBody::finish(body, None);
}

/// Waits for the head of the answer, or for the host to give it up.
fn wait(response: &FutureIncomingResponse) -> Result<IncomingResponse, Unanswered> {
    response.subscribe().block();
    match response.get() {
        Some(Ok(Ok(response))) => Ok(response),
        Some(Ok(Err(code))) => Err(unanswered(code)),
        Some(Err(())) | None => Err(Unanswered::Broken("the host has lost it".to_owned())),
    }
}

/// Reads an answer whose head is there.
fn read(response: &IncomingResponse) -> Answer {
    let headers = response.headers();
    let header = |name: &str| {
        let value = headers.get(name).into_iter().next()?;
        String::from_utf8(value).ok()
    };
    Answer {
        status: response.status(),
        retry_after: header("retry-after"),
        location: header("location"),
        body: read_body(response),
    }
}

/// Reads the body to its end, within limits, and keeps its beginning. What goes wrong here changes
/// nothing: the status has said what became of the request.
fn read_body(response: &IncomingResponse) -> Vec<u8> {
    let mut kept = Vec::new();
    let Ok(body) = response.consume() else {
        return kept;
    };
    let Ok(stream) = body.stream() else {
        return kept;
    };
    let readable = stream.subscribe();
    let deadline = monotonic_clock::subscribe_duration(BODY_TIME);
    let mut count = 0;
    while count < MAX_BODY && !deadline.ready() {
        let Ok(bytes) = stream.read(MAX_BODY as u64) else {
            break;
        };
        if bytes.is_empty() {
            poll(&[&readable, &deadline]);
        }
        count += bytes.len();
        let room = MAX_KEPT.saturating_sub(kept.len());
        kept.extend(bytes.into_iter().take(room));
    }
    kept
}

/// What an error of `wasi:http` means.
fn unanswered(code: ErrorCode) -> Unanswered {
    let why = match code {
        ErrorCode::HttpRequestDenied => return Unanswered::NotGranted,
        ErrorCode::DestinationIpProhibited => return Unanswered::PrivateAddress,
        ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => return Unanswered::TimedOut,
        ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_) => return Unanswered::NotSent(code.to_string()),
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) => "its name was not found",
        ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable => "it cannot be reached",
        ErrorCode::ConnectionRefused => "it refuses connections",
        ErrorCode::ConnectionTimeout => "it cannot be connected to in time",
        ErrorCode::ConnectionTerminated => "the connection broke",
        ErrorCode::TlsCertificateError => "its certificate is not trusted",
        ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => "TLS was not agreed on",
        ErrorCode::HttpProtocolError | ErrorCode::HttpResponseIncomplete => {
            "what came back is no answer in HTTP"
        }
        other => return Unanswered::Broken(other.to_string()),
    };
    Unanswered::Broken(why.to_owned())
}
