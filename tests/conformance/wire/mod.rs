//! The protocol by hand: whatever bytes a test wants go out, and what comes back is held against the
//! rules that every answer obeys.
//!
//! Nothing here uses the codec of the program under test, so that both cannot be wrong in the same
//! way: an [`Item`] is any piece of CBOR, well-formed or not, and an [`Answer`] is read with a decoder
//! that takes no more than the specification allows a server to send.

mod answer;
mod connection;
mod item;

pub(crate) use answer::Answer;
pub(crate) use connection::{Wire, frame};
pub(crate) use item::{Item, list, map, raw};

/// The codes of operations (specification, 1.6).
pub(crate) mod op {
    pub(crate) const CONNECT: u8 = 1;
    pub(crate) const CREATE: u8 = 2;
    pub(crate) const DELETE: u8 = 3;
    pub(crate) const APPEND: u8 = 4;
    pub(crate) const READ: u8 = 5;
    pub(crate) const CONNECT_RESPONSE: u8 = 6;
    pub(crate) const LIST: u8 = 11;
    pub(crate) const DESCRIBE: u8 = 13;
    pub(crate) const UPDATE: u8 = 15;
    pub(crate) const UNKNOWN_OPERATION_ERROR: u8 = 17;

    /// The operation that answers a request.
    pub(crate) fn answer_to(request: u8) -> u8 {
        match request {
            CONNECT => CONNECT_RESPONSE,
            CREATE => 7,
            DELETE => 8,
            APPEND => 9,
            READ => 10,
            LIST => 12,
            DESCRIBE => 14,
            UPDATE => 16,
            _ => UNKNOWN_OPERATION_ERROR,
        }
    }
}
