//! Requests through `wasi:http`, one at a time.
//!
//! The bindings are used without an executor: a component without threads has nothing else to do while
//! it waits. Every handle of the host is a value here and dropped when a request is over, since the
//! host keeps only so many for an instance.

use http::{HeaderMap, HeaderName, HeaderValue};
use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, OutgoingBody, OutgoingRequest,
};
use wasip2::http::types::{Method as WasiMethod, Scheme as WasiScheme};
use wasip2::io::poll::poll;
use wasip2::io::streams::StreamError;

use super::{Answer, BEGINNING, Keep, Method, Request, Scheme, Unanswered};

/// The body of an answer is read to its end, so that the connection can serve the next request; one
/// that is longer than this and than what is kept, or takes longer, is not worth it.
const MAX_BODY: usize = 64 << 10;
/// In nanoseconds.
const BODY_TIME: u64 = 2_000_000_000;
/// The time for a body that is to be kept whole, in nanoseconds.
const KEPT_BODY_TIME: u64 = 20_000_000_000;

/// Sends one request, and reads the answer.
pub(super) fn send(request: &Request<'_>) -> Result<Answer, Unanswered> {
    let head = head(request)?;
    let body = head
        .body()
        .map_err(|()| Unanswered::NotSent("the host does not take its body".to_owned()))?;
    // Without options: the host has time limits of its own, which leave out what a request waits for
    // bandwidth. And wasmtime-wasi-http keeps the options that a guest hands over.
    let response = outgoing_handler::handle(head, None).map_err(unanswered)?;
    write(body, &request.body, &response);
    let response = wait(&response)?;
    read(&response, request.keep)
}

/// The head of a request, as the host wants it.
fn head(request: &Request<'_>) -> Result<OutgoingRequest, Unanswered> {
    let mut headers: Vec<(String, Vec<u8>)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    let length = request.body.len().to_string();
    headers.push(("content-length".to_owned(), length.into_bytes()));
    let headers =
        Fields::from_list(&headers).map_err(|error| Unanswered::NotSent(error.to_string()))?;

    let head = OutgoingRequest::new(headers);
    let address = request.address;
    let method = match request.method {
        Method::Get => WasiMethod::Get,
        Method::Post => WasiMethod::Post,
        Method::Put => WasiMethod::Put,
        Method::Delete => WasiMethod::Delete,
    };
    let scheme = match address.scheme {
        Scheme::Http => WasiScheme::Http,
        Scheme::Https => WasiScheme::Https,
    };
    head.set_method(&method)
        .and_then(|()| head.set_scheme(Some(&scheme)))
        .and_then(|()| head.set_authority(Some(&address.authority)))
        .and_then(|()| head.set_path_with_query(Some(&address.path_with_query)))
        .map_err(|()| Unanswered::NotSent("the host does not take its address".to_owned()))?;
    Ok(head)
}

/// Writes the body of a request. It stops where the host takes no more of it: the reason is in the
/// answer, or in what stands there instead of one.
fn write(body: OutgoingBody, bytes: &[u8], response: &FutureIncomingResponse) {
    let Ok(stream) = body.write() else { return };
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
        // An answer that comes while there is no room: the rest of the body is not wanted.
        if poll(&[&stream.subscribe(), &response.subscribe()]) == [1] {
            return;
        }
    }
    drop(stream);
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
fn read(response: &IncomingResponse, keep: Keep) -> Result<Answer, Unanswered> {
    let headers = response.headers().entries().into_iter();
    let headers = headers
        .filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(&value).ok()?))
        })
        .collect::<HeaderMap>();
    Ok(Answer {
        status: response.status(),
        headers,
        body: read_body(response, keep)?,
    })
}

/// Reads the body to its end, within limits, and keeps what is wanted of it. Where only its beginning
/// is, nothing that goes wrong here matters: the status has said what became of the request.
fn read_body(response: &IncomingResponse, keep: Keep) -> Result<Vec<u8>, Unanswered> {
    let (most, time, whole) = match keep {
        Keep::Beginning => (BEGINNING, BODY_TIME, false),
        Keep::Whole(most) => (most, KEPT_BODY_TIME, true),
    };
    let broken = |why: &str| match whole {
        true => Err(Unanswered::Broken(why.to_owned())),
        false => Ok(()),
    };
    let mut kept = Vec::new();
    let Ok(body) = response.consume() else {
        return broken("the host has lost its body").map(|()| kept);
    };
    let Ok(stream) = body.stream() else {
        return broken("the host has lost its body").map(|()| kept);
    };
    // Most bodies are there at once, and need no clock.
    let mut deadline = None;
    let mut count = 0;
    let chunk = MAX_BODY as u64;
    loop {
        if count >= most.max(MAX_BODY) {
            broken("its body is longer than any answer to such a request")?;
            break;
        }
        match stream.read(chunk) {
            Ok(bytes) if bytes.is_empty() => {
                let deadline =
                    deadline.get_or_insert_with(|| monotonic_clock::subscribe_duration(time));
                // Polled in this order, it is out of time only where nothing else has come.
                if poll(&[&stream.subscribe(), deadline]) == [1] {
                    broken("its body did not come to an end in time")?;
                    break;
                }
            }
            Ok(bytes) => {
                count += bytes.len();
                let room = most.saturating_sub(kept.len());
                kept.extend(bytes.into_iter().take(room));
            }
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => {
                broken("the connection broke before its end")?;
                break;
            }
        }
    }
    Ok(kept)
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
