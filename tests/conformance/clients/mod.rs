//! The clients that every behaviour is tried with.
//!
//! They differ in language and age, so a behaviour asks for what all of them can do: a list of
//! [`Call`]s, sent at once on one connection, and an [`Outcome`] for each. Definitions and what is
//! described are JSON with the keys of the wire (specification, 2 to 4), payloads are bytes.

mod raw;
mod sdk;
mod session;

use millstream_protocol::ResponseStatusCode;
use serde_json::Value;

pub(crate) use raw::Raw;
pub(crate) use sdk::{Drivers, Sdk};
pub(crate) use session::{Outcomes, Session, refused};

/// A client of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ours, which writes as the Java SDK does: maps of indefinite length, no empty lists.
    Raw,
    /// `stream-manager`
    Python,
    /// `greengrasssdk.stream_manager`
    GreengrassPython,
    /// `aws-greengrass-core-sdk/stream-manager`
    Node,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Raw, Self::Python, Self::GreengrassPython, Self::Node];

    /// The name in the names of tests.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Python => "python",
            Self::GreengrassPython => "greengrass_python",
            Self::Node => "node",
        }
    }
}

/// Whether an SDK looks at what it is told to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checks {
    /// As it is delivered.
    On,
    /// Switched off, so that the host sees what the SDK would have refused, and the SDK sees the
    /// host's refusal.
    Off,
}

/// How a client connects.
#[derive(Debug, Clone)]
pub(crate) struct Connecting {
    pub(crate) port: u16,
    pub(crate) checks: Checks,
    /// The credential in the environment of the SDK.
    pub(crate) token: Option<String>,
}

/// What a client is told to do.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Create(Value),
    Update(Value),
    Delete(String),
    List,
    Describe(String),
    Append(String, Vec<u8>),
    /// A read, with options or with none at all.
    Read(String, Option<Value>),
}

/// What a call came to: nothing, a number, names, messages or a description, all as JSON.
pub(crate) type Outcome = Result<Value, Refusal>;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The host refused, and the client knows the reason.
    Host {
        status: ResponseStatusCode,
        message: String,
    },
    /// The client failed by itself, with an error of this class.
    Client { class: String, message: String },
}

/// A connected client. It disconnects when it is dropped.
pub(crate) trait Client: Send {
    /// Sends all calls before it waits for the first answer.
    fn at_once(&mut self, calls: &[Call]) -> Vec<Outcome>;
}
