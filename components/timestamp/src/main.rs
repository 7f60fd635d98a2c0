//! A producer that appends the time, again and again: the smallest one that is whole, and a source of
//! messages for trying out a host.
//!
//! `--stream readings --interval 100ms` appends a message such as
//! `{"n":0,"time":"2026-01-31T12:00:00.000Z"}` every 100 ms; see [`options`] for the rest. It waits
//! while the stream is full, ends well when the host shuts down, and fails with a sentence on the
//! standard error when the stream is not granted or not there. Wrong arguments are exit code 2,
//! a failure is 1 (WASI 0.2 has only success and failure: a host sees 1 for both).

mod clock;
mod options;
mod series;

use std::io::Write as _;
use std::process::ExitCode;

use millstream_plugin::{log, streams};

use clock::SystemClock;
use options::Options;
use series::{End, Series};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => return fail(2, &message),
    };
    let append = |payloads: &[Vec<u8>]| streams::append(&options.stream, payloads);
    match Series::new(&options).run(append, &mut SystemClock::new()) {
        End::Complete => ExitCode::SUCCESS,
        End::HostStops(reason) => {
            log::info(&format!("ending: {reason}"));
            ExitCode::SUCCESS
        }
        End::Failed(reason) => fail(1, &format!("Stream `{}`: {reason}", options.stream)),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    // Where the standard error is closed nobody can be told.
    let _ = writeln!(std::io::stderr(), "{message}");
    ExitCode::from(code)
}
