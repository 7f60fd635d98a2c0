//! What a failed request means to a guest.

use std::error::Error as StdError;
use std::io;

use hyper_util::client::legacy;
use wasmtime_wasi_http::Error;

use super::proxy::ProxyError;
use super::resolver::ResolveError;

/// The code that a guest sees for an error of the client.
pub(super) fn code(error: &legacy::Error) -> Error {
    for cause in causes(error) {
        if let Some(resolve) = cause.downcast_ref::<ResolveError>() {
            return match resolve {
                ResolveError::Prohibited { .. } => Error::DestinationIpProhibited,
                ResolveError::Lookup { .. } => Error::DnsError {
                    rcode: Some("name not resolved".into()),
                    info_code: None,
                },
            };
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return match tls {
                rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
                    Error::TlsCertificateError
                }
                _ => Error::TlsProtocolError,
            };
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::ConnectionRefused => return Error::ConnectionRefused,
                io::ErrorKind::TimedOut => return Error::ConnectionTimeout,
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                    return Error::DestinationUnavailable;
                }
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::UnexpectedEof => return Error::ConnectionTerminated,
                _ => {}
            }
        }
    }
    if error.is_connect() {
        Error::DestinationUnavailable
    } else {
        Error::HttpProtocolError
    }
}

/// The refusal of an address, if that is why the request failed.
pub(super) fn prohibited(error: &legacy::Error) -> Option<&ResolveError> {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<ResolveError>())
        .find(|error| matches!(error, ResolveError::Prohibited { .. }))
}

/// Whether a proxy is why the request failed.
pub(super) fn is_of_proxy(error: &legacy::Error) -> bool {
    causes(error).any(|cause| cause.is::<ProxyError>())
}

/// An error and everything behind it, for one line of a log.
pub(crate) fn chain(error: &legacy::Error) -> String {
    let mut texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    // An error of input and output has the text of the one it wraps.
    texts.dedup();
    texts.join(": ")
}

/// The error and all that caused it. An error of input and output hides the one it wraps from
/// `source`, and that of rustls is wrapped so, even twice.
pub(crate) fn causes(error: &legacy::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let first: &(dyn StdError + 'static) = error;
    std::iter::successors(Some(first), |&error| {
        match error.downcast_ref::<io::Error>() {
            Some(io) => io
                .get_ref()
                .map(|wrapped| wrapped as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}
