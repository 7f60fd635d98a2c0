//! A producer of the lines that are written to a file, as `tail -F` shows them: it goes on when the file
//! is rotated or cut, and remembers its place if it is given a file for that. See `README.md`.

mod file;
mod follower;
mod lines;
mod place;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use millstream_plugin::producer::{self, Arguments, End};

use follower::{Follower, Start};
use place::Place;

const KNOWN: [&str; 6] = [
    "--stream",
    "--file",
    "--interval",
    "--start",
    "--place",
    "--longest-line",
];

fn main() -> ExitCode {
    producer::main(&KNOWN, run)
}

fn run(arguments: &Arguments) -> Result<(), End> {
    let stream = arguments.required("--stream")?;
    let path = Path::new(arguments.required("--file")?);
    let interval = arguments.time("--interval", Duration::from_secs(1))?;
    let longest = arguments.number("--longest-line", 1 << 20, 1..=16 << 20)?;
    let start = match arguments.text("--start")?.unwrap_or("end") {
        "end" => Start::End,
        "beginning" => Start::Beginning,
        other => {
            return Err(End::Wrong(format!(
                "`--start {other}` is neither `beginning` nor `end`."
            )));
        }
    };
    let place = Place::new(arguments.text("--place")?.map(Path::new));
    let remembered = place.load().map_err(End::Failed)?;
    let longest = usize::try_from(longest).unwrap_or(usize::MAX);
    let mut follower = Follower::new(path, start, remembered, longest);
    loop {
        while let Some(batch) = follower.next().map_err(End::Failed)? {
            if !batch.lines.is_empty() {
                producer::append(stream, &batch.lines)?;
            }
            // Only now: after a crash lines come twice rather than never.
            place.save(&batch.mark).map_err(End::Failed)?;
        }
        producer::pause(interval)?;
    }
}
