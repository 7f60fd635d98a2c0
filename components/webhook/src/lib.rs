//! A webhook that appends the body of each POST to a stream. See `README.md`.

#[cfg(target_arch = "wasm32")]
mod exchange;

use millstream_plugin::log;
use millstream_plugin::producer::{Arguments, End};
use millstream_plugin::secrets::{self, SecretError};
use millstream_plugin::streams::{self, StreamError};

const KNOWN: [&str; 2] = ["--stream", "--token"];
/// When a client may try again whose message found a full stream, in seconds.
const RETRY_AFTER: &str = "5";

/// What matters of a request.
#[derive(Debug, Default)]
pub struct Request {
    /// Whether its method is POST.
    pub is_post: bool,
    /// The header `authorization`.
    pub authorization: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// A header beside the type of its content.
    pub header: Option<(&'static str, &'static str)>,
    /// JSON.
    pub body: String,
}

/// What stands behind a webhook.
pub trait Host {
    /// See [`streams::append`].
    fn append(&mut self, stream: &str, payload: Vec<u8>) -> Result<u64, StreamError>;
    /// See [`secrets::get`].
    fn secret(&mut self, name: &str) -> Result<String, SecretError>;
}

/// The host of this component.
#[derive(Debug)]
pub struct Real;

impl Host for Real {
    fn append(&mut self, stream: &str, payload: Vec<u8>) -> Result<u64, StreamError> {
        streams::append(stream, &[payload])
    }

    fn secret(&mut self, name: &str) -> Result<String, SecretError> {
        secrets::get(name)
    }
}

/// Answers a request to a webhook with these arguments.
pub fn answer(
    arguments: impl IntoIterator<Item = String>,
    request: Request,
    host: &mut impl Host,
) -> Reply {
    match try_answer(arguments, request, host) {
        Ok(number) => Reply {
            status: 200,
            header: None,
            body: format!("{{\"sequenceNumber\":{number}}}\n"),
        },
        Err(reply) => reply,
    }
}

fn try_answer(
    arguments: impl IntoIterator<Item = String>,
    request: Request,
    host: &mut impl Host,
) -> Result<u64, Reply> {
    let arguments = Arguments::parse(&KNOWN, arguments).map_err(misconfigured)?;
    let stream = arguments.required("--stream").map_err(misconfigured)?;
    if let Some(name) = arguments.text("--token").map_err(misconfigured)? {
        let token = host.secret(name).map_err(|error| {
            log::error(&secrets::explain(name, &error));
            refused(500, "the webhook cannot read its token")
        })?;
        let given = request.authorization.as_deref().and_then(bearer);
        if !given.is_some_and(|given| is_same(given, &token)) {
            return Err(Reply {
                header: Some(("www-authenticate", "Bearer")),
                ..refused(401, "this webhook asks for its token")
            });
        }
    }
    if !request.is_post {
        return Err(Reply {
            header: Some(("allow", "POST")),
            ..refused(405, "only POST is understood here")
        });
    }
    if request.body.is_empty() {
        return Err(refused(
            400,
            "the request has no body, and a message has one",
        ));
    }
    host.append(stream, request.body).map_err(|error| {
        let reason = streams::explain(&error);
        match error {
            StreamError::Full => Reply {
                header: Some(("retry-after", RETRY_AFTER)),
                ..refused(503, "the stream is full; try again later")
            },
            StreamError::Unavailable(_) => Reply {
                header: Some(("retry-after", RETRY_AFTER)),
                ..refused(503, "the stream is not available; try again later")
            },
            StreamError::Invalid(_) => refused(413, "the stream can never take this message"),
            _ => {
                log::error(&format!("Stream `{stream}`: {reason}"));
                refused(500, "the webhook has no stream to append to")
            }
        }
    })
}

fn misconfigured(end: End) -> Reply {
    if let End::Wrong(sentence) | End::Failed(sentence) = end {
        log::error(&sentence);
    }
    refused(500, "the webhook is not configured rightly")
}

