//! A file and which one it is: in a component by `wasi:filesystem`, since the standard library has no
//! identity of files there; natively, for tests, by the standard library.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod wasi;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::File;
use serde::{Deserialize, Serialize};
#[cfg(target_arch = "wasm32")]
pub(crate) use wasi::File;

/// Which file it is, whatever its name: as good as unique on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity(pub(crate) u64, pub(crate) u64);
