//! Requests of a native program, for tests and benchmarks: without TLS, and over connections that are
//! kept.

use std::io::Read;
use std::sync::LazyLock;

use ureq::Agent;

use super::{Answer, BEGINNING, Keep, Method, Request, Unanswered};

static AGENT: LazyLock<Agent> = LazyLock::new(|| {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .into()
});

/// Sends one request, and reads the answer.
pub(super) fn send(request: &Request<'_>) -> Result<Answer, Unanswered> {
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
        .body(request.body.as_ref())
        .map_err(|error| Unanswered::NotSent(error.to_string()))?;
    let answer = AGENT.run(whole).map_err(unanswered)?;
    let (head, mut body) = answer.into_parts();
    let mut kept = Vec::new();
    let most = match request.keep {
        Keep::Beginning => BEGINNING,
        Keep::Whole(most) => most,
    };
    let read = body.as_reader().take(most as u64).read_to_end(&mut kept);
    if let (Err(error), Keep::Whole(_)) = (read, request.keep) {
        return Err(Unanswered::Broken(error.to_string()));
    }
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: kept,
    })
}

fn unanswered(error: ureq::Error) -> Unanswered {
    match error {
        ureq::Error::Timeout(_) => Unanswered::TimedOut,
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Unanswered::NotSent(error.to_string()),
        other => Unanswered::Broken(other.to_string()),
    }
}
