//! The network of components: HTTP through one client of the host.
//!
//! A request goes through these steps, and a component can skip none of them:
//!
//! 1. its destination must match a granted host by scheme, name and port (`destination`);
//! 2. the secrets that it asks for must be granted, and may only go where they belong (`secret`);
//! 3. if it asks for a signature, the service must be granted; what the guest says of credentials is
//!    removed and the request is signed with those of the host (`sign`);
//! 4. the address behind the name must be one that the grant may mean (`resolver`, `address`), so
//!    that a name server cannot point a component at the device's own network;
//! 5. where a ceiling is set, it waits for its share of the bandwidth (`bandwidth`, `pace`);
//! 6. it is sent over a pooled connection, within time limits (`client`), and its bytes are counted
//!    (`traffic`);
//! 7. where its signature is refused, the host looks whether the clock of this device is the reason
//!    (`clock_watch`).
//!
//! Redirects are answers like any other: the guest follows them, through the same steps. Where the
//! environment names a proxy, it takes the place of step 4 for names of the public internet
//! (`proxy`).

mod address;
mod bandwidth;
mod body;
mod client;
mod clock_watch;
mod destination;
mod exchange;
pub(crate) mod fault;
mod pace;
mod proxy;
mod resolver;
mod secret;
mod sign;
mod stand_in;
mod traffic;

use std::future::Future;
use std::sync::Arc;

use http::{Request, Response};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::credentials::{AwsOptions, Credentials};
use crate::sandbox::Sandbox;
use crate::secrets::Secrets;
use client::HttpClient;
use clock_watch::ClockWatch;
use exchange::Exchange;
use pace::Line;
use proxy::Proxies;

pub(crate) use address::Reach;
pub use bandwidth::Bandwidth;
pub use traffic::Traffic;
pub(crate) use traffic::TrafficCounter;

/// Bytes that a guest hands over in one write to a request's body. Together with the bound on
/// resources it limits what unsent bodies can hold.
const BODY_CHUNK: usize = 128 << 10;

/// What all components share: the client, the credentials, the secrets, the line and the count of all bytes.
pub(crate) struct HttpHost {
    client: HttpClient,
    credentials: Credentials,
    clock: ClockWatch,
    secrets: Arc<Secrets>,
    /// None if it has no ceiling.
    line: Option<Arc<Line>>,
    total: Arc<TrafficCounter>,
}

impl HttpHost {
    pub(crate) fn new(
        aws: AwsOptions,
        secrets: Arc<Secrets>,
        bandwidth: Option<Bandwidth>,
    ) -> Self {
        Self {
            client: HttpClient::new(Proxies::from_env()),
            credentials: Credentials::new(aws),
            clock: ClockWatch::default(),
            secrets,
            line: bandwidth.map(Line::new),
            total: TrafficCounter::new(),
        }
    }

    /// The bytes of all components.
    pub(crate) fn total(&self) -> &Arc<TrafficCounter> {
        &self.total
    }
}

/// The network of one instance.
pub(crate) struct HttpAccess {
    exchange: Arc<Exchange>,
}

impl HttpAccess {
    pub(crate) fn new(host: &Arc<HttpHost>, sandbox: &Sandbox) -> Self {
        Self {
            exchange: Arc::new(Exchange::new(Arc::clone(host), sandbox)),
        }
    }
}

type Worker = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for HttpAccess {
    /// The client sets the header, in the form that suits the connection's version.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _body_sent: Worker,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Worker), Error>> + Send> {
        let exchange = Arc::clone(&self.exchange);
        Box::new(async move {
            let response = exchange
                .perform(request, options.unwrap_or_default())
                .await?;
            // The pool drives the connection; nothing is left to do for this request.
            let worker: Worker = Box::new(std::future::ready(Ok(())));
            Ok((response, worker))
        })
    }
}
