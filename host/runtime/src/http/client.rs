//! The pooled client.
//!
//! A pool is keyed by scheme and authority only, so a connection that one component opened serves
//! another that may speak to the same name. To keep a connection to a private address from serving a
//! component whose grant reaches only public ones, each [`Reach`] has a pool of its own. So have
//! requests that go through a proxy.

use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use http::{Request, Response, header};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tokio::sync::OnceCell;
use wasmtime_wasi_http::{Error, WasiBody};

use super::address::Reach;
use super::fault;
use super::proxy::{Proxies, ProxyConnector};
use super::resolver::Resolver;
use crate::deadline::{Deadline, Waits};
use crate::name_lookup::SystemResolver;
use crate::trust;

/// Idle connections kept for each host.
const MAX_IDLE: usize = 4;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long connecting may take if the guest does not say: name, TCP and TLS together.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection of HTTP/2 with requests under way is asked this often whether it still lives.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

type Pool<C> = Client<HttpsConnector<C>, WasiBody>;
type DirectPool = Pool<HttpConnector<Resolver>>;

/// The time limits of one request.
#[derive(Debug)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    /// From the connection to the head of the response, `waits` left out.
    pub(super) first_byte: Duration,
    pub(super) waits: Arc<Waits>,
}

/// The client of all components; it is made when the first request is sent.
pub(super) struct HttpClient {
    proxies: Proxies,
    pools: OnceCell<Pools>,
}

struct Pools {
    public: DirectPool,
    loopback: DirectPool,
    private: DirectPool,
    proxied: Pool<ProxyConnector>,
}

impl HttpClient {
    pub(super) fn new(proxies: Proxies) -> Self {
        Self {
            proxies,
            pools: OnceCell::new(),
        }
    }

    /// Sends a request that has been let through, and returns when the head of the response is
    /// there. Dropping the future gives the request up.
    pub(super) async fn send(
        &self,
        reach: Reach,
        mut request: Request<WasiBody>,
        timeouts: Timeouts,
    ) -> Result<Response<Incoming>, SendError> {
        let pools = self
            .pools
            .get_or_try_init(|| Pools::new(&self.proxies))
            .await?;
        let proxy = self.proxies.on_the_way(reach, request.uri());
        // Inside a tunnel the destination would see it.
        if request.uri().scheme() == Some(&Scheme::HTTP)
            && let Some(authorization) = proxy.as_ref().and_then(|proxy| proxy.authorization())
        {
            let headers = request.headers_mut();
            headers.insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
        let mut connection = capture_connection(&mut request);
        let connected = async {
            connection.wait_for_connection_metadata().await;
        };
        let response = match proxy {
            Some(_) => pools.proxied.request(request),
            None => pools.of(reach).request(request),
        };
        tokio::pin!(response);
        tokio::select! {
            biased;
            answer = &mut response => return answer.map_err(SendError::Client),
            () = connected => {}
            () = tokio::time::sleep(timeouts.connect) => {
                return Err(SendError::Code(Error::ConnectionTimeout));
            }
        }
        let answer = Deadline::after(timeouts.first_byte, timeouts.waits).cover(response);
        match answer.await {
            Ok(answer) => answer.map_err(SendError::Client),
            Err(_) => Err(SendError::Code(Error::ConnectionReadTimeout)),
        }
    }
}

/// Why a request was not answered.
pub(super) enum SendError {
    /// The client says so.
    Client(hyper_util::client::legacy::Error),
    /// The host says so.
    Code(Error),
}

impl SendError {
    /// The code that a guest sees.
    pub(super) fn code(self) -> Error {
        match self {
            Self::Client(error) => fault::code(&error),
            Self::Code(code) => code,
        }
    }
}

impl Pools {
    async fn new(proxies: &Proxies) -> Result<Self, SendError> {
        let internal = |error: String| SendError::Code(Error::InternalError(Some(error)));
        let tls = trust::client()
            .await
            .map_err(internal)?
            .with_no_client_auth();
        let direct = |reach| {
            let resolver = HttpConnector::new_with_resolver(Resolver::new(reach));
            pool(tcp(resolver), tls.clone())
        };
        let to_proxy = tcp(HttpConnector::new_with_resolver(SystemResolver));
        let to_proxy = ProxyConnector::new(proxies.clone(), to_proxy, tls.clone());
        Ok(Self {
            public: direct(Reach::Public),
            loopback: direct(Reach::Loopback),
            private: direct(Reach::Private),
            proxied: pool(to_proxy, tls.clone()),
        })
    }

    fn of(&self, reach: Reach) -> &DirectPool {
        match reach {
            Reach::Public => &self.public,
            Reach::Loopback => &self.loopback,
            Reach::Private => &self.private,
        }
    }
}

fn tcp<R>(mut connector: HttpConnector<R>) -> HttpConnector<R> {
    connector.enforce_http(false);
    connector.set_nodelay(true);
    // A request gives up by itself; this ends attempts that outlive their request.
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector
}

fn pool<C>(connector: C, tls: ClientConfig) -> Pool<C>
where
    HttpsConnector<C>: Connect + Clone,
{
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .build(connector)
}
