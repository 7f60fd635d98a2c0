//! Scenarios: the real program, the official SDK, real peers. One file a subject.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod authentication;
mod authoring;
mod aws;
mod bad_input;
mod command_line;
mod crash;
mod dead_letters;
mod environment;
mod examples;
mod exporting;
mod exports;
mod file_export;
mod hostile;
mod kinesis;
mod languages;
mod limits;
mod plugin_commands;
mod plugins_folder;
mod producers;
mod python_sdk;
mod restart;
mod status;
mod transforms;
