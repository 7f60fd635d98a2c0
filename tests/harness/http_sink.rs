//! An HTTP server that answers as it is told, on a free port.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// The client's end of the connection on which it came.
    pub peer: SocketAddr,
}

impl HttpRequest {
    /// The value of a header, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

/// How a request is answered.
#[derive(Debug, Clone)]
pub enum HttpAnswer {
    /// With a status, headers and a body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Not at all.
    Hang,
    /// With bytes that need not be HTTP, after which the connection is closed.
    Bytes(&'static str),
}

impl HttpAnswer {
    /// An answer with nothing but a status.
    pub fn status(status: u16) -> Self {
        Self::Status(status, Vec::new(), String::new())
    }
}

/// A longer body is not read: the answer is a status 413 before it is there.
const MAX_BODY: u64 = 8 << 20;

type Script = Box<dyn Fn(usize, &HttpRequest) -> HttpAnswer + Send + Sync>;

/// An address that refuses connections and that nobody else gets, until a sink listens there.
pub struct Reserved(TcpSocket);

impl Reserved {
    /// Keeps a free port.
    pub fn on_loopback() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    /// The address as a URL, without a path.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Listens; within a runtime.
    pub(crate) fn into_listener(self) -> TcpListener {
        self.0.listen(64).unwrap()
    }
}

/// A running sink.
pub struct HttpSink {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<HttpRequest>>>,
    _runtime: Runtime,
}

impl HttpSink {
    /// Starts a sink that answers each request as the script says, given its number from 0.
    pub fn scripted(
        script: impl Fn(usize, &HttpRequest) -> HttpAnswer + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Reserved::on_loopback(), script)
    }

    /// Starts a sink at an address that was kept for it.
    pub fn listen(
        reserved: Reserved,
        script: impl Fn(usize, &HttpRequest) -> HttpAnswer + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let address = reserved.address();
        let listener = runtime.block_on(async { reserved.into_listener() });
        runtime.spawn(serve(
            listener,
            Arc::new(Box::new(script)),
            Arc::clone(&seen),
        ));
        Self {
            address,
            seen,
            _runtime: runtime,
        }
    }

    /// Its address as a URL, without a path.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests whose bodies were read so far, in order of their arrival.
    pub fn requests(&self) -> Vec<HttpRequest> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, script: Arc<Script>, seen: Arc<Mutex<Vec<HttpRequest>>>) {
    while let Ok((socket, peer)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        let socket = socket.into_std().unwrap();
        let connection = Arc::new(Connection {
            peer,
            raw: socket.try_clone().unwrap(),
            script: Arc::clone(&script),
            seen: Arc::clone(&seen),
        });
        let socket = TcpStream::from_std(socket).unwrap();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&connection)));
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

struct Connection {
    peer: SocketAddr,
    /// The same socket once more, for what hyper would not send.
    raw: std::net::TcpStream,
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<HttpRequest>>>,
}

async fn answer(
    request: hyper::Request<Incoming>,
    connection: Arc<Connection>,
) -> Result<hyper::Response<Full<Bytes>>, &'static str> {
    if request.body().size_hint().lower() > MAX_BODY {
        let mut response = hyper::Response::new(Full::default());
        *response.status_mut() = hyper::StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(response);
    }
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let request = HttpRequest {
        method: head.method.to_string(),
        path: head.uri.path_and_query().unwrap().to_string(),
        headers: head.headers,
        body,
        peer: connection.peer,
    };
    let number = {
        let mut seen = connection.seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    match (connection.script)(number, &request) {
        HttpAnswer::Hang => std::future::pending().await,
        HttpAnswer::Bytes(bytes) => {
            (&connection.raw).write_all(bytes.as_bytes()).unwrap();
            // An error of a service closes its connection.
            Err("as told")
        }
        HttpAnswer::Status(status, headers, body) => {
            let mut response = hyper::Response::new(Full::new(Bytes::from(body)));
            *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                let value = HeaderValue::from_str(&value).unwrap();
                let name = HeaderName::from_static(name);
                response.headers_mut().insert(name, value);
            }
            Ok(response)
        }
    }
}
