//! What the server answers (section 2).
//!
//! The server writes responses with a [`ResponseEncoder`], which knows the version that the
//! connection runs and the longest frame. A client reads them with [`decode_response`] into a
//! [`Response`]: what was asked for, or a [`Failure`].
//!
//! What goes out keeps to what every SDK stands: never null, no status that the version does not
//! know, all lists present, and an `errorMessage` that is empty on success. Every request has to be
//! answered exactly once; a second answer, or one after the client has given up, breaks two of the
//! three SDKs (section 1.3).

mod decode;
mod encode;
mod info;

use bytes::Bytes;

use crate::{Name, Operation, RequestId, ResponseStatusCode};

pub use decode::decode_response;
pub use encode::{ResponseEncoder, encoded_message_size, read_response_overhead};
pub(crate) use encode::{write_failure, write_success};
pub use info::{ExportStatus, MessageStreamInfo, StorageStatus};

/// A response, as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The id of the request; two kinds of response may lack it, and this crate always writes it.
    pub request_id: Option<RequestId>,
    /// The operation of the response.
    pub operation: Operation,
    /// What was asked for, or why there is nothing.
    pub outcome: Result<Success, Failure>,
}

/// What a request led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Success {
    /// The connection is open.
    Connected(Connected),
    /// The stream is there.
    Created,
    /// The stream has its new definition.
    Updated,
    /// The stream is gone.
    Deleted,
    /// The message is stored.
    Appended {
        /// Its place in the stream.
        sequence_number: u64,
    },
    /// Messages, in order.
    Messages(Vec<Message>),
    /// The names of all streams.
    Streams(Vec<Name>),
    /// A stream.
    Description(Box<MessageStreamInfo>),
}

/// How the server introduces itself (section 1.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connected {
    /// The version that the connection runs.
    pub protocol_version: Option<String>,
    /// All versions that the server speaks; at most [`Connected::MAX_SUPPORTED_VERSIONS`].
    pub supported_versions: Vec<String>,
    /// The version of the server, for logs.
    pub server_version: Option<String>,
    /// A name that the server gave to the client, for logs.
    pub client_identifier: Option<String>,
}

impl Connected {
    /// How many versions of a server are kept; what it lists beyond is passed over.
    pub const MAX_SUPPORTED_VERSIONS: usize = 16;
}

/// A message that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The stream.
    pub stream_name: Name,
    /// The place in the stream.
    pub sequence_number: u64,
    /// When the server took the message, in milliseconds since the Unix epoch.
    pub ingest_time_millis: u64,
    /// The payload. Shares the memory of the frame.
    pub payload: Bytes,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {message}")]
pub struct Failure {
    /// What kind of failure it is; never [`Success`](ResponseStatusCode::Success).
    pub status: ResponseStatusCode,
    /// What people read, and in two cases programs: see
    /// [`STREAM_ALREADY_EXISTS`](crate::STREAM_ALREADY_EXISTS) and
    /// [`DESIRED_START_BEYOND_LAST`](crate::DESIRED_START_BEYOND_LAST).
    pub message: String,
}

impl Failure {
    /// A failure with a text for people.
    #[must_use]
    pub fn new(status: ResponseStatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests;
