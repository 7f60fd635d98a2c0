//! Debian packages: the servers that destinations are tested against, and compilers.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

use crate::process::{run, step};

/// A package, and the program in it that tests start.
const PEERS: [(&str, &str); 3] = [
    ("nats-server", "nats-server"),
    ("mosquitto", "mosquitto"),
    ("influxdb", "influxd"),
];

/// A package, and a file in it, for components in C. Go's projects are built by `make` too.
const COMPILERS: [(&str, &str); 5] = [
    ("make", "make"),
    ("clang", "clang"),
    ("lld", "wasm-ld"),
    ("wasi-libc", "/usr/lib/wasm32-wasi/libc.a"),
    (
        "libclang-rt-dev-wasm32",
        "/usr/share/doc/libclang-rt-dev-wasm32/copyright",
    ),
];

/// Servers lie here, and not every user's `PATH` says so.
const SYSTEM_FOLDER: &str = "/usr/sbin";

/// What Debian asks before it starts the service of a package (policy-rc.d, in the Debian policy).
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// The answer "no".
const FORBID: &[u8] = b"#!/bin/sh\nexit 101\n";

/// Installs the servers of which a program is not there. No service is left running: tests start their own,
/// on free ports and in folders of their own.
///
/// # Errors
///
/// A sentence with the command to run, where only another user may install packages.
pub(crate) fn install() -> Result<()> {
    packages("the tests of destinations need the programs", &PEERS)
}

/// Installs what makes components of C, likewise.
pub(crate) fn install_compilers() -> Result<()> {
    packages("components in C and Go need the tools", &COMPILERS)
}

fn packages(why: &str, packages: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<_> = packages
        .iter()
        .filter(|(_, file)| !is_there(file))
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !geteuid().is_root() || !is_there("apt-get") {
        bail!(
            "{why} of the Debian packages {names}; as root: apt-get update && apt-get install \
             --no-install-recommends {names}"
        );
    }
    step(format!("installing {names}"));
    let _policy = Policy::forbid()?;
    let apt = |args: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("RUNLEVEL", "1");
        run(&mut apt)
    };
    apt(&["update", "-q"])?;
    let install = ["install", "-q", "-y", "--no-install-recommends"];
    apt(&[&install[..], &missing].concat())
}

/// Whether a program is in the `PATH`; or a file, if that is the whole path of one.
fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([SYSTEM_FOLDER.into()])
        .any(|folder| folder.join(OsStr::new(program)).is_file())
}

/// Keeps packages from starting their services, as long as the value lives. Where the system has such a
/// rule already, that one holds.
struct Policy {
    ours: bool,
}

impl Policy {
    fn forbid() -> Result<Self> {
        let ours = !Path::new(POLICY).exists();
        if ours {
            std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o755)
                .open(POLICY)
                .and_then(|mut file| file.write_all(FORBID))
                .with_context(|| format!("cannot write {POLICY}"))?;
        }
        Ok(Self { ours })
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if self.ours {
            let _ = std::fs::remove_file(POLICY);
        }
    }
}
