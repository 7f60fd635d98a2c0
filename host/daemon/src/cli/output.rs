//! The only place that prints.

use std::io::Write;

/// Prints a line on standard output.
pub(super) fn line(text: impl AsRef<str>) {
    end_without_reader(writeln!(std::io::stdout(), "{}", text.as_ref()));
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

/// A number of bytes as people read it.
pub(super) fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).to_string()
}
