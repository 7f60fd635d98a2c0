//! What surrounds the host's own process.

use std::io::Read;

use wasip2::cli::environment::{get_arguments, get_environment, initial_cwd};
use wasip2::filesystem::preopens::get_directories;

use crate::attempts::report;

pub(crate) fn attempt() {
    report("environment", &found(get_environment()));
    report("arguments", &found(get_arguments()));
    report("working folder", &initial_cwd().ok_or("nothing"));
    report("folders", &found(get_directories()));
    let mut input = Vec::new();
    let read = std::io::stdin().read_to_end(&mut input);
    report("standard input", &found(input));
    report("end of the input", &read.err().ok_or("ended"));
    report(
        "root",
        &std::fs::read_dir("/").map_err(|error| error.kind()),
    );
}

fn found<T>(things: Vec<T>) -> Result<(), &'static str> {
    match things.is_empty() {
        true => Err("nothing"),
        false => Ok(()),
    }
}
