//! A request body that can be taken back, and a response body that may not stall.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::deadline::Deadline;

/// How long a guest has to finish the body of a request that has failed.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// A guest's request body, lent to the client.
///
/// Were it dropped when a request fails, the guest, still writing, would see a broken pipe before it
/// sees the reason. So the rest is taken from it and thrown away.
#[derive(Clone)]
pub(super) struct LentBody(Arc<Mutex<WasiBody>>);

impl LentBody {
    pub(super) fn new(body: WasiBody) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    /// Lets the guest finish.
    pub(super) async fn drain(mut self) {
        let rest = async { while let Some(Ok(_)) = self.frame().await {} };
        // A guest that takes longer sees the broken pipe.
        let _ = tokio::time::timeout(DRAIN_TIME, rest).await;
    }

    fn with<T>(&self, use_body: impl FnOnce(&mut WasiBody) -> T) -> T {
        use_body(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Body for LentBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.with(|body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}

/// Ends with an error when no frame comes for a time.
pub(super) struct TimedBody {
    body: Incoming,
    deadline: Deadline,
}

impl TimedBody {
    /// The deadline starts again with each frame.
    pub(super) fn new(body: Incoming, deadline: Deadline) -> Self {
        Self { body, deadline }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.deadline.restart();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, "a response ended early");
                Poll::Ready(Some(Err(Error::HttpResponseIncomplete)))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Pin::new(&mut self.deadline)
                .poll(context)
                .map(|()| Some(Err(Error::ConnectionReadTimeout))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
