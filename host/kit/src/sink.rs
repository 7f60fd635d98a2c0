//! An HTTP server that answers as it is told, on a free port of the loopback interface.

use std::collections::VecDeque;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The longest body that is read; more is answered with 413. The largest batch is smaller, also in
/// base64.
const MAX_BODY: usize = 64 << 20;
/// Bodies that are kept to look into: the last few, and none that is longer than this.
const KEPT: usize = 8;
const MAX_KEPT: usize = 1 << 20;

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With 200.
    Good,
    /// With 200, after a time.
    Slow(Duration),
    /// With a status, and the seconds of `retry-after` if there are any.
    Status(u16, Option<u64>),
    /// Not at all; the connection is closed.
    Close,
    /// With bytes that are not HTTP, and the connection is closed.
    Garbage,
    /// Not at all; the connection stays open.
    Silent,
}

/// A running sink; it ends with this value.
pub(crate) struct Sink {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    listening: JoinHandle<()>,
}

struct State {
    answer: Answer,
    /// The body of good answers.
    body: Bytes,
    requests: u64,
    bytes: u64,
    kept: VecDeque<Bytes>,
}

impl Sink {
    /// Starts a sink that answers well, with this body.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub(crate) async fn start(body: String) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            answer: Answer::Good,
            body: body.into(),
            requests: 0,
            bytes: 0,
            kept: VecDeque::new(),
        }));
        let listening = tokio::spawn(serve(listener, Arc::clone(&state)));
        Ok(Self {
            address,
            state,
            listening,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL, without a path.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on requests are answered like this.
    pub(crate) fn answer(&self, answer: Answer) {
        self.state().answer = answer;
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> u64 {
        self.state().requests
    }

    /// The bytes of all bodies so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.state().bytes
    }

    /// Whether one of the last bodies has these bytes in it.
    pub(crate) fn has_seen(&self, bytes: &[u8]) -> bool {
        let state = self.state();
        let mut kept = state.kept.iter();
        kept.any(|body| body.windows(bytes.len()).any(|window| window == bytes))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Connections end with the task that runs this.
async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(connection(socket, Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(socket: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    let socket = socket.into_std().ok()?;
    // The same socket once more, for what hyper would not send.
    let raw = socket.try_clone().ok()?;
    let socket = TcpStream::from_std(socket).ok()?;
    let service = service_fn(|request| answer(request, &state, &raw));
    let server = http1::Builder::new();
    server
        .serve_connection(TokioIo::new(socket), service)
        .await
        .ok()
}

/// An error closes the connection.
async fn answer(
    request: Request<Incoming>,
    state: &Mutex<State>,
    mut raw: &std::net::TcpStream,
) -> Result<Response<Full<Bytes>>, &'static str> {
    let Ok(body) = Limited::new(request.into_body(), MAX_BODY).collect().await else {
        return Ok(with_status(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let (told, good) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let body = body.to_bytes();
        state.requests += 1;
        state.bytes += body.len() as u64;
        if body.len() <= MAX_KEPT {
            state.kept.push_back(body);
            if state.kept.len() > KEPT {
                state.kept.pop_front();
            }
        }
        (state.answer, state.body.clone())
    };
    match told {
        Answer::Good => Ok(well(good)),
        Answer::Slow(time) => {
            tokio::time::sleep(time).await;
            Ok(well(good))
        }
        Answer::Status(status, pause) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = with_status(status);
            if let Some(seconds) = pause {
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            Ok(response)
        }
        Answer::Close => Err("as told"),
        Answer::Garbage => {
            let _ = raw.write_all(b"\x15\x03\x01\x00 this is not HTTP\r\n\r\n");
            Err("as told")
        }
        Answer::Silent => std::future::pending().await,
    }
}

fn well(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn with_status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Sends one request with the body `hello` and returns everything that comes back.
    async fn exchange(sink: &Sink) -> String {
        let mut socket = TcpStream::connect(sink.address()).await.unwrap();
        let request =
            "POST / HTTP/1.1\r\nhost: kit\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A connection that is cut may say so.
        let _ = socket.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn it_answers_as_it_is_told_and_counts() {
        let sink = Sink::start("{\"ok\":1}".into()).await.unwrap();
        let good = exchange(&sink).await;
        assert!(
            good.starts_with("HTTP/1.1 200 OK") && good.ends_with("{\"ok\":1}"),
            "{good}"
        );
        sink.answer(Answer::Status(503, Some(7)));
        let busy = exchange(&sink).await;
        assert!(
            busy.starts_with("HTTP/1.1 503") && busy.contains("retry-after: 7"),
            "{busy}"
        );
        sink.answer(Answer::Close);
        assert_eq!(exchange(&sink).await, "");
        sink.answer(Answer::Garbage);
        assert!(exchange(&sink).await.contains("this is not HTTP"));
        sink.answer(Answer::Slow(Duration::from_millis(50)));
        let started = std::time::Instant::now();
        assert!(exchange(&sink).await.starts_with("HTTP/1.1 200"));
        assert!(started.elapsed() >= Duration::from_millis(50));
        assert_eq!((sink.requests(), sink.bytes()), (5, 25));
        assert!(sink.has_seen(b"ell") && !sink.has_seen(b"elk"));
    }

    #[tokio::test]
    async fn it_can_say_nothing_at_all() {
        let sink = Sink::start(String::new()).await.unwrap();
        sink.answer(Answer::Silent);
        let waited = tokio::time::timeout(Duration::from_millis(100), exchange(&sink)).await;
        assert!(waited.is_err());
        assert_eq!(sink.requests(), 1);
    }
}
