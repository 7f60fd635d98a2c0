//! What the host says of itself, over HTTP.
//!
//! One router ([`answer`]) behind two doors: a Unix socket in the data folder, which is always there
//! and which only this user may open ([`socket`]); and a TCP address, which is off unless the
//! configuration names one. `millstream status` comes through the first, and so do requests about
//! exports ([`exports`]), which the second does not take. Behind the second are webhooks
//! ([`producers`](crate::producers)).

pub(crate) mod exports;
pub(crate) mod socket;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

use crate::status::{Observer, metrics};

/// Connections at the same time behind each door; further ones wait.
const CONNECTIONS: usize = 64;
/// A peer that has not sent its request by then is none.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// A connection over TCP ends after this time, whatever is under way. One over the socket may take
/// longer: sending dead letters again goes on for as long as there are some.
const CONNECTION_TIME: Duration = Duration::from_secs(300);

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// Where somebody comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// Anywhere: he may look, and call webhooks.
    Tcp,
    /// This user's own processes: he may also ask for something.
    Unix,
}

/// Binds the TCP door.
///
/// # Errors
///
/// A sentence that says what to change.
pub(crate) async fn bind(listen: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(listen).await.map_err(|error| {
        format!("cannot listen on http.listen = \"{listen}\": {error}; set another address there")
    })
}

/// Serves the TCP door for as long as the future lives.
pub(crate) async fn serve_tcp(listener: TcpListener, observer: Observer) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = listener.accept().await.map(|(socket, _)| socket);
        admit(Door::Tcp, accepted, &places, &observer).await;
    }
}

/// Serves the Unix door for as long as the future lives.
pub(crate) async fn serve_unix(listener: UnixListener, observer: Observer) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = listener.accept().await.map(|(socket, _)| socket);
        admit(Door::Unix, accepted, &places, &observer).await;
    }
}

async fn admit(
    door: Door,
    accepted: std::io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>,
    places: &Arc<Semaphore>,
    observer: &Observer,
) {
    let (socket, place) = match (accepted, Arc::clone(places).acquire_owned().await) {
        (Ok(socket), Ok(place)) => (socket, place),
        (Err(error), _) => {
            // Out of file descriptors, most likely: connections that end free some.
            tracing::warn!(%error, "a connection for HTTP could not be accepted");
            tokio::time::sleep(Duration::from_millis(100)).await;
            return;
        }
        (_, Err(_)) => return,
    };
    let observer = observer.clone();
    tokio::spawn(async move {
        let service = service_fn(|request| answer(door, request, &observer));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIME)
            .serve_connection(TokioIo::new(socket), service);
        let ended = match door {
            Door::Tcp => tokio::time::timeout(CONNECTION_TIME, connection).await,
            Door::Unix => Ok(connection.await),
        };
        if let Ok(Err(error)) = ended {
            tracing::debug!(%error, "a connection for HTTP ended early");
        }
        drop(place);
    });
}

async fn answer(
    door: Door,
    request: Request<Incoming>,
    observer: &Observer,
) -> Result<Answer, Infallible> {
    if door == Door::Unix && request.method() == Method::POST {
        return Ok(exports::answer(request, observer.service.exports()).await);
    }
    if door == Door::Tcp
        && let Some(webhook) = observer.producers.webhook(request.uri().path())
    {
        let answer = webhook.answer(request).await;
        return Ok(answer.map(|body| Full::new(body).boxed()));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let sentence = "only GET is understood here\n";
        return Ok(text(StatusCode::METHOD_NOT_ALLOWED, sentence));
    }
    Ok(match request.uri().path() {
        "/metrics" => {
            let body = metrics::render(observer.picture().await);
            response(StatusCode::OK, metrics::CONTENT_TYPE, whole(body))
        }
        "/status" => match serde_json::to_string(&observer.picture().await.status) {
            Ok(body) => response(StatusCode::OK, "application/json", whole(body)),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        },
        "/health" => match observer.failure() {
            None => text(StatusCode::OK, "ok\n"),
            Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        },
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /metrics, /status and /health\n",
        ),
    })
}

fn text(status: StatusCode, sentence: impl Into<String>) -> Answer {
    response(status, "text/plain; charset=utf-8", whole(sentence.into()))
}

fn whole(body: String) -> BoxBody<Bytes, Infallible> {
    Full::new(Bytes::from(body)).boxed()
}

fn response(
    status: StatusCode,
    content_type: &'static str,
    body: BoxBody<Bytes, Infallible>,
) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
