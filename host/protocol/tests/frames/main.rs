//! The recorded frames of real SDKs, whole and damaged.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the lints see tests, but not the helpers of tests"
)]

mod damaged;
mod recorded;
mod support;
