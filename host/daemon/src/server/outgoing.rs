//! What goes out on a connection.
//!
//! A frame is never split over two writes: one of the official SDKs reads the four bytes of a length
//! with a single call and loses the thread if it gets fewer (specification, 1.2). Frames that are
//! ready together share a write while they are small.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use millstream_protocol::{Operation, RequestId, ResponseEncoder};
use millstream_streams::{Error, PendingAppends, SequenceNumber};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::WriteHalf;

use super::budget::{Claim, Held};
use super::requests::failure;

/// Frames share a write up to this size. It fits into one segment of the loopback interface, so the
/// peer cannot see half a length field either.
const SHARED_WRITE: usize = 16 << 10;

/// A peer that takes nothing for this long is given up.
const STALLED: Duration = Duration::from_secs(60);

/// Answers that wait to be sent; the connection is not read while there are more.
const ROOM: usize = 8;

/// Something to be sent.
pub(super) enum Outgoing {
    /// A frame, with what it holds until it is sent.
    Frame(BytesMut, Option<Held>),
    /// The answers to appends, once the store has them, with what the appends hold.
    Appends {
        ids: Vec<RequestId>,
        pending: PendingAppends,
        claim: Option<Claim>,
    },
}

/// The answers of one connection that wait to be sent, in order.
#[derive(Default)]
pub(super) struct Answers(Mutex<State>);

#[derive(Default)]
struct State {
    queue: VecDeque<Outgoing>,
    /// Nothing more will come.
    ended: bool,
    /// Who sends them, if it waits.
    sender: Option<Waker>,
    /// Who waits for room, if somebody does.
    source: Option<Waker>,
}

impl Answers {
    /// Waits until fewer than [`ROOM`] answers wait.
    pub(super) async fn room(&self) {
        poll_fn(|context| {
            let mut state = self.state();
            if state.queue.len() < ROOM {
                return Poll::Ready(());
            }
            state.source = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Puts an answer behind the others. The sender is not woken: it is for the task that sends, and
    /// looks here next.
    pub(super) fn push(&self, outgoing: Outgoing) {
        self.state().queue.push_back(outgoing);
    }

    /// The same from another task.
    pub(super) fn push_from_elsewhere(&self, outgoing: Outgoing) {
        let mut state = self.state();
        state.queue.push_back(outgoing);
        if let Some(sender) = state.sender.take() {
            sender.wake();
        }
    }

    /// Lets [`write`] end when everything is sent.
    pub(super) fn end(&self) {
        self.state().ended = true;
    }

    async fn next(&self) -> Option<Outgoing> {
        poll_fn(|context| {
            let mut state = self.state();
            let next = state.queue.pop_front();
            if next.is_some() {
                if let Some(source) = state.source.take() {
                    source.wake();
                }
                return Poll::Ready(next);
            }
            if state.ended {
                return Poll::Ready(None);
            }
            let known = state.sender.as_ref();
            if !known.is_some_and(|known| known.will_wake(context.waker())) {
                state.sender = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends what comes, in order, until the answers end or the peer is gone.
pub(super) async fn write(
    answers: &Answers,
    socket: &mut WriteHalf<'_>,
    encoder: ResponseEncoder,
) -> std::io::Result<()> {
    while let Some(outgoing) = answers.next().await {
        match outgoing {
            Outgoing::Frame(frame, _held) => send(socket, &frame).await?,
            Outgoing::Appends {
                ids,
                pending,
                claim: _claim,
            } => {
                let answers = pending.answers().await;
                let answers = answers
                    .into_iter()
                    .map(Some)
                    .chain(std::iter::repeat_with(|| None));
                let mut frames = BytesMut::new();
                for (id, answer) in ids.iter().zip(answers) {
                    let start = frames.len();
                    encode_append(
                        &encoder,
                        &mut frames,
                        id,
                        answer.unwrap_or(Err(Error::Closing)),
                    );
                    if frames.len() > SHARED_WRITE {
                        let last = frames.split_off(start);
                        if !frames.is_empty() {
                            send(socket, &frames).await?;
                        }
                        frames = last;
                    }
                }
                send(socket, &frames).await?;
            }
        }
    }
    socket.shutdown().await
}

/// Writes whole frames with one call, and with more only if the peer is slow.
async fn send(socket: &mut WriteHalf<'_>, mut frames: &[u8]) -> std::io::Result<()> {
    while !frames.is_empty() {
        let written = tokio::time::timeout(STALLED, socket.write(frames)).await??;
        frames = frames.get(written..).unwrap_or_default();
    }
    Ok(())
}

fn encode_append(
    encoder: &ResponseEncoder,
    out: &mut BytesMut,
    id: &RequestId,
    answer: Result<SequenceNumber, Error>,
) {
    match answer {
        Ok(number) => encoder.appended(out, id, number.get()),
        Err(error) => {
            encoder.failed(out, Operation::AppendMessageResponse, id, &failure(&error));
        }
    }
}
