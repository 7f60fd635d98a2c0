//! Appends that wait for the disk, by one client and by many.
//!
//! What is measured is whether many share a sync. A disk that syncs in a fraction of a millisecond, as
//! those of servers do, leaves little to share, and the processor is the limit; so the same is measured
//! with syncs that take 2 ms longer, as on the cards that small devices have.

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;

use crate::host::{Host, Setup};
use crate::nats::Nats;
use crate::protocol::{CLIENTS, Client, many_clients, one_at_a_time};
use crate::report::{Budget, median, ratio, skipped};

const STREAM: &str = "flushed";
const NAME: &str = "append with flushOnWrite, 64 clients";
const SLOW_NAME: &str = "append with flushOnWrite, 64 clients, a sync of 2 ms";

pub(crate) fn run(setup: &Setup, quick: bool, payload: &Bytes) {
    // This name contains the other one.
    if !setup.measures(SLOW_NAME) {
        return;
    }
    let (rounds, each) = if quick { (3, 50) } else { (5, 200) };
    let host = Host::start(setup, "");
    let (alone, together) = measure(&host, rounds, each, payload);
    ratio(
        NAME,
        "messages/s",
        together,
        "one client",
        alone,
        Budget::AtLeast(20.0),
    );
    drop(host);

    let folder = tempfile::TempDir::new().unwrap();
    match slow_sync(folder.path()) {
        Some(library) => {
            let preload = [("LD_PRELOAD", library.as_os_str())];
            let host = Host::start_with(setup, "", &preload);
            let (alone, together) = measure(&host, rounds, each, payload);
            let budget = Budget::AtLeast(20.0);
            ratio(
                SLOW_NAME,
                "messages/s",
                together,
                "one client",
                alone,
                budget,
            );
        }
        None => skipped(SLOW_NAME, "there is no C compiler (cc)"),
    }

    let Some(nats) = Nats::start() else {
        return skipped(
            NAME,
            "nats-server is not installed (Debian package nats-server)",
        );
    };
    let theirs = (0..rounds).map(|_| nats.many_clients(CLIENTS, each, payload));
    let theirs = median(theirs.collect());
    let against = "NATS JetStream, which does not sync";
    ratio(NAME, "messages/s", together, against, theirs, Budget::None);
}

/// Messages a second of one client, and of all.
fn measure(host: &Host, rounds: usize, each: usize, payload: &Bytes) -> (f64, f64) {
    let mut client = Client::connect(host.port);
    client.create(STREAM, true);
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(one_at_a_time(&mut client, STREAM, each * 4, payload));
        together.push(many_clients(host.port, STREAM, each, payload));
    }
    (median(alone), median(together))
}

/// Compiles the library that makes syncs slow.
fn slow_sync(folder: &Path) -> Option<PathBuf> {
    let (source, library) = (folder.join("slow_sync.c"), folder.join("slow_sync.so"));
    std::fs::write(&source, include_str!("slow_sync.c")).unwrap();
    let compiled = Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    compiled
        .is_ok_and(|status| status.success())
        .then_some(library)
}
