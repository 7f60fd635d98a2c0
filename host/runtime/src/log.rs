//! What components say, as lines in the host's log.
//!
//! A component can neither flood the log nor forge lines in it: lines are cut, control characters
//! are replaced, and beyond a rate they are dropped and counted.
//!
//! What the host itself says of a component, because it denied it something, has room of its own: a
//! flood does not hide it. A component that tries the same thing again and again is named for it once a
//! minute.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tracing::Level;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// The longest line, in bytes; the rest is cut (`wit/log.wit`).
const MAX_LINE: usize = 8 << 10;
/// Lines a second; those beyond are dropped and counted (`wit/log.wit`).
const MAX_LINES: u32 = 100;
const WINDOW: Duration = Duration::from_secs(1);
/// Different refusals a minute; further ones, and repeats, are counted.
const MAX_REFUSALS: usize = 100;
const REFUSALS_WINDOW: Duration = Duration::from_secs(60);

/// The log of one instance.
pub(crate) struct PluginLog {
    label: String,
    window: Mutex<Window>,
    refusals: Mutex<Refusals>,
}

impl PluginLog {
    pub(crate) fn new(label: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            label: label.into(),
            window: Mutex::new(Window::new(Instant::now())),
            refusals: Mutex::new(Refusals::new(Instant::now())),
        })
    }

    /// The name under which the lines appear.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Says, as a warning, what the component was denied, in one sentence.
    pub(crate) fn refuse(&self, sentence: &str) {
        let sentence = clean(sentence, MAX_LINE);
        let admission = self
            .refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .admit(&sentence, Instant::now());
        if let Admission::Write { dropped } = admission {
            self.report_refusals(dropped);
            self.emit(Level::WARN, &sentence);
        }
    }

    /// Writes one line of the component, within the limits above.
    pub(crate) fn write(&self, level: Level, line: &str) {
        self.write_beginning(level, line, 0);
    }

    /// Writes a line of which so many bytes more were not even taken.
    fn write_beginning(&self, level: Level, line: &str, left_out: u64) {
        let admission = self
            .window
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .admit(Instant::now());
        if let Admission::Write { dropped } = admission {
            self.report(dropped);
            self.emit(level, &within_limit(line, left_out));
        }
    }

    fn report_refusals(&self, left_out: u64) {
        if left_out > 0 {
            self.emit(
                Level::WARN,
                &format!(
                    "{left_out} more attempts were refused: each is named once a minute, and at most \
                     {MAX_REFUSALS} different ones"
                ),
            );
        }
    }

    fn report(&self, dropped: u64) {
        if dropped > 0 {
            self.emit(
                Level::WARN,
                &format!("dropped {dropped} lines: more than {MAX_LINES} a second"),
            );
        }
    }

    fn emit(&self, level: Level, line: &str) {
        let plugin = self.label.as_str();
        match level {
            Level::ERROR => tracing::error!(target: "plugin", plugin, "{line}"),
            Level::WARN => tracing::warn!(target: "plugin", plugin, "{line}"),
            Level::INFO => tracing::info!(target: "plugin", plugin, "{line}"),
            Level::DEBUG => tracing::debug!(target: "plugin", plugin, "{line}"),
            Level::TRACE => tracing::trace!(target: "plugin", plugin, "{line}"),
        }
    }
}

impl Drop for PluginLog {
    fn drop(&mut self) {
        let dropped = self
            .window
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .dropped;
        self.report(dropped);
        let refusals = self
            .refusals
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let left_out = refusals.left_out;
        self.report_refusals(left_out);
    }
}

