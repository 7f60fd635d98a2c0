//! The Unix socket of a running host, from both sides.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{UnixListener, UnixStream};

use crate::status::Status;

/// How long a host may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(30);
const TOO_LONG: &str = "it takes too long";
/// The longest sentence of a refusal, in bytes.
const LONGEST_REFUSAL: usize = 64 << 10;
/// The longest answer or line of one, in bytes: some ten thousand streams.
const LONGEST: usize = 64 << 20;

/// Where the socket of a data folder is.
pub(crate) fn path(data: &Path) -> PathBuf {
    data.join("millstream.sock")
}

/// Makes the socket of a data folder, which this process must own. What an earlier process has left
/// there is replaced. Only this user may connect.
///
/// # Errors
///
/// A sentence for the operator.
pub(crate) fn bind(data: &Path) -> Result<UnixListener, String> {
    let path = path(data);
    let bind = || -> std::io::Result<UnixListener> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    };
    bind().map_err(|error| {
        format!(
            "cannot make the socket {}: {error}; `millstream status` will not find this host",
            path.display()
        )
    })
}

/// Why a host did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostError {
    /// There is none.
    #[error(
        "no host runs on the data folder {folder} ({reason}); start one with `millstream run`, or name its configuration with --config"
    )]
    NoHost {
        /// Where it was looked for.
        folder: String,
        /// What the system said.
        reason: String,
    },
    /// It is there.
    #[error("the host on the data folder {folder} does not answer as it should: {reason}")]
    NoAnswer {
        /// Where it runs.
        folder: String,
        /// What went wrong.
        reason: String,
    },
    /// It says why not.
    #[error("{0}")]
    Refused(String),
}

/// Asks the host that runs on a data folder how it is.
pub(crate) async fn ask(data: &Path) -> Result<Status, HostError> {
    let no_answer = |reason: String| no_answer(data, reason);
    let request = Request::get("/status");
    let answered = converse(data, request, Bytes::new(), async |body: Incoming| {
        let body = Limited::new(body, LONGEST).collect().await;
        let body = body.map_err(|error| no_answer(error.to_string()))?;
        serde_json::from_slice(&body.to_bytes()).map_err(|error| no_answer(error.to_string()))
    });
    let answered = tokio::time::timeout(ANSWER_TIME, answered).await;
    answered.unwrap_or_else(|_| Err(no_answer(TOO_LONG.into())))
}

/// Asks the host that runs on a data folder for something, and takes each line of the answer as it
/// comes, for as long as it takes.
pub(crate) async fn order<T: DeserializeOwned>(
    data: &Path,
    path: &str,
    order: &impl Serialize,
    mut take: impl FnMut(T),
) -> Result<(), HostError> {
    let no_answer = |reason: String| no_answer(data, reason);
    let order = serde_json::to_vec(order).map_err(|error| no_answer(error.to_string()))?;
    converse(
        data,
        Request::post(path),
        order.into(),
        async |mut body: Incoming| {
            let mut buffer = BytesMut::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| no_answer(error.to_string()))?;
                if let Some(data) = frame.data_ref() {
                    buffer.extend_from_slice(data);
                }
                while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                    let line = buffer.split_to(end + 1);
                    take(
                        serde_json::from_slice(&line)
                            .map_err(|error| no_answer(error.to_string()))?,
                    );
                }
                if buffer.len() > LONGEST {
                    return Err(no_answer("a line of its answer does not end".into()));
                }
            }
            Ok(())
        },
    )
    .await
}

/// Sends a request and reads the body of the answer.
async fn converse<T>(
    data: &Path,
    request: hyper::http::request::Builder,
    body: Bytes,
    read: impl AsyncFnOnce(Incoming) -> Result<T, HostError>,
) -> Result<T, HostError> {
    let no_answer = |reason: String| no_answer(data, reason);
    let say = |error: hyper::Error| no_answer(error.to_string());
    let socket = UnixStream::connect(path(data)).await;
    let socket = socket.map_err(|error| HostError::NoHost {
        folder: data.display().to_string(),
        reason: error.to_string(),
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .map_err(say)?;
    let request = request
        .header(hyper::header::HOST, "localhost")
        .body(Full::new(body))
        .map_err(|error| no_answer(error.to_string()))?;
    // It drops the sender at its end, and with that the connection ends.
    let answered = async move {
        let head = tokio::time::timeout(ANSWER_TIME, sender.send_request(request)).await;
        let head = head.map_err(|_| no_answer(TOO_LONG.into()))?;
        let (head, body) = head.map_err(say)?.into_parts();
        if head.status == StatusCode::OK {
            return read(body).await;
        }
        let reason = Limited::new(body, LONGEST_REFUSAL).collect().await;
        let reason = reason.map_err(|error| no_answer(error.to_string()))?;
        let reason = String::from_utf8_lossy(&reason.to_bytes())
            .trim()
            .to_owned();
        Err(match head.status {
            StatusCode::BAD_REQUEST => HostError::Refused(reason),
            status => no_answer(format!("it answers {status}: {reason}")),
        })
    };
    let (answered, _) = tokio::join!(answered, connection);
    answered
}

fn no_answer(data: &Path, reason: String) -> HostError {
    HostError::NoAnswer {
        folder: data.display().to_string(),
        reason,
    }
}
