//! Every plugin of this repository, with the real program and a real peer or a faithful emulator of
//! it, in good days and bad.
//!
//! One file or folder for each plugin. Each is held to the same list: delivery, partial failure,
//! throttling, a destination that is down for a while, one that answers nonsense, one that does not
//! answer, a message too large, wrong credentials, and a restart in the middle. Nothing may be lost,
//! and nothing may come twice but where the plugin's README says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod aws_services;
mod documents;
mod file;
mod http;
mod influxdb;
mod kafka;
mod mqtt;
mod nats;
mod otlp;
mod s3;
mod s3_archive;
mod setup;
