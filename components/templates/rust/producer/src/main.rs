//! Appends a reading to a stream, again and again: `{{name}} [STREAM [MILLISECONDS]]`.

mod reading;

use std::process::ExitCode;
use std::time::Duration;

wit_bindgen::generate!({ path: "wit", world: "producer-plugin" });

use millstream::plugin::streams::{StreamError, append};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let stream = args.next().unwrap_or_else(|| "readings".into());
    let pause = args.next().map_or(Ok(1000), |pause| pause.parse());
    let Ok(pause) = pause.map(Duration::from_millis) else {
        eprintln!("The second argument is the pause between two readings, in milliseconds.");
        return ExitCode::FAILURE;
    };
    for number in 0.. {
        // While the stream is full, the same reading waits.
        loop {
            match append(&stream, &[reading::reading(number)]) {
                Ok(_) => break,
                Err(StreamError::Full) => std::thread::sleep(pause),
                // The host shuts down.
                Err(StreamError::Unavailable(_)) => return ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("The stream {stream}: {error:?}.");
                    return ExitCode::FAILURE;
                }
            }
        }
        std::thread::sleep(pause);
    }
    ExitCode::SUCCESS
}
