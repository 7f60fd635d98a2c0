//! The writing side of a connection.
//!
//! A frame is never split over two writes: one of the official SDKs reads the four bytes of a length
//! with a single call and loses the thread if it gets fewer (specification, 1.2). Frames that are
//! ready together share a write while they are small.

use std::time::Duration;

use bytes::BytesMut;
use millstream_protocol::{Operation, RequestId, ResponseEncoder};
use millstream_streams::{Error, PendingAppends, SequenceNumber};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;

use super::requests::failure;

/// Frames share a write up to this size. It fits into one segment of the loopback interface, so the
/// peer cannot see half a length field either.
const SHARED_WRITE: usize = 16 << 10;

/// A peer that takes nothing for this long is given up.
const STALLED: Duration = Duration::from_secs(60);

/// Something to be sent.
pub(super) enum Outgoing {
    /// Whole frames, together not larger than [`SHARED_WRITE`], or a single one of any size.
    Frames(BytesMut),
    /// The answers to appends, once the store has them.
    Appends {
        ids: Vec<RequestId>,
        pending: PendingAppends,
    },
}

/// Sends what comes, in order, until the queue ends or the peer is gone.
pub(super) async fn write(
    mut socket: OwnedWriteHalf,
    mut queue: mpsc::Receiver<Outgoing>,
    encoder: ResponseEncoder,
) -> std::io::Result<()> {
    while let Some(outgoing) = queue.recv().await {
        match outgoing {
            Outgoing::Frames(frames) => send(&mut socket, &frames).await?,
            Outgoing::Appends { ids, pending } => {
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
                            send(&mut socket, &frames).await?;
                        }
                        frames = last;
                    }
                }
                send(&mut socket, &frames).await?;
            }
        }
    }
    socket.shutdown().await
}

/// Writes whole frames with one call, and with more only if the peer is slow.
async fn send(socket: &mut OwnedWriteHalf, mut frames: &[u8]) -> std::io::Result<()> {
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
