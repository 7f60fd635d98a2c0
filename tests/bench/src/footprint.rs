//! Memory, start and size.

use bytes::Bytes;
use millstream_protocol::Call;

use crate::export::{config, exported, wait};
use crate::host::{Host, Setup};
use crate::protocol::{Client, pipelined};
use crate::report::{Budget, median, value};
use crate::sink::Sink;

const IDLE: &str = "resident, idle with four exporters";
const LOADED: &str = "resident at most, under load";
const START: &str = "start to serving, a million messages";
const START_AFTER_KILL: &str = "start to serving, a million messages, after kill -9";
const SIZE: &str = "the program on disk";

pub(crate) fn run(setup: &Setup, quick: bool) {
    if setup.measures(IDLE) || setup.measures(LOADED) {
        memory(setup, quick);
    }
    if setup.measures(START) || setup.measures(START_AFTER_KILL) {
        start(setup, quick);
    }
    if setup.measures(SIZE) {
        let size = std::fs::metadata(&setup.millstream).unwrap().len() as f64 / f64::from(1 << 20);
        value(SIZE, "MiB", size, Budget::AtMost(20.0));
    }
}

/// Resident memory with four exporters, idle and under load. The components come from the cache, so
/// that nothing of their compilation is counted: that happens in another process.
fn memory(setup: &Setup, quick: bool) {
    let sink = Sink::start();
    let mut host = Host::start(setup, &config(&sink));
    let payload = Bytes::from(vec![b'x'; 256]);
    let mut client = Client::connect(host.port);
    for stream in ["a", "b", "c", "d"] {
        client.call(Call::Create(Box::new(exported(stream, 1))));
        pipelined(host.port, stream, 128, &payload);
    }
    wait(|| sink.calls() >= 4);
    host.stop();
    host.start_again();
    let before = sink.calls();
    for stream in ["a", "b", "c", "d"] {
        pipelined(host.port, stream, 128, &payload);
    }
    wait(|| sink.calls() >= before + 4);
    value(IDLE, "MiB", host.memory("VmRSS"), Budget::AtMost(20.0));
    let messages = if quick { 200_000 } else { 1_000_000 };
    for stream in ["a", "b", "c", "d"] {
        pipelined(host.port, stream, messages / 4, &payload);
    }
    value(LOADED, "MiB", host.memory("VmHWM"), Budget::AtMost(64.0));
}

/// From the start of the process until it serves, with a million messages stored.
fn start(setup: &Setup, quick: bool) {
    let mut host = Host::start(setup, "");
    let payload = Bytes::from(vec![b'x'; 256]);
    let mut client = Client::connect(host.port);
    let mut definition = exported("s", 0);
    definition.max_size = (1_u64 << 40).try_into().unwrap();
    client.call(Call::Create(Box::new(definition)));
    pipelined(host.port, "s", 1_000_000, &payload);
    let rounds = if quick { 3 } else { 7 };
    let mut stopped = Vec::new();
    let mut killed = Vec::new();
    for _ in 0..rounds {
        host.stop();
        host.start_again();
        stopped.push(host.start_time.as_secs_f64() * 1000.0);
        pipelined(host.port, "s", 100_000, &payload);
        host.kill();
        host.start_again();
        killed.push(host.start_time.as_secs_f64() * 1000.0);
    }
    value(START, "ms", median(stopped), Budget::AtMost(300.0));
    value(
        START_AFTER_KILL,
        "ms",
        median(killed),
        Budget::AtMost(1000.0),
    );
}
