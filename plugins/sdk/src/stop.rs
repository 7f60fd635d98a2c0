//! Pauses that end when the host wants this component to end.
//!
//! ```
//! use std::time::Duration;
//! use millstream_plugin::stop;
//!
//! # let measure = || {};
//! loop {
//!     measure();
//!     if stop::wait(Duration::from_millis(10)) {
//!         break; // the host stops
//!     }
//! #   break;
//! }
//! ```

use std::time::Duration;

/// Waits, and returns false when the time is over. Returns true as soon as the host asks this component to
/// end, and from then on at once.
pub fn wait(pause: Duration) -> bool {
    // Rounded up: a loop that waits for what is left of a millisecond would otherwise spin.
    let milliseconds = pause.as_micros().div_ceil(1000);
    host::wait(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

#[cfg(target_arch = "wasm32")]
use crate::contract::producer_bindings::millstream::plugin::stop as host;

/// Stands in where no host is: on the developer's own machine.
#[cfg(not(target_arch = "wasm32"))]
mod host {
    use std::time::Duration;

    pub(super) fn wait(milliseconds: u64) -> bool {
        std::thread::sleep(Duration::from_millis(milliseconds));
        false
    }
}
