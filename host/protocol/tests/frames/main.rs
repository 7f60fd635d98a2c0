//! The frames of the protocol: as real SDKs sent them, and damaged in every way we could think of.
//!
//! `recorded` holds the crate to what the recordings say. Everything else holds it to `properties`,
//! what it promises for any bytes: `damaged` goes through the small damages of every recorded frame,
//! `mutated` through a fixed number of random and larger ones, always the same, and `large` through
//! shapes that would take much memory or work if anything did. The fuzzers in `tests/fuzz` check the
//! same properties for as long as one likes; what they found is checked here too.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the lints see tests, but not the helpers of tests"
)]

mod allocations;
mod damaged;
mod large;
mod mutated;
mod mutation;
mod properties;
mod recorded;
mod support;
mod watchdog;