/// A sentence without anything that would have to be escaped in JSON.
fn refused(status: u16, sentence: &str) -> Reply {
    Reply {
        status,
        header: None,
        body: format!("{{\"error\":\"{sentence}\"}}\n"),
    }
}

/// The token in `Bearer TOKEN` (RFC 6750, section 2.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// Compares in a time that does not tell where the two differ.
fn is_same(given: &str, token: &str) -> bool {
    let differences = given
        .bytes()
        .zip(token.bytes())
        .fold(0, |differences, (a, b)| differences | (a ^ b));
    given.len() == token.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Fake {
        refusal: Option<StreamError>,
        appended: Vec<(String, Vec<u8>)>,
    }

    impl Host for Fake {
        fn append(&mut self, stream: &str, payload: Vec<u8>) -> Result<u64, StreamError> {
            match self.refusal.take() {
                Some(refusal) => Err(refusal),
                None => {
                    self.appended.push((stream.to_owned(), payload));
                    Ok(7)
                }
            }
        }

        fn secret(&mut self, name: &str) -> Result<String, SecretError> {
            match name {
                "token" => Ok("s3cret".to_owned()),
                _ => Err(SecretError::NotGranted),
            }
        }
    }

    fn post(body: &str) -> Request {
        Request {
            is_post: true,
            authorization: None,
            body: body.as_bytes().to_vec(),
        }
    }

    fn call(line: &str, request: Request, host: &mut Fake) -> Reply {
        answer(line.split_whitespace().map(str::to_owned), request, host)
    }

    #[test]
    fn each_post_becomes_a_message() {
        let mut host = Fake::default();
        let reply = call("--stream in", post("hello"), &mut host);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body, "{\"sequenceNumber\":7}\n");
        assert_eq!(host.appended, [("in".to_owned(), b"hello".to_vec())]);
    }

    #[test]
    fn what_a_stream_refuses_has_a_status_that_tells_whether_to_try_again() {
        for (refusal, status) in [
            (StreamError::Full, 503),
            (StreamError::Unavailable("stopping".into()), 503),
            (StreamError::Invalid("too large".into()), 413),
            (StreamError::NotGranted, 500),
            (StreamError::NotFound, 500),
        ] {
            let mut host = Fake {
                refusal: Some(refusal),
                appended: Vec::new(),
            };
            let reply = call("--stream in", post("hello"), &mut host);
            assert_eq!(reply.status, status);
            let retry = reply.header.is_some_and(|(name, _)| name == "retry-after");
            assert_eq!(retry, status == 503);
        }
    }

    #[test]
    fn other_methods_and_empty_bodies_are_refused() {
        let mut host = Fake::default();
        let reply = call("--stream in", Request::default(), &mut host);
        assert_eq!((reply.status, reply.header), (405, Some(("allow", "POST"))));
        assert_eq!(call("--stream in", post(""), &mut host).status, 400);
        assert_eq!(call("--steam in", post("x"), &mut host).status, 500);
        assert!(host.appended.is_empty());
    }

    #[test]
    fn where_a_token_is_asked_for_nothing_else_lets_in() {
        let mut host = Fake::default();
        let mut with = |authorization: Option<&str>, line: &str| {
            let authorization = authorization.map(str::to_owned);
            let request = Request {
                authorization,
                ..post("x")
            };
            call(line, request, &mut host).status
        };
        let line = "--stream in --token token";
        assert_eq!(with(Some("Bearer s3cret"), line), 200);
        assert_eq!(with(Some("bearer s3cret"), line), 200);
        for wrong in [
            None,
            Some("s3cret"),
            Some("Bearer s3cre"),
            Some("Bearer s3cretx"),
            Some("Basic s3cret"),
            Some("Bearer "),
        ] {
            assert_eq!(with(wrong, line), 401, "{wrong:?}");
        }
        assert_eq!(with(Some("Bearer x"), "--stream in --token other"), 500);
    }
}
