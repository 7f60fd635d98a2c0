//! The Stream Manager protocol, without any input or output: bytes in, typed values out, and back.
//!
//! A connection is a byte stream in each direction. It starts with one *connect version* byte and
//! a Connect exchange ([`handshake`]); after that it carries *frames* ([`frame`]): a length, an
//! [`Operation`] and one CBOR map. A frame from a client is a [`Request`], a frame from a server is
//! a [`Response`]; the request id ties the two together.
//!
//! ```text
//! BytesMut ── FrameDecoder ──▶ Frame ── decode_request ──▶ Request       the server's way in
//! BytesMut ◀────────────────────────── ResponseEncoder ◀── outcome       the server's way out
//! BytesMut ◀─────────────────────────── encode_request ◀── Request       a client's way out
//! BytesMut ── FrameDecoder ──▶ Frame ── decode_response ─▶ Response      a client's way in
//! ```
//!
//! The design follows from four facts about the peers:
//!
//! * **They differ.** Keys come in any order, maps and arrays have definite or indefinite length,
//!   whole numbers may be floats, optional fields may be null. The CBOR reader settles all of
//!   that in one place, so that the decoders above it only name their fields.
//! * **They are not trusted.** Nothing is allocated that has not arrived, nesting is bounded, and
//!   what is decoded obeys the rules of the specification by its type: a [`Name`] is a valid name,
//!   a [`Bounded`] number lies within its bounds. What breaks a rule is a sentence for the operator
//!   that names the field ([`ProtocolError`]).
//! * **They wait.** A request that cannot be understood still gets its answer if its id can be read
//!   at all ([`RequestError`]), even when the frame is longer than the server takes.
//! * **They append.** Appends are decoded without copying: id, name and payload share the memory of
//!   the frame. What is kept for longer (definitions, waiting reads) is copied out, so that a short
//!   name does not hold on to a long buffer.
//!
//! Section numbers in the documentation refer to the protocol's specification.

mod bounded;
mod cbor;
mod codes;
pub mod definition;
mod error;
pub mod frame;
pub mod handshake;
mod name;
mod operation;
pub mod request;
pub mod response;
mod status;
mod text;
mod version;

pub use bounded::{Bounded, SequenceNumber};
pub use definition::MessageStreamDefinition;
pub use error::{ProtocolError, RequestError};
pub use frame::{Frame, FrameDecoder, MAX_FRAME_LENGTH};
pub use name::{Name, RequestId};
pub use operation::Operation;
pub use request::{Call, Request, decode_request, decode_request_noting, encode_request};
pub use response::{Failure, Response, ResponseEncoder, decode_response};
pub use status::{DESIRED_START_BEYOND_LAST, ResponseStatusCode, STREAM_ALREADY_EXISTS};
pub use version::Version;
