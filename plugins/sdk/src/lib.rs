//! What a Rust component for Millstream needs: the contract's types, a trait that makes an exporter a
//! page of code, and the host's log, streams and secrets.
//!
//! **An exporter** implements [`Exporter`] for a type of its own and names that type once in
//! [`export_exporter!`]. The crate is a `cdylib`; built for `wasm32-wasip2` it is a component. The
//! trait takes the configuration as a Rust type: [`config`](mod@config) turns the JSON object that
//! the host hands over into it, and a mistake into a sentence that names the field.
//!
//! **A transform** implements [`transform::Transform`] and is named in [`export_transform!`].
//!
//! **A producer** is an ordinary program with a `main`, built for `wasm32-wasip2`, that calls
//! [`streams::append`] and writes to the [`log`]. [`producer`] has what most of them need beside:
//! arguments, pauses that end when the host stops, and appending to a stream that may be full.
//!
//! Everything here also compiles for the developer's own machine, so that the logic of a plugin can
//! be tested with a plain `cargo test`. There is no host there: [`log`] writes to the standard error,
//! and [`streams`] and [`secrets`] answer that no host is there.
//!
//! ```
//! use millstream_plugin::{
//!     ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
//!     Wants, export_exporter, log,
//! };
//!
//! /// Writes each message's size to the log.
//! struct Sizes {
//!     prefix: String,
//! }
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     prefix: String,
//! }
//!
//! impl Exporter for Sizes {
//!     type Config = Config;
//!
//!     fn describe() -> Description {
//!         Description {
//!             name: "sizes".into(),
//!             version: "1.0.0".into(),
//!             summary: "Writes the size of each message to the log.".into(),
//!             config_schema: r#"{"type":"object","properties":{"prefix":{"type":"string"}}}"#.into(),
//!             limits: Limits {
//!                 max_messages: 100,
//!                 max_batch_bytes: 1 << 20,
//!                 max_message_bytes: 1 << 20,
//!             },
//!             wants: Wants::default(),
//!         }
//!     }
//!
//!     fn open(_context: ExportContext, config: Config) -> Result<Self, ConfigError> {
//!         Ok(Self { prefix: config.prefix })
//!     }
//!
//!     fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
//!         for message in &batch {
//!             log::info(&format!("{} {} bytes", self.prefix, message.payload.len()));
//!         }
//!         Ok(Vec::new())
//!     }
//! }
//!
//! export_exporter!(Sizes);
//! # fn main() {}
//! ```

pub mod config;
mod contract;
mod exporter;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "json-line")]
pub mod json_line;
pub mod log;
mod outcome;
pub mod producer;
pub mod secrets;
pub mod stop;
pub mod streams;
#[cfg(feature = "tcp")]
pub mod tcp;
pub mod template;
pub mod transform;
pub mod work;

pub use contract::{
    CancelReason, Canceled, ConfigError, Description, Disposition, ExportContext, ExportError,
    Failure, Limits, Message, Undelivered, Wants,
};
pub use exporter::{Canceling, Exporter};
pub use outcome::Outcome;

/// What [`export_exporter!`] expands to; not for direct use.
#[doc(hidden)]
pub mod internals {
    pub use crate::contract::{bindings, canceling_bindings, transform_bindings};
    pub use crate::exporter::{InComponent, Slot};
    pub use crate::transform::TransformSlot;
}
