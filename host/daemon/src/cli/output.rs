//! The only place that prints.

use std::io::Write;

/// Prints a line on standard output.
pub(super) fn line(text: impl AsRef<str>) {
    end_without_reader(writeln!(std::io::stdout(), "{}", text.as_ref()));
}

/// Prints a question; the answer is written behind it.
pub(super) fn question(text: &str) {
    let mut stdout = std::io::stdout();
    end_without_reader(write!(stdout, "{text}").and_then(|()| stdout.flush()));
}

/// Prints bytes on standard output.
pub(super) fn bytes(bytes: &[u8]) {
    end_without_reader(std::io::stdout().write_all(bytes));
}

/// A reader that has gone away has what it wanted (`| head` is usual), and there is nobody left to
/// work for.
fn end_without_reader(written: std::io::Result<()>) {
    if written.is_err() {
        std::process::exit(0);
    }
}

/// Prints JSON for machines.
pub(super) fn json(value: &serde_json::Value) {
    line(value.to_string());
}

/// Prints why the program ends in failure.
pub(super) fn complain(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "millstream: {sentence}");
}

/// The beginning of a text from outside, in a line: what a terminal might obey is replaced.
pub(super) fn beginning(text: &str, characters: usize) -> String {
    let mut rest = text.chars();
    let shown = rest.by_ref().take(characters);
    let mut shown: String = shown
        .map(|one| if one.is_control() { '\u{fffd}' } else { one })
        .collect();
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
}

/// A moment, given in milliseconds since the epoch, as people read it.
pub(super) fn moment(millis: u64) -> String {
    // What lies behind the year 9999 has no such form.
    const LAST: u64 = 253_402_300_799_999;
    let since = std::time::Duration::from_millis(millis.min(LAST));
    match std::time::UNIX_EPOCH.checked_add(since) {
        Some(moment) => humantime::format_rfc3339_seconds(moment).to_string(),
        None => millis.to_string(),
    }
}

/// A number of bytes as people read it.
pub(super) fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).to_string()
}
