//! Requests of a native program, for tests and benchmarks: over the HTTP library of the host, with pooled
//! connections, without TLS.

use std::sync::LazyLock;

use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::{Builder, Runtime};

use super::{Answer, BEGINNING, Keep, Method, Request, Unanswered};

type Body = Full<hyper::body::Bytes>;

/// One thread runs everything, which is the fastest way to make one request after the other.
static NETWORK: LazyLock<std::io::Result<(Runtime, Client<HttpConnector, Body>)>> =
    LazyLock::new(|| {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok((runtime, client))
    });

/// Sends one request, and reads the answer.
pub(super) fn send(request: &Request<'_>) -> Result<Answer, Unanswered> {
    let (runtime, client) = NETWORK
        .as_ref()
        .map_err(|error| Unanswered::Broken(error.to_string()))?;
    let method = match request.method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Delete => http::Method::DELETE,
    };
    let mut head = http::Request::builder()
        .method(method)
        .uri(request.address.url());
    if let Some(headers) = head.headers_mut() {
        headers.clone_from(&request.headers);
    }
    let whole = head
        .body(Full::from(request.body.to_vec()))
        .map_err(|error| Unanswered::NotSent(error.to_string()))?;
    runtime.block_on(async {
        let answer = client.request(whole).await.map_err(broken)?;
        let (head, mut body) = answer.into_parts();
        let (most, whole) = match request.keep {
            Keep::Beginning => (BEGINNING, false),
            Keep::Whole(most) => (most, true),
        };
        let mut kept = Vec::new();
        // To its end, so that the connection serves the next request too.
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => {
                    let data = frame.into_data().unwrap_or_default();
                    kept.extend(data.into_iter().take(most - kept.len()));
                }
                Err(error) if whole => return Err(broken(error)),
                Err(_) => break,
            }
        }
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: kept,
        })
    })
}

fn broken(error: impl std::fmt::Display) -> Unanswered {
    Unanswered::Broken(error.to_string())
}
