//! What only the user of the host may ask: the dead letters of an export, and to send them again.
//!
//! A request is a POST with a JSON object. The answer comes as it is found, one JSON object a line;
//! a request that cannot be answered gets a status 4xx and a sentence.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::{Request, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{Answer, REQUEST_TIME, response, text};
use crate::exports::Supervisor;
use crate::exports::dead_letters::{DeadLetter, Letters};

/// Where dead letters are asked for.
pub(crate) const DEAD_LETTERS: &str = "/exports/dead-letters";
/// Where dead letters are sent again.
pub(crate) const REQUEUE: &str = "/exports/requeue";

/// The longest request, in bytes: some hundred thousand numbers.
const LONGEST: usize = 1 << 20;
/// Lines that wait for a reader.
const LINES: usize = 64;

/// Which dead letters to show.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Look {
    pub(crate) stream: String,
    pub(crate) export: String,
    /// The lowest number of a message in its own stream.
    pub(crate) from: u64,
    pub(crate) max: u64,
}

/// A line of the answer to [`Look`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Found {
    Letter(Box<DeadLetter>),
    /// The last line: there may be more that cannot be read.
    Failed {
        error: String,
    },
}

/// Answers a POST.
pub(super) async fn answer(request: Request<Incoming>, exports: &Supervisor) -> Answer {
    let (head, body) = request.into_parts();
    let answered = match head.uri.path() {
        DEAD_LETTERS => match read::<Look>(body).await {
            Ok(look) => exports
                .dead_letters(&look.stream, &look.export)
                .map(|letters| lines(show(letters, look))),
            Err(reason) => Err(reason),
        },
        REQUEUE => match read(body).await {
            Ok(order) => exports.requeue(order).map(lines),
            Err(reason) => Err(reason),
        },
        _ => return text(StatusCode::NOT_FOUND, "only exports take a POST\n"),
    };
    answered.unwrap_or_else(|reason| text(StatusCode::BAD_REQUEST, reason))
}

async fn read<T: DeserializeOwned>(body: Incoming) -> Result<T, String> {
    let body = tokio::time::timeout(REQUEST_TIME, Limited::new(body, LONGEST).collect()).await;
    let body = body.map_err(|_| "the request does not end")?;
    let body = body.map_err(|error| format!("the request cannot be read: {error}"))?;
    serde_json::from_slice(&body.to_bytes())
        .map_err(|error| format!("the request is not understood: {error}"))
}

/// Finds letters until there are enough, or nobody reads any more.
fn show(mut letters: Letters, look: Look) -> mpsc::Receiver<Found> {
    let (found, receiver) = mpsc::channel(LINES);
    tokio::spawn(async move {
        let mut left = look.max;
        while left > 0 {
            let page = match letters.page().await {
                Ok(Some(page)) => page,
                Ok(None) => return,
                Err(error) => {
                    let error = error.to_string();
                    let _ = found.send(Found::Failed { error }).await;
                    return;
                }
            };
            for letter in page {
                if letter.envelope.sequence_number < look.from || left == 0 {
                    continue;
                }
                left -= 1;
                if found.send(Found::Letter(Box::new(letter))).await.is_err() {
                    return;
                }
            }
        }
    });
    receiver
}

fn lines<T: Serialize + Send + 'static>(values: mpsc::Receiver<T>) -> Answer {
    let body = Lines(values).boxed();
    response(StatusCode::OK, "application/x-ndjson", body)
}

/// A body of JSON lines that ends with its channel.
struct Lines<T>(mpsc::Receiver<T>);

impl<T: Serialize> Body for Lines<T> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|value| {
            let mut line = serde_json::to_vec(&value?).unwrap_or_default();
            line.push(b'\n');
            Some(Ok(Frame::data(line.into())))
        })
    }
}
