//! CBOR as the peers write and read it (section 1.3).
//!
//! The [`Reader`] stands on minicbor's decoder and adds what the peers need: fields in any order,
//! unknown fields skipped, null as good as absent, the last of two fields with one key, definite and
//! indefinite lengths alike, whole floats as integers, and errors that name the field. It allocates only for text and bytes that
//! came in chunks, and it skips with bounded depth.
//!
//! The [`Writer`] is our own: writing into memory cannot fail, and so its methods return nothing
//! where minicbor's encoder would return a `Result` for each. Maps go out with indefinite length,
//! as those of the Java SDK and its model do, so that nobody counts optional fields; lists go out
//! with definite length.

mod reader;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use writer::{Map, Writer, head_len};
