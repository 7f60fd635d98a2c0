//! Numbers and texts as people read them.

use std::time::Duration;

use bytesize::ByteSize;

/// A number of bytes.
pub(crate) fn size(bytes: u64) -> String {
    ByteSize(bytes).to_string()
}

/// A time, in milliseconds below a second.
pub(crate) fn time(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1000.0;
    match milliseconds {
        0.0..10.0 => format!("{milliseconds:.2} ms"),
        10.0..1000.0 => format!("{milliseconds:.0} ms"),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

/// A number with the noun that it counts.
pub(crate) fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// The beginning of what a component said, without its last full stop, so that it fits into a sentence.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 200;
    let text = text.trim().trim_end_matches('.');
    let mut shown: String = text
        .chars()
        .take(LONGEST)
        .map(|one| if one.is_control() { '\u{fffd}' } else { one })
        .collect();
    if text.chars().count() > LONGEST {
        shown.push('…');
    }
    format!("\"{shown}\"")
}
