//! What clients ask (section 2).
//!
//! A [`Request`] is an id and a [`Call`]. The server decodes it with [`decode_request`], a client
//! encodes it with [`encode_request`]. A decoded call is valid; what depends on the state of the
//! server (whether the stream exists, whether an update is allowed) is not the concern of this
//! crate.

mod decode;
mod encode;
mod read_options;

use std::fmt;

use bytes::Bytes;

use crate::{MessageStreamDefinition, Name, Operation, RequestId};

pub(crate) use decode::recover_request_id;
pub use decode::{decode_request, decode_request_noting};
pub use encode::encode_request;
pub use read_options::{MessageCount, ReadMessagesOptions, ReadTimeoutMillis};

/// A request: what is asked, and the id that its response has to carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Chosen by the client; not unique.
    pub request_id: RequestId,
    /// What is asked.
    pub call: Call,
}

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Open the connection; the first request, and only the first.
    Connect(Connect),
    /// Create a stream.
    Create(Box<MessageStreamDefinition>),
    /// Replace the definition of the stream it names: what it leaves out has its default, and
    /// exports it leaves out are gone (section 6.4).
    Update(Box<MessageStreamDefinition>),
    /// Delete a stream and all its messages.
    Delete(Name),
    /// Append a message.
    Append {
        /// The stream.
        name: Name,
        /// At least one byte. Shares the memory of the frame.
        payload: Bytes,
    },
    /// Read messages (section 6.2).
    Read {
        /// The stream.
        name: Name,
        /// Which messages, how many, and how long to wait for them.
        options: ReadMessagesOptions,
    },
    /// List the names of all streams.
    List,
    /// Describe a stream.
    Describe(Name),
}

impl Call {
    /// The operation of the request.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Connect(_) => Operation::Connect,
            Self::Create(_) => Operation::CreateMessageStream,
            Self::Update(_) => Operation::UpdateMessageStream,
            Self::Delete(_) => Operation::DeleteMessageStream,
            Self::Append { .. } => Operation::AppendMessage,
            Self::Read { .. } => Operation::ReadMessages,
            Self::List => Operation::ListStreams,
            Self::Describe(_) => Operation::DescribeMessageStream,
        }
    }
}

/// How a client introduces itself (section 1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// The version that the client would rather speak, as it wrote it.
    pub protocol_version: String,
    /// Other versions that it speaks, as it wrote them; at most [`Connect::MAX_OTHER_VERSIONS`].
    pub other_versions: Vec<String>,
    /// The version of its SDK, for information.
    pub sdk_version: Option<String>,
    /// Its credential. An empty one, as the Java SDK sends it, is none.
    pub auth_token: Option<AuthToken>,
}

impl Connect {
    /// How many other versions are kept; what a client lists beyond is passed over.
    pub const MAX_OTHER_VERSIONS: usize = 16;
}

/// The credential of a client. It does not show in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthToken(String);

impl AuthToken {
    /// A credential; an empty text is none.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Option<Self> {
        let token = token.into();
        (!token.is_empty()).then_some(Self(token))
    }

    /// The credential, for the one who checks it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthToken(..)")
    }
}
