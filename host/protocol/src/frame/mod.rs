//! Frames: a length, an operation, and a payload (section 1.2).
//!
//! ```text
//! offset 0   4 bytes  int32, big-endian   1 + size of the payload
//! offset 4   1 byte   int8                operation
//! offset 5   n bytes                      payload: one CBOR map
//! ```
//!
//! [`FrameDecoder`] takes frames out of a buffer into which a connection reads. Writing has no type
//! of its own: the encoders of requests and responses append whole frames to a buffer, which the
//! caller has to send with one write and without delay (`TCP_NODELAY`): one SDK loses its place if
//! there is a pause inside the length.

mod decoder;

use bytes::{BufMut, Bytes, BytesMut};

use crate::cbor::Writer;
use crate::{Operation, ProtocolError};

pub use decoder::{FrameDecoder, Incoming, OversizeFrame};

/// The longest frame of the protocol, operation byte and payload, in bytes (2^30, section 1.2).
pub const MAX_FRAME_LENGTH: usize = 1 << 30;

/// The size of the length field, in bytes.
const LENGTH_FIELD: usize = 4;

/// A complete frame as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The operation code, known or not; see [`Operation::from_code`].
    pub operation: u8,
    /// One CBOR map, not yet looked at.
    pub payload: Bytes,
}

/// Appends a frame to `out`, the payload by way of `payload`. On an error `out` is as before.
pub(crate) fn write_frame(
    out: &mut BytesMut,
    operation: Operation,
    limit: usize,
    payload: impl FnOnce(&mut Writer<'_>),
) -> Result<(), ProtocolError> {
    let start = out.len();
    out.put_i32(0);
    out.put_u8(operation.code());
    payload(&mut Writer::new(out));
    let length = out.len() - start - LENGTH_FIELD;
    let limit = limit.min(MAX_FRAME_LENGTH);
    match i32::try_from(length) {
        Ok(field) if length <= limit => {
            for (place, byte) in out.iter_mut().skip(start).zip(field.to_be_bytes()) {
                *place = byte;
            }
            Ok(())
        }
        _ => {
            out.truncate(start);
            Err(ProtocolError::FrameTooLarge { length, limit })
        }
    }
}
