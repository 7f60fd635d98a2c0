//! Requests through the proxy that the host's environment names.
//!
//! `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` hold as they do for curl, though not for
//! SOCKS. A request with TLS goes through a tunnel (`CONNECT`), so the proxy sees only its
//! destination; one without goes to the proxy as a whole, in the absolute form (RFC 9112, 3.2.2).
//!
//! # Addresses
//!
//! Behind a proxy it is the proxy that finds the address of a name, and the host cannot see whether
//! that address is one which the grant may mean. So only names that look like names of the public
//! internet take this way: what is granted as private, the device itself, addresses in any spelling
//! and names without a dot are reached directly, and checked as without a proxy.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use super::address::Reach;
use crate::name_lookup::SystemResolver;

/// Which requests go through which proxy.
#[derive(Clone)]
pub(super) struct Proxies(Arc<Matcher>);

impl Proxies {
    /// What the environment says.
    pub(super) fn from_env() -> Self {
        Self::new(Matcher::from_env())
    }

    pub(super) fn new(matcher: Matcher) -> Self {
        Self(Arc::new(matcher))
    }

    /// The proxy on the way of a request that has been let through; none if it goes directly.
    pub(super) fn on_the_way(&self, reach: Reach, uri: &Uri) -> Option<Proxy> {
        if reach != Reach::Public || !is_public_name(uri.host()?) {
            return None;
        }
        self.find(uri)
    }

    fn find(&self, uri: &Uri) -> Option<Proxy> {
        let found = self.0.intercept(uri)?;
        let scheme = found.uri().scheme()?;
        if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
            tracing::debug!(proxy = %found.uri(), "a proxy of this kind is not supported");
            return None;
        }
        Some(Proxy(found))
    }
}

/// Whether a name can only be one of the public internet: not the device, not a name of the local
/// network, and not a number that a resolver would take for an address.
fn is_public_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    match name.rsplit_once('.') {
        Some((_, top)) => {
            top.starts_with(|first: char| first.is_ascii_alphabetic())
                && !["localhost", "local", "internal", "lan", "home"].contains(&top)
                && name != "home.arpa"
                && !name.ends_with(".home.arpa")
        }
        None => false,
    }
}

/// A proxy for one request.
pub(super) struct Proxy(Intercept);

impl Proxy {
    /// What a request without TLS shows to the proxy.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.0.basic_auth()
    }
}

/// A proxy that does not do its part. Its text has no credentials.
#[derive(Debug, thiserror::Error)]
#[error(
    "the proxy {proxy} opens no way to {destination}; look at HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
)]
pub(super) struct ProxyError {
    proxy: Uri,
    destination: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

type Inner = HttpsConnector<HttpConnector<SystemResolver>>;
type InnerStream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Connects to destinations by way of their proxy.
#[derive(Clone)]
pub(super) struct ProxyConnector {
    proxies: Proxies,
    inner: Inner,
}

impl ProxyConnector {
    /// `tcp` connects to proxies, `tls` is for those whose own address begins with `https`.
    pub(super) fn new(
        proxies: Proxies,
        tcp: HttpConnector<SystemResolver>,
        tls: ClientConfig,
    ) -> Self {
        let inner = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Self { proxies, inner }
    }
}

impl Service<Uri> for ProxyConnector {
    type Response = ProxyStream;
    type Error = ProxyError;
    type Future = Pin<Box<dyn Future<Output = Result<ProxyStream, ProxyError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let found = self.proxies.find(&destination);
        let mut inner = self.inner.clone();
        Box::pin(async move {
            let proxy = found.as_ref().map(|found| found.0.uri().clone());
            let failed = |source| ProxyError {
                proxy: proxy.clone().unwrap_or_default(),
                destination: destination
                    .authority()
                    .map_or_else(String::new, ToString::to_string),
                source,
            };
            let Some(Proxy(found)) = found else {
                return Err(failed("there is no proxy for it any more".into()));
            };
            if destination.scheme() == Some(&Scheme::HTTP) {
                let stream = inner.call(found.uri().clone()).await.map_err(failed)?;
                return Ok(ProxyStream {
                    stream,
                    absolute: true,
                });
            }
            let mut tunnel = Tunnel::new(found.uri().clone(), inner);
            if let Some(authorization) = found.basic_auth() {
                tunnel = tunnel.with_auth(authorization.clone());
            }
            let opened = tunnel.call(destination.clone()).await;
            Ok(ProxyStream {
                stream: opened.map_err(|error| failed(error.into()))?,
                absolute: false,
            })
        })
    }
}

/// A connection to a proxy, or through one.
pub(super) struct ProxyStream {
    stream: InnerStream,
    /// Requests name their destination in full, since the proxy is to read them.
    absolute: bool,
}

impl Connection for ProxyStream {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.absolute)
    }
}

impl Read for ProxyStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for ProxyStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The matcher leaves credentials out.
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> Proxies {
        let matcher = Matcher::builder()
            .all("http://user:secret@proxy.example:3128")
            .no("direct.example")
            .build();
        Proxies::new(matcher)
    }

    fn is_proxied(reach: Reach, uri: &str) -> bool {
        proxies().on_the_way(reach, &uri.parse().unwrap()).is_some()
    }

    #[test]
    fn public_names_take_the_proxy_unless_the_environment_says_no() {
        assert!(is_proxied(
            Reach::Public,
            "https://kinesis.eu-central-1.amazonaws.com"
        ));
        assert!(is_proxied(Reach::Public, "http://a.example./x"));
        assert!(!is_proxied(Reach::Public, "https://direct.example"));
        assert!(!is_proxied(Reach::Public, "https://sub.direct.example"));
    }

    #[test]
    fn what_may_be_near_is_reached_directly_and_checked() {
        for name in [
            "localhost",
            "a.localhost",
            "intranet",
            "printer.local",
            "metadata.google.internal",
            "router.home.arpa",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "a.0x7f000001",
            "[::1]",
        ] {
            assert!(
                !is_proxied(Reach::Public, &format!("http://{name}/")),
                "{name}"
            );
        }
        assert!(!is_proxied(Reach::Private, "https://broker.example"));
        assert!(!is_proxied(Reach::Loopback, "https://broker.example"));
    }

    #[test]
    fn a_socks_proxy_is_passed_over() {
        let matcher = Matcher::builder().all("socks5://proxy.example").build();
        let uri = "https://a.example".parse().unwrap();
        assert!(
            Proxies::new(matcher)
                .on_the_way(Reach::Public, &uri)
                .is_none()
        );
    }

    #[test]
    fn credentials_are_not_shown() {
        let error = ProxyError {
            proxy: proxies()
                .find(&"https://a.example".parse().unwrap())
                .unwrap()
                .0
                .uri()
                .clone(),
            destination: "a.example".into(),
            source: "refused".into(),
        };
        for text in [format!("{:?}", proxies()), format!("{error:?} {error}")] {
            assert!(
                text.contains("proxy.example") && !text.contains("secret"),
                "{text}"
            );
        }
    }
}
