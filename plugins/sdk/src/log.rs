//! Lines in the host's log, under the component's name.
//!
//! The host cuts a line at 8 KiB and lets 100 lines a second pass. A component needs no grant for it.
//!
//! ```
//! use millstream_plugin::log;
//!
//! log::warn(&format!("no answer from {}; trying the other address", "192.0.2.7"));
//! ```

use crate::contract::bindings::millstream::plugin::log::Level;

/// Something was lost or cannot work without an operator.
pub fn error(line: &str) {
    write(Level::Error, line);
}

/// Something is wrong, and the component copes.
pub fn warn(line: &str) {
    write(Level::Warn, line);
}

/// What an operator wants to see of an ordinary day.
pub fn info(line: &str) {
    write(Level::Info, line);
}

/// What helps to find a fault.
pub fn debug(line: &str) {
    write(Level::Debug, line);
}

/// Everything.
pub fn trace(line: &str) {
    write(Level::Trace, line);
}

#[cfg(target_arch = "wasm32")]
fn write(level: Level, line: &str) {
    crate::contract::bindings::millstream::plugin::log::write(level, line);
}

/// Without a host a line goes to the standard error. Where that is closed the line is lost, as it
/// would be behind the host's limit.
#[cfg(not(target_arch = "wasm32"))]
fn write(_: Level, line: &str) {
    use std::io::Write as _;

    let _ = writeln!(std::io::stderr(), "{line}");
}
