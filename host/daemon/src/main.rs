//! Millstream: durable streams on the device, exported through WebAssembly plugins.
//!
//! This crate joins the three that do not know each other. Data has one way through it:
//!
//! ```text
//! socket ─► server ─┐                             ┌─► plugin ─► destination
//!                   ├─► service ─► streams ─► exports (runtime)
//! producers ────────┘      (definitions, cursors)
//! ```
//!
//! * [`server`] answers the Stream Manager protocol on a TCP port.
//! * [`access`] says which clients may connect and what they may do.
//! * [`service`] keeps streams and their exports in step; [`definition`] knows a stream's definition in
//!   its three forms.
//! * [`exports`] carries messages from streams to plugins; [`producers`] runs components that make
//!   messages; [`plugins`] finds both in the plugins folder; [`stream_access`] lends them streams.
//! * [`status`] is a picture of all of it, [`http`] shows it to whoever asks.
//! * [`config`] is the file that operators write, [`cli`] what they type, [`client`] how the command
//!   line speaks to a running host, [`logging`] what they read; [`process`]
//!   keeps the process small; [`time`] is what exports go by; [`replace`] writes files at once or not at
//!   all.

mod access;
mod cli;
mod client;
mod config;
mod definition;
mod exports;
mod http;
mod logging;
mod plugins;
mod process;
mod producers;
mod replace;
mod server;
mod service;
mod status;
mod stream_access;
mod time;

fn main() -> std::process::ExitCode {
    process::keep_memory_small();
    cli::main()
}
