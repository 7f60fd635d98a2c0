//! Appends a reading to a stream, again and again: `--stream NAME [--interval-ms N]`.

mod arguments;
mod reading;

use std::process::ExitCode;
use std::time::SystemTime;

use arguments::Arguments;

wit_bindgen::generate!({ path: "wit", world: "producer-plugin" });

use millstream::plugin::streams::{StreamError, append};

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)).and_then(|arguments| produce(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        // A failure: the host starts the producer again, as its configuration says.
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// Until the host shuts down. An error is a sentence for the operator.
fn produce(Arguments { stream, interval }: &Arguments) -> Result<(), String> {
    for number in 0.. {
        let reading = reading::reading(number, SystemTime::now());
        // While the stream is full, the same reading waits.
        loop {
            match append(stream, std::slice::from_ref(&reading)) {
                Ok(_) => break,
                Err(StreamError::Full) => std::thread::sleep(*interval),
                Err(StreamError::Unavailable(_)) => return Ok(()),
                Err(error) => return Err(format!("The stream {stream}: {error:?}.")),
            }
        }
        std::thread::sleep(*interval);
    }
    Ok(())
}
