//! Loads WebAssembly components and runs them in a sandbox.
//!
//! Four kinds of component exist (`wit/`): an *exporter* carries batches of messages to a
//! destination, a *transform* changes them on their way there, a *producer* is a WASI command that
//! makes messages, and a *webhook* makes messages of the HTTP requests that come in. This is the only crate that
//! names wasmtime; it knows nothing of how streams are kept or of the network protocol. What a
//! component may do to streams comes in through [`StreamAccess`].
//!
//! # From a file to a call
//!
//! [`Runtime::load`] reads a `.wasm`, looks its hash up in the cache of native code, and on a miss
//! has a short-lived child process compile it: compiling takes several times the memory that
//! running does, and memory that a child used goes back to the system. Only files of that cache are
//! ever deserialised, because native code is trusted code. A [`Component`] is then checked once
//! against everything the host offers, so that instances cost microseconds.
//!
//! [`Component::open`] makes an [`Exporter`]: one warm instance with its own memory. It is dropped
//! after a trap, a missed deadline or growth beyond a mark, and made again by the next call.
//! [`Component::open_transform`] makes a [`Transformer`], which lives in the same way (`instance`).
//! [`Component::run`] runs a producer to its end. [`Component::webhook`] makes a [`Webhook`], which
//! answers each request in an instance of its own. Native code is mapped while one of these works; those
//! that rest give it back, and their next call takes the same version from the cache again.
//!
//! # The sandbox
//!
//! * **Nothing is there without a grant** ([`Grants`]): no network, folder, stream, environment or
//!   credential.
//! * **Time.** Guest code yields to the async executor every few milliseconds (epoch interruption),
//!   so a time limit around a call stops endless loops and endless waits alike.
//! * **Memory.** All linear memories and tables of an instance count against one cap; handles,
//!   header sizes and buffers that the host keeps for a guest are bounded too.
//! * **Network.** Guests speak HTTP through one pooled client of the host, which checks the name of
//!   every destination against the grants and then the address behind the name, owns TLS, and signs
//!   requests to AWS services. Credentials never enter a guest, with one exception: a secret that the
//!   grants let it read, for protocols that carry one inside ([`Secrets`]).

mod cache;
mod clock;
mod compile;
mod component;
mod contract;
mod credentials;
mod deadline;
mod description;
mod engine;
mod error;
mod exporter;
mod file;
mod files;
mod grants;
mod guest;
mod http;
mod instance;
mod limits;
mod linker;
mod log;
mod name_lookup;
mod producer;
mod program;
mod runtime;
mod sandbox;
mod secrets;
mod sockets;
mod state;
mod stdout;
mod stream_pattern;
mod streams;
#[cfg(test)]
mod testing;
mod ticker;
mod tls;
mod transform;
mod trust;
mod webhook;
mod work;

pub use compile::{CompileCommand, compile_file};
pub use component::{CONTRACT_VERSION, Component, ComponentKind};
pub use credentials::{AssumedRole, AwsOptions, CredentialsSource, IotCredentials};
pub use description::{BatchLimits, Description, TransformDescription, Wants};
pub use error::{ExportFailure, RuntimeError};
pub use exporter::{
    CancelReason, Canceled, Disposition, Exported, Exporter, ExporterSettings, Undelivered,
};
pub use grants::{
    AddressGrant, AddressTarget, FolderAccess, FolderGrant, Grants, HostGrant, HostPattern,
    InvalidGrant, Scheme,
};
pub use http::{Bandwidth, Traffic};
pub use limits::Limits;
pub use producer::{ProducerEnd, ProducerSettings, StdoutTo};
pub use runtime::{Runtime, RuntimeOptions};
pub use secrets::{InvalidSecretName, Secret, SecretName, SecretSource, SecretUnreadable, Secrets};
pub use stream_pattern::StreamPattern;
pub use streams::{BoxFuture, Message, ReadOptions, StreamAccess, StreamError};
pub use tls::{TlsIdentity, UnusableIdentity};
pub use transform::{TransformOutput, TransformSettings, Transformed, Transformer};
pub use webhook::{Webhook, WebhookSettings};
