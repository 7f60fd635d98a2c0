//! Streams as components see them.
//!
//! The embedder gives its streams through [`StreamAccess`]; this module checks grants and the limits
//! of `wit/streams.wit` before it calls them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::contract::millstream::plugin::streams;
use crate::grants::Grants;
use crate::log::PluginLog;

/// A future on the heap, so that [`StreamAccess`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The most bytes of payload that one append may carry (`wit/streams.wit`).
const MAX_APPEND_BYTES: usize = 16 << 20;
/// The most bytes of payload that one read returns, one message excepted (`wit/streams.wit`).
const MAX_READ_BYTES: usize = 4 << 20;
/// The most messages that one read returns (`wit/streams.wit`). Each takes some 64 bytes of the host beyond
/// its payload, and of messages of a single byte there would be millions.
const MAX_READ_MESSAGES: u32 = 65_536;
/// The longest that a read waits (`wit/streams.wit`).
const MAX_READ_WAIT: Duration = Duration::from_millis(59_000);

/// One message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its place in the stream: from 0, without holes, never used twice.
    pub sequence_number: u64,
    /// When the host took it, in milliseconds since the Unix epoch.
    pub ingest_time: u64,
    /// What was appended, byte for byte.
    pub payload: Bytes,
}

/// Which messages a component wants to read. The values are within the bounds given here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions {
    /// The first sequence number wanted; the oldest message that is still there, if this one is
    /// gone.
    pub start: u64,
    /// Wait until this many messages are there; at least 1.
    pub min_count: u32,
    /// Return at most this many; at least `min_count`.
    pub max_count: u32,
    /// Return at most this many bytes of payload, though always one message.
    pub max_bytes: usize,
    /// How long to wait for `min_count` messages; zero does not wait, 59 seconds at most.
    pub timeout: Duration,
}

/// Why a call on a stream did nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The configuration grants no such access.
    #[error("the configuration grants no access to this stream")]
    NotGranted,
    /// There is no stream of this name.
    #[error("there is no stream of this name")]
    NotFound,
    /// The stream refuses new data while it is full.
    #[error("the stream is full")]
    Full,
    /// Fewer messages than wanted were there when the time was up.
    #[error("there are not enough messages")]
    NotEnoughMessages,
    /// The call itself is wrong.
    #[error("the call is wrong: {0}")]
    Invalid(String),
    /// The host could not do it now; the same call may succeed later.
    #[error("the stream is not available: {0}")]
    Unavailable(String),
}

/// The streams of the embedder.
///
/// Grants and limits have been checked before a call arrives here.
pub trait StreamAccess: Send + Sync {
    /// Appends messages in order, all or none, and returns the sequence number of the first. It
    /// returns when the messages are safe in the sense of the stream's definition.
    ///
    /// # Errors
    ///
    /// Every variant of [`StreamError`] but `NotGranted` and `NotEnoughMessages`.
    fn append<'a>(
        &'a self,
        stream: &'a str,
        payloads: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<u64, StreamError>>;

    /// Reads messages in order. Dropping the future gives up waiting.
    ///
    /// # Errors
    ///
    /// Every variant of [`StreamError`] but `NotGranted` and `Full`.
    fn read<'a>(
        &'a self,
        stream: &'a str,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<Vec<Message>, StreamError>>;
}

/// The streams of one instance: what it was granted of the embedder's.
pub(crate) struct GrantedStreams {
    pub(crate) streams: Arc<dyn StreamAccess>,
    pub(crate) grants: Arc<Grants>,
    /// The table of the configuration that has its grants.
    pub(crate) section: String,
    pub(crate) log: Arc<PluginLog>,
    /// Becomes true when the component is asked to end.
    pub(crate) stop: watch::Receiver<bool>,
}

impl GrantedStreams {
    pub(crate) async fn append(
        &self,
        stream: &str,
        payloads: Vec<Bytes>,
    ) -> Result<u64, StreamError> {
        if !self.grants.appends_to(stream) {
            return Err(self.refuse("append to", stream, "append"));
        }
        if payloads.is_empty() {
            return Err(StreamError::Invalid("there is no payload".into()));
        }
        if payloads.iter().any(Bytes::is_empty) {
            return Err(StreamError::Invalid(
                "a payload has at least one byte".into(),
            ));
        }
        let bytes = payloads
            .iter()
            .fold(0_usize, |sum, one| sum.saturating_add(one.len()));
        if bytes > MAX_APPEND_BYTES {
            return Err(StreamError::Invalid(format!(
                "the payloads have {bytes} bytes, and one call carries {MAX_APPEND_BYTES}"
            )));
        }
        // An append under way is left to end even when the component is asked to stop: what was
        // refused must not be there afterwards.
        self.check_stop()?;
        self.streams.append(stream, payloads).await
    }

    pub(crate) async fn read(
        &self,
        stream: &str,
        options: ReadOptions,
    ) -> Result<Vec<Message>, StreamError> {
        if !self.grants.reads(stream) {
            return Err(self.refuse("read", stream, "read"));
        }
        if options.min_count == 0 {
            return Err(StreamError::Invalid("min-count is at least 1".into()));
        }
        if options.max_count < options.min_count {
            return Err(StreamError::Invalid(
                "max-count is at least min-count".into(),
            ));
        }
        self.check_stop()?;
        let mut stop = self.stop.clone();
        tokio::select! {
            messages = self.streams.read(stream, options) => messages,
            // The sender gone means that the host is on its way out.
            _ = stop.wait_for(|stopped| *stopped) => Err(stopping()),
        }
    }

    fn refuse(&self, what: &str, stream: &str, grant: &str) -> StreamError {
        self.log.refuse(&format!(
            "refused to {what} the stream `{stream}`: it is not granted; to allow it, add it to \
             `[{}] {grant}`",
            self.section
        ));
        StreamError::NotGranted
    }

    fn check_stop(&self) -> Result<(), StreamError> {
        if *self.stop.borrow() {
            Err(stopping())
        } else {
            Ok(())
        }
    }
}

fn stopping() -> StreamError {
    StreamError::Unavailable("the host is stopping this component".into())
}

impl From<streams::ReadOptions> for ReadOptions {
    fn from(options: streams::ReadOptions) -> Self {
        Self {
            start: options.start,
            min_count: options.min_count.min(MAX_READ_MESSAGES),
            max_count: options.max_count.min(MAX_READ_MESSAGES),
            max_bytes: MAX_READ_BYTES,
            timeout: Duration::from_millis(options.timeout_ms.into()).min(MAX_READ_WAIT),
        }
    }
}

impl From<StreamError> for streams::StreamError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::NotGranted => Self::NotGranted,
            StreamError::NotFound => Self::NotFound,
            StreamError::Full => Self::Full,
            StreamError::NotEnoughMessages => Self::NotEnoughMessages,
            StreamError::Invalid(text) => Self::Invalid(text),
            StreamError::Unavailable(text) => Self::Unavailable(text),
        }
    }
}

impl From<Message> for streams::Message {
    fn from(message: Message) -> Self {
        Self {
            sequence_number: message.sequence_number,
            ingest_time: message.ingest_time,
            payload: message.payload.into(),
        }
    }
}

#[cfg(test)]
mod tests;
