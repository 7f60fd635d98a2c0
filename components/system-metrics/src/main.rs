//! A producer of what Linux says of the device: load, memory, processor time and uptime, as one line of
//! JSON at an interval. See `README.md`.

mod proc;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use millstream_plugin::producer::{self, Arguments, End};

use proc::{CpuTime, Reading};

const KNOWN: [&str; 3] = ["--stream", "--interval", "--proc"];

fn main() -> ExitCode {
    producer::main(&KNOWN, run)
}

fn run(arguments: &Arguments) -> Result<(), End> {
    let stream = arguments.required("--stream")?;
    let interval = arguments.time("--interval", Duration::from_secs(10))?;
    let proc = Path::new(arguments.text("--proc")?.unwrap_or("/proc"));
    let mut before: Option<CpuTime> = None;
    loop {
        let time = Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH);
        let (reading, cpu) =
            Reading::take(proc, format!("{time:.3}"), before).map_err(End::Failed)?;
        let line = serde_json::to_vec(&reading).map_err(|error| End::Failed(error.to_string()))?;
        producer::append(stream, &[line])?;
        before = Some(cpu);
        producer::pause(interval)?;
    }
}
