//! What behaviour tests stand on: the real program ([`Host`]), the official SDK ([`python`]), a real
//! emulator ([`Emulator`]), real servers ([`Nats`], [`Mosquitto`]), a cluster of Kafka brokers ([`Kafka`]),
//! destinations that answer as they are told ([`HttpSink`], and [`Sink`] in the words of Kinesis), a strict
//! stand-in for S3 ([`S3Server`]), a line to a real peer that a test can spoil ([`Line`]), and a client that
//! can send what no SDK sends ([`RawClient`]).
//!
//! `cargo xtask test` builds the program and the components before it runs the tests, and installs
//! the Python packages. Everything listens on free ports of the loopback interface, and ends with the
//! value that started it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod certificates;
mod client;
mod emulator;
mod host;
mod http_sink;
mod influxdb;
mod kafka;
mod line;
mod mosquitto;
mod nats;
mod s3;
mod sink;
mod wait;

use std::path::PathBuf;
use std::process::Command;

pub use certificates::Certificates;
pub use client::RawClient;
pub use emulator::Emulator;
pub use host::{Host, kinesis_config};
pub use http_sink::{HttpAnswer, HttpRequest, HttpSink, Reserved};
pub use influxdb::Influxdb;
pub use kafka::{Kafka, KafkaRecord};
pub use line::{Line, Quality};
pub use mosquitto::{Arrived, Mosquitto, Subscriber};
pub use nats::{Nats, NatsMessage};
pub use s3::{ACCESS_KEY, BUCKET, S3Call, S3Fault, S3Object, S3Server};
pub use sink::{Answer, PutRecords, Sink};
pub use wait::{eventually, eventually_within};

/// The folder that cargo builds into.
pub fn target() -> PathBuf {
    match std::env::var_os("MILLSTREAM_TARGET") {
        Some(folder) => folder.into(),
        None => repository().join("target"),
    }
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap().to_owned()
}

/// The program under test.
pub fn millstream() -> Command {
    Command::new(existing(target().join("release/millstream")))
}

/// The folder of the built components.
pub fn plugins() -> PathBuf {
    existing(target().join("plugins"))
}

/// A component that attacks the sandbox; it is in no folder of plugins.
pub fn hostile(name: &str) -> PathBuf {
    existing(target().join("hostile").join(format!("{name}.wasm")))
}

/// The folder of the components in other languages than Rust.
pub fn components() -> PathBuf {
    existing(target().join("components"))
}

/// An interpreter with the official SDK.
pub fn python() -> Command {
    python_of("venv")
}

/// The interpreter of a virtual environment in the target folder.
pub fn python_of(environment: &str) -> Command {
    Command::new(existing(target().join(environment).join("bin/python")))
}

/// Node.js, which finds the official SDK.
pub fn node() -> Command {
    let mut node = Command::new("node");
    node.env("NODE_PATH", existing(target().join("node/node_modules")));
    node
}

/// Runs a script of `tests/python` and returns what it printed; it fails the test if it fails.
pub fn run_script(name: &str, args: &[&str]) -> String {
    let script = repository().join("tests/python").join(name);
    let output = python().arg(script).args(args).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{name} failed:\n{printed}\n{complaint}"
    );
    printed
}

/// A server of a Debian package, wherever it lies.
fn server(program: &str) -> Command {
    let system = PathBuf::from("/usr/sbin").join(program);
    match system.is_file() {
        true => Command::new(system),
        false => Command::new(program),
    }
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(
        path.exists(),
        "{} is not there; run `cargo xtask test`",
        path.display()
    );
    path
}
