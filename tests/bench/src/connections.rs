//! Connections that mostly wait: long polls, and clients that say nothing.

use std::sync::mpsc;
use std::time::Instant;

use bytes::Bytes;
use millstream_protocol::request::ReadMessagesOptions;
use millstream_protocol::{Bounded, Call};

use crate::host::{Host, Setup};
use crate::protocol::Client;
use crate::report::{Budget, median, value};

/// Connections that are open and silent.
const IDLE: usize = 1000;
const IDLE_NAME: &str = "1000 idle connections";
const LONG_POLL: &str = "a long poll, after the append that satisfies it";
/// How long a poll may wait; it never does.
const POLL_MILLIS: u64 = 30_000;

pub(crate) fn run(setup: &Setup, quick: bool) {
    if setup.measures(LONG_POLL) {
        long_poll(setup, if quick { 500 } else { 5_000 });
    }
    if setup.measures(IDLE_NAME) {
        idle(setup);
    }
}

/// From sending an append until another connection has the answer to the read that waited for it.
fn long_poll(setup: &Setup, rounds: u64) {
    let host = Host::start(setup, "");
    let mut client = Client::connect(host.port);
    client.create("polled", false);
    let port = host.port;
    let (ready, is_ready) = mpsc::channel();
    let (answered, answers) = mpsc::channel();
    let poller = std::thread::spawn(move || {
        let mut poller = Client::connect(port);
        for number in 0..rounds {
            poller.send(Call::Read {
                name: "polled".parse().unwrap(),
                options: ReadMessagesOptions {
                    desired_start_sequence_number: Bounded::clamped(number),
                    read_timeout_millis: Bounded::clamped(POLL_MILLIS),
                    ..ReadMessagesOptions::default()
                },
            });
            ready.send(()).unwrap();
            poller.response().outcome.unwrap();
            answered.send(Instant::now()).unwrap();
        }
    });
    let mut times = Vec::new();
    for _ in 0..rounds {
        is_ready.recv().unwrap();
        // Gives the host the time to take the read.
        client.call(Call::List);
        let sent = Instant::now();
        client.call(Call::Append {
            name: "polled".parse().unwrap(),
            payload: Bytes::from_static(b"x"),
        });
        let answered: Instant = answers.recv().unwrap();
        times.push(answered.duration_since(sent).as_secs_f64() * 1000.0);
    }
    poller.join().unwrap();
    value(LONG_POLL, "ms", median(times), Budget::AtMost(2.0));
}

/// Resident memory for connections that have shaken hands and say nothing.
fn idle(setup: &Setup) {
    let host = Host::start(setup, "");
    let first = Client::connect(host.port);
    let before = host.memory("VmRSS");
    let others: Vec<_> = (0..IDLE).map(|_| Client::connect(host.port)).collect();
    let cost = host.memory("VmRSS") - before;
    drop((first, others));
    value(IDLE_NAME, "MiB", cost, Budget::AtMost(20.0));
}
