//! The streams of the host that this component was granted by name.
//!
//! ```
//! use millstream_plugin::streams::{self, StreamError};
//!
//! match streams::append("readings", &[b"21.5".to_vec()]) {
//!     Ok(sequence_number) => println!("stored as message {sequence_number}"),
//!     Err(StreamError::Full) => println!("full: wait and try again"),
//!     Err(error) => println!("not stored: {}", streams::explain(&error)),
//! }
//! ```

use crate::Message;
#[cfg(target_arch = "wasm32")]
use crate::contract::bindings::millstream::plugin::streams as host;
pub use crate::contract::bindings::millstream::plugin::streams::{ReadOptions, StreamError};

/// Appends messages in order, all or none, and returns the sequence number of the first.
///
/// The call returns when the messages are safe in the sense of the stream's own definition. A payload
/// has at least one byte; a call carries 16 MiB at most.
///
/// # Errors
///
/// See [`StreamError`]: [`Full`](StreamError::Full) passes when the caller waits;
/// [`Unavailable`](StreamError::Unavailable) is also what a host that shuts down answers.
pub fn append(stream_name: &str, payloads: &[Vec<u8>]) -> Result<u64, StreamError> {
    host::append(stream_name, payloads)
}

/// Reads messages in order. Reading takes nothing away from the stream.
///
/// # Errors
///
/// See [`StreamError`]: [`NotEnoughMessages`](StreamError::NotEnoughMessages) if fewer than
/// `min_count` were there in time.
pub fn read(stream_name: &str, options: ReadOptions) -> Result<Vec<Message>, StreamError> {
    host::read(stream_name, options)
}

/// A sentence for operators that says why a call on a stream did nothing.
pub fn explain(error: &StreamError) -> String {
    match error {
        StreamError::NotGranted => {
            "The configuration grants this component no such access to the stream.".to_owned()
        }
        StreamError::NotFound => "There is no stream of this name.".to_owned(),
        StreamError::Full => "The stream is full and refuses new messages.".to_owned(),
        StreamError::NotEnoughMessages => {
            "Fewer messages than asked for were there in time.".to_owned()
        }
        StreamError::Invalid(reason) => format!("The call is wrong: {reason}"),
        StreamError::Unavailable(reason) => format!("The host cannot do it now: {reason}"),
    }
}

/// Stands in where no host is: on the developer's own machine.
#[cfg(not(target_arch = "wasm32"))]
mod host {
    use super::{Message, ReadOptions, StreamError};

    pub(super) fn append(_: &str, _: &[Vec<u8>]) -> Result<u64, StreamError> {
        Err(no_host())
    }

    pub(super) fn read(_: &str, _: ReadOptions) -> Result<Vec<Message>, StreamError> {
        Err(no_host())
    }

    fn no_host() -> StreamError {
        StreamError::Unavailable("this program does not run inside a Millstream host".to_owned())
    }
}
