//! What arrives on a connection.
//!
//! Bytes are read only when there is room for them ([`budget`](super::budget)): a little of the
//! connection's own, or more if it sends much and more is free. A frame that needs more than the own
//! room claims all of its length before it is gathered, and is refused and skipped if there is no
//! room for it. While nothing arrives there is no buffer.

use std::time::Duration;

use bytes::BytesMut;
use millstream_protocol::FrameDecoder;
use millstream_protocol::frame::Incoming;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::ReadHalf;
use tokio::time::Instant;

use super::budget::{Account, Claim, Exhausted, OWN_INPUT};

/// Read at once on a connection that says much.
const LARGE_READ: usize = 64 << 10;

/// What a frame must keep to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The longest, operation and payload, in bytes.
    pub(super) max_frame: usize,
    /// From its first byte to its last.
    pub(super) frame_time: Duration,
}

/// Why nothing more was read.
pub(super) enum Unfilled {
    /// The connection has to end.
    Ended(String),
    /// There is no room for the frame that has begun, which has so many bytes.
    NoRoom(Exhausted, usize),
}

/// The incoming side of a connection.
pub(super) struct Inbox<'s> {
    socket: ReadHalf<'s>,
    buffer: BytesMut,
    decoder: FrameDecoder,
    account: Account,
    /// Covers what is in the buffer and what the next read brings; none while that is next to
    /// nothing.
    claim: Option<Claim>,
    /// When the frame that has begun must be complete.
    deadline: Option<Instant>,
    /// How much to read at once.
    size: usize,
    limits: Limits,
}

impl<'s> Inbox<'s> {
    pub(super) fn new(
        socket: ReadHalf<'s>,
        arrived: BytesMut,
        account: Account,
        limits: Limits,
    ) -> Self {
        Self {
            socket,
            buffer: arrived,
            decoder: FrameDecoder::new(limits.max_frame),
            account,
            claim: None,
            deadline: None,
            size: OWN_INPUT,
            limits,
        }
    }

    /// The next frame of what has arrived; none if it takes more.
    ///
    /// # Errors
    ///
    /// Why the connection has to end.
    pub(super) fn next_frame(&mut self) -> Result<Option<Incoming>, String> {
        let incoming = self.decoder.next_frame(&mut self.buffer);
        let incoming = incoming.map_err(|error| error.to_string())?;
        if incoming.is_some() {
            self.deadline = None;
        }
        Ok(incoming)
    }

    /// The claim of frames of so many bytes, which were taken out.
    pub(super) fn part(&mut self, bytes: usize) -> Option<Claim> {
        self.claim.as_mut().and_then(|claim| claim.split(bytes))
    }

    /// The same when nothing more can be taken out before the next read.
    pub(super) fn last_part(&mut self, bytes: usize) -> Option<Claim> {
        if self.buffer.is_empty() {
            self.claim.take()
        } else {
            self.part(bytes)
        }
    }

    /// Waits for more, and tells how much has come; 0 is the end.
    ///
    /// # Errors
    ///
    /// Why the connection has to end, or that the frame that has begun finds no room.
    pub(super) async fn fill(&mut self) -> Result<usize, Unfilled> {
        let read = if self.buffer.is_empty() {
            self.begin().await?
        } else {
            self.go_on().await?
        };
        let count = read.map_err(broken)?;
        // A buffer that was filled will be filled again.
        self.size = if count >= self.size / 2 {
            LARGE_READ
        } else {
            OWN_INPUT
        };
        Ok(count)
    }

    /// Reads when something arrives; until then there is neither buffer nor claim.
    async fn begin(&mut self) -> Result<std::io::Result<usize>, Unfilled> {
        loop {
            self.buffer = BytesMut::new();
            self.claim = None;
            self.socket.readable().await.map_err(broken)?;
            self.make_room().await?;
            tokio::select! {
                biased;
                read = self.socket.read_buf(&mut self.buffer) => return Ok(read),
                // What was to be read was read before.
                () = std::future::ready(()) => {}
            }
        }
    }

    /// Reads on in a frame, which has to be complete in time.
    async fn go_on(&mut self) -> Result<std::io::Result<usize>, Unfilled> {
        self.make_room().await?;
        let deadline = self.deadline.unwrap_or_else(Instant::now);
        let read = self.socket.read_buf(&mut self.buffer);
        let read = tokio::time::timeout_at(deadline, read).await;
        read.map_err(|_| Unfilled::Ended("a frame did not arrive in time".into()))
    }

    /// Sees to it that the next read has a buffer, and that the buffer is claimed.
    async fn make_room(&mut self) -> Result<(), Unfilled> {
        let needed = self.decoder.needed(&self.buffer).unwrap_or_default();
        let held = self.claim.as_ref().map_or(0, Claim::bytes);
        let fresh = || Some(Instant::now() + self.limits.frame_time);
        if held > self.buffer.len() && held >= needed {
            self.deadline = self.deadline.or_else(fresh);
            return Ok(());
        }
        let wanted = needed.max(self.size);
        let own = if wanted <= OWN_INPUT {
            self.account.try_own_input()
        } else {
            None
        };
        let at_once = own.or_else(|| self.account.try_claim(wanted));
        let claim = match at_once {
            Some(claim) => claim,
            None if needed <= OWN_INPUT => {
                // What is in the buffer is a part of the same room.
                self.claim = None;
                let own = self.account.own_input().await;
                own.ok_or_else(|| Unfilled::Ended("the connection is closing".into()))?
            }
            None => {
                let claimed = self.account.claim(needed, Instant::now()).await;
                claimed.map_err(|exhausted| Unfilled::NoRoom(exhausted, needed))?
            }
        };
        // Waiting for room was not the client's fault.
        self.deadline = fresh();
        let mut buffer = BytesMut::with_capacity(claim.bytes());
        buffer.extend_from_slice(&self.buffer);
        self.buffer = buffer;
        self.claim = Some(claim);
        Ok(())
    }

    /// Gives up the frame that has begun: it is reported as too large, and skipped.
    pub(super) fn refuse(&mut self) {
        self.decoder.refuse();
    }
}

fn broken(error: std::io::Error) -> Unfilled {
    Unfilled::Ended(error.to_string())
}
