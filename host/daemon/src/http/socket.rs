//! The Unix socket of a running host, from both sides.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};

use crate::status::Status;

/// How long a host may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// The longest answer, in bytes: some ten thousand streams.
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

/// Why a host did not say how it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatusError {
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
    #[error("the host on the data folder {folder} does not say how it is: {reason}")]
    NoAnswer {
        /// Where it runs.
        folder: String,
        /// What went wrong.
        reason: String,
    },
}

/// Asks the host that runs on a data folder.
pub(crate) async fn ask(data: &Path) -> Result<Status, StatusError> {
    let folder = data.display().to_string();
    let socket = UnixStream::connect(path(data)).await;
    let socket = socket.map_err(|error| StatusError::NoHost {
        folder: folder.clone(),
        reason: error.to_string(),
    })?;
    let answer = tokio::time::timeout(ANSWER_TIME, converse(socket)).await;
    answer
        .unwrap_or_else(|_| Err("it takes too long".into()))
        .map_err(|reason| StatusError::NoAnswer { folder, reason })
}

async fn converse(socket: UnixStream) -> Result<Status, String> {
    let say = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .map_err(say)?;
    let request = Request::get("/status")
        .header(hyper::header::HOST, "localhost")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answered = async {
        let response = sender.send_request(request).await.map_err(say)?;
        if response.status() != StatusCode::OK {
            return Err(format!("it answers {}", response.status()));
        }
        let body = Limited::new(response.into_body(), LONGEST).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| error.to_string())
    };
    tokio::select! {
        biased;
        answer = answered => answer,
        ended = connection => Err(match ended {
            Ok(()) => "it closed the connection".into(),
            Err(error) => error.to_string(),
        }),
    }
}