/// Cuts a text at `limit` bytes and replaces what could forge lines or command a terminal.
pub(crate) fn clean(text: &str, limit: usize) -> String {
    let end = (0..=limit.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or(0))
        .unwrap_or_default()
        .chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// A line as it is written: what is cut is said behind it.
fn within_limit(line: &str, left_out: u64) -> String {
    let mut shown = clean(line, MAX_LINE);
    let left_out = left_out + line.len().saturating_sub(MAX_LINE) as u64;
    if left_out > 0 {
        shown.push_str(&format!("… (cut: {left_out} bytes more)"));
    }
    shown
}

#[derive(Debug)]
struct Window {
    start: Instant,
    lines: u32,
    dropped: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Admission {
    /// Write the line, after a notice that so many were dropped before it.
    Write {
        dropped: u64,
    },
    Drop,
}

impl Window {
    fn new(start: Instant) -> Self {
        Self {
            start,
            lines: 0,
            dropped: 0,
        }
    }

    fn admit(&mut self, now: Instant) -> Admission {
        let mut dropped = 0;
        if now.saturating_duration_since(self.start) >= WINDOW {
            dropped = self.dropped;
            *self = Self::new(now);
        }
        if self.lines < MAX_LINES {
            self.lines += 1;
            Admission::Write { dropped }
        } else {
            self.dropped = self.dropped.saturating_add(1);
            Admission::Drop
        }
    }
}

/// The refusals of a minute.
#[derive(Debug)]
struct Refusals {
    start: Instant,
    sentences: BTreeSet<String>,
    left_out: u64,
}

impl Refusals {
    fn new(start: Instant) -> Self {
        Self {
            start,
            sentences: BTreeSet::new(),
            left_out: 0,
        }
    }

    fn admit(&mut self, sentence: &str, now: Instant) -> Admission {
        let mut dropped = 0;
        if now.saturating_duration_since(self.start) >= REFUSALS_WINDOW {
            dropped = self.left_out;
            *self = Self::new(now);
        }
        if self.sentences.len() < MAX_REFUSALS && self.sentences.insert(sentence.to_owned()) {
            Admission::Write { dropped }
        } else {
            self.left_out = self.left_out.saturating_add(1);
            Admission::Drop
        }
    }
}

/// A standard output or error that ends in the log, a line at a time.
#[derive(Clone)]
pub(crate) struct LogOutput {
    lines: Arc<Mutex<Lines>>,
}

struct Lines {
    log: Arc<PluginLog>,
    level: Level,
    partial: Vec<u8>,
    /// Bytes of the line that had no room.
    left_out: u64,
}

impl LogOutput {
    pub(crate) fn new(log: Arc<PluginLog>, level: Level) -> Self {
        Self {
            lines: Arc::new(Mutex::new(Lines {
                log,
                level,
                partial: Vec::new(),
                left_out: 0,
            })),
        }
    }

    fn accept(&self, bytes: &[u8]) {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .accept(bytes);
    }
}

impl Lines {
    fn accept(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, ends) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = MAX_LINE.saturating_sub(self.partial.len());
            self.partial.extend(text.iter().take(room));
            self.left_out += text.len().saturating_sub(room) as u64;
            if ends {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.partial);
        let left_out = std::mem::take(&mut self.left_out);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if !line.is_empty() {
            let line = String::from_utf8_lossy(line);
            self.log.write_beginning(self.level, &line, left_out);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end_line();
    }
}

impl IsTerminal for LogOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogOutput {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl OutputStream for LogOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.accept(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_LINE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogOutput {
    async fn ready(&mut self) {}
}

impl AsyncWrite for LogOutput {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.accept(bytes);
        std::task::Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_room_for_a_hundred_lines_and_the_next_one_says_how_many_were_dropped() {
        let start = Instant::now();
        let mut window = Window::new(start);
        for _ in 0..MAX_LINES {
            assert_eq!(window.admit(start), Admission::Write { dropped: 0 });
        }
        for _ in 0..7 {
            assert_eq!(window.admit(start), Admission::Drop);
        }
        let later = start + WINDOW;
        assert_eq!(window.admit(later), Admission::Write { dropped: 7 });
        assert_eq!(window.admit(later), Admission::Write { dropped: 0 });
    }

    #[test]
    fn a_refusal_is_said_once_a_minute_and_a_hundred_different_ones() {
        let start = Instant::now();
        let mut refusals = Refusals::new(start);
        let written = Admission::Write { dropped: 0 };
        assert_eq!(refusals.admit("0", start), written);
        assert_eq!(refusals.admit("0", start), Admission::Drop);
        for other in 1..MAX_REFUSALS {
            assert_eq!(refusals.admit(&other.to_string(), start), written);
        }
        assert_eq!(refusals.admit("one more", start), Admission::Drop);
        let later = start + REFUSALS_WINDOW;
        assert_eq!(refusals.admit("0", later), Admission::Write { dropped: 2 });
        assert_eq!(refusals.admit("1", later), written);
    }

    #[test]
    fn control_characters_cannot_forge_a_line_or_command_a_terminal() {
        assert_eq!(
            clean("a\nERROR b\u{1b}[2J\tc", 100),
            "a\u{fffd}ERROR b\u{fffd}[2J c"
        );
    }

    #[test]
    fn a_long_line_is_cut_at_the_start_of_a_character() {
        assert_eq!(clean("aé", 2), "a");
        assert_eq!(clean(&"x".repeat(20), 8).len(), 8);
    }

    #[test]
    fn output_becomes_lines_however_it_is_cut() {
        let mut lines = Lines {
            log: PluginLog::new("t"),
            level: Level::INFO,
            partial: Vec::new(),
            left_out: 0,
        };
        lines.accept(b"one\ntw");
        assert_eq!(lines.partial, b"tw");
        lines.accept(b"o\n");
        assert!(lines.partial.is_empty());
        lines.accept(&vec![b'x'; 3 * MAX_LINE]);
        assert_eq!(lines.partial.len(), MAX_LINE);
        assert_eq!(lines.left_out, 2 * MAX_LINE as u64);
        lines.accept(b"\n");
        assert_eq!(lines.left_out, 0);
    }

    #[test]
    fn what_is_cut_of_a_line_is_said_behind_it() {
        assert_eq!(within_limit("a line", 0), "a line");
        let cut = within_limit(&"x".repeat(MAX_LINE + 5), 7);
        assert!(cut.ends_with("x… (cut: 12 bytes more)"), "{cut}");
    }
}
