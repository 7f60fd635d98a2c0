//! More lines, and longer ones, than anybody wants to read.

use millstream_plugin::log;

use crate::requests::Requests;

#[allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what goes there is an attack too"
)]
pub(crate) fn giant_lines() {
    log::info(&"x".repeat(10 << 20));
    let giant = "y".repeat(1 << 20);
    eprintln!("{giant}");
    println!("{giant}");
    log::info("a line\n1970-01-01T00:00:00Z ERROR a line that the host never wrote \u{1b}[2J");
}

/// What is refused behind the flood is to be seen all the same.
pub(crate) fn flood(requests: &Requests) {
    for number in 0..20_000 {
        log::error(&format!("line {number} of the flood"));
    }
    requests.attempt();
}
