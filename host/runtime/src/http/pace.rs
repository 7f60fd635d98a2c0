//! Holds requests back to the pace of the [`Bandwidth`].
//!
//! The instances share one bucket, and a body asks it for one piece after another: requests of
//! several exports take turns, in the order in which they asked.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error, WasiBody};

use super::bandwidth::{Bandwidth, TokenBucket};
use crate::deadline::{Waiting, Waits};

/// The line that all instances share.
pub(super) struct Line {
    bucket: Mutex<TokenBucket>,
    piece: usize,
}

impl Line {
    pub(super) fn new(bandwidth: Bandwidth) -> Arc<Self> {
        Arc::new(Self {
            bucket: Mutex::new(TokenBucket::new(bandwidth, Instant::now())),
            piece: bandwidth.piece(),
        })
    }

    fn bucket(&self) -> MutexGuard<'_, TokenBucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One instance's place at the line.
#[derive(Clone)]
pub(super) struct Pacer {
    line: Arc<Line>,
    waits: Arc<Waits>,
}

impl Pacer {
    /// What waits here is added to `waits`.
    pub(super) fn new(line: Arc<Line>, waits: Arc<Waits>) -> Self {
        Self { line, waits }
    }

    /// Waits until this many bytes may be sent.
    pub(super) async fn pass(&self, bytes: usize) {
        if let Some(turn) = self.reserve(bytes) {
            turn.await;
        }
    }

    /// The same body, each piece at its time.
    pub(super) fn body(&self, body: WasiBody) -> WasiBody {
        PacedBody {
            pacer: self.clone(),
            body,
            rest: Bytes::new(),
            waiting: None,
        }
        .boxed_unsync()
    }

    /// Reserves the line; none if there is nothing to wait for.
    fn reserve(&self, bytes: usize) -> Option<Turn> {
        let now = Instant::now();
        let wait = self.line.bucket().take(now, bytes);
        (!wait.is_zero()).then(|| Turn {
            line: Arc::clone(&self.line),
            bytes,
            sleep: Box::pin(tokio::time::sleep_until(now + wait)),
            has_come: false,
            _waiting: self.waits.begin(),
        })
    }
}

/// A place at the line, which is given back if it is left before its time: requests that are given up
/// hold up nobody.
struct Turn {
    line: Arc<Line>,
    bytes: usize,
    sleep: Pin<Box<Sleep>>,
    has_come: bool,
    _waiting: Waiting,
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        ready!(self.sleep.as_mut().poll(context));
        self.has_come = true;
        Poll::Ready(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.has_come {
            self.line.bucket().give_back(self.bytes);
        }
    }
}

struct PacedBody {
    pacer: Pacer,
    body: WasiBody,
    /// What is left of the last frame.
    rest: Bytes,
    waiting: Option<(Bytes, Turn)>,
}

impl PacedBody {
    fn held(&self) -> u64 {
        let waiting = self.waiting.as_ref().map_or(0, |(piece, _)| piece.len());
        (self.rest.len() + waiting) as u64
    }
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if this.waiting.is_none() {
            if this.rest.is_empty() {
                match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => this.rest = data,
                        Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                    },
                    end => return Poll::Ready(end),
                }
            }
            let size = this.rest.len().min(this.pacer.line.piece);
            let piece = this.rest.split_to(size);
            match this.pacer.reserve(size) {
                None => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Some(turn) => this.waiting = Some((piece, turn)),
            }
        }
        if let Some((_, turn)) = &mut this.waiting {
            ready!(Pin::new(turn).poll(context));
        }
        let piece = this.waiting.take().map(|(piece, _)| Ok(Frame::data(piece)));
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        self.held() == 0 && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (held, rest) = (self.held(), self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(held));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(held)) {
            hint.set_upper(upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use http_body_util::Full;

    use super::*;

    fn pacer(kilobits: u32) -> Pacer {
        let bandwidth = Bandwidth::from_kilobits(NonZeroU32::new(kilobits).unwrap());
        Pacer::new(Line::new(bandwidth), Waits::new())
    }

    fn body(pacer: &Pacer, bytes: &'static [u8]) -> WasiBody {
        let body = Full::new(Bytes::from_static(bytes));
        pacer.body(body.map_err(|never| match never {}).boxed_unsync())
    }

    #[tokio::test]
    async fn a_frame_is_cut_into_pieces_and_its_length_stays_known() {
        // Pieces of 1024 bytes, each less than a millisecond.
        let mut body = body(&pacer(10_000_000 / 1000 * 8), &[7; 2500]);
        let mut left = 2500;
        assert_eq!(body.size_hint().exact(), Some(left));
        let mut pieces = 0;
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            left -= data.len() as u64;
            pieces += 1;
            assert_eq!(body.size_hint().exact(), Some(left));
            assert_eq!(body.is_end_stream(), left == 0);
        }
        assert_eq!((left, pieces > 0), (0, true));
    }

    #[tokio::test]
    async fn requests_share_the_line() {
        // A thousand bytes a second: 1024 bytes are one piece.
        let first = pacer(8);
        let second = Pacer::new(Arc::clone(&first.line), Waits::new());
        let now = Instant::now();
        let one = first.reserve(1024).unwrap();
        assert!(one.sleep.deadline() < now + second_of(1));
        // It comes behind the first one's piece.
        let other = second.reserve(1024).unwrap();
        assert!(other.sleep.deadline() > one.sleep.deadline());
        assert!(other.sleep.deadline() > now + second_of(1));
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_holds_up_nobody() {
        let hostile = pacer(8);
        let good = Pacer::new(Arc::clone(&hostile.line), Waits::new());
        for _ in 0..1000 {
            drop(hostile.reserve(1 << 20));
        }
        let now = Instant::now();
        let turn = good.reserve(1024).unwrap();
        assert!(turn.sleep.deadline() < now + second_of(2));
        assert!(hostile.waits.total() < second_of(10));
    }

    fn second_of(seconds: u64) -> std::time::Duration {
        std::time::Duration::from_secs(seconds)
    }
}
