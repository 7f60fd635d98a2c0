//! A limit for work that may not come to its end.

use std::io::{Write, stderr};
use std::panic::catch_unwind;
use std::process;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::properties::Check;

/// Much longer than any machine takes for one input: a few milliseconds for the largest.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs checks, and ends the tests if one of them goes on for ever.
pub(crate) struct Watchdog {
    inputs: Sender<(&'static str, Vec<u8>)>,
}

impl Watchdog {
    pub(crate) fn new() -> Self {
        let (inputs, watched) = channel::<(&'static str, Vec<u8>)>();
        thread::spawn(move || {
            let mut last = None;
            loop {
                match watched.recv_timeout(PATIENCE) {
                    Ok(input) => last = Some(input),
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        let (name, input) = last.unwrap_or_default();
                        let _ = writeln!(stderr(), "no end in sight: {name} {}", hex(&input));
                        process::abort();
                    }
                }
            }
        });
        Self { inputs }
    }

    /// Runs a check, and names the input on which it fails.
    pub(crate) fn run(&self, name: &'static str, check: Check, input: &[u8]) {
        self.inputs.send((name, input.to_vec())).unwrap();
        if catch_unwind(|| check(input)).is_err() {
            panic!("{name} failed on {}", hex(input));
        }
    }
}

/// The beginning of an input: enough of it to tell what it is, all of it if it is not large.
fn hex(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(2048);
    let digits: String = shown.map(|byte| format!("{byte:02x}")).collect();
    format!("{digits}, {} bytes", bytes.len())
}
