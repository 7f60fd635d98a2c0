//! Bytes of a file as lines.

use millstream_plugin::log;

/// Cuts bytes into lines, without their ends. Empty lines are left out, since a message has at least one
/// byte, and so are those that are too long.
#[derive(Debug)]
pub(crate) struct Lines {
    /// In bytes.
    longest: usize,
    /// A line whose end has not come yet.
    partial: Vec<u8>,
    /// Bytes that were read of it.
    partial_bytes: u64,
}

impl Lines {
    pub(crate) fn new(longest: usize) -> Self {
        Self {
            longest,
            partial: Vec::new(),
            partial_bytes: 0,
        }
    }

    /// The whole lines in what was read.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial_bytes += part.len() as u64;
            match part.strip_suffix(b"\n") {
                Some(end) => {
                    self.keep(end);
                    lines.extend(self.finish());
                }
                None => self.keep(part),
            }
        }
        lines
    }

    /// What stands behind the last end of a line, as a line.
    pub(crate) fn finish(&mut self) -> Option<Vec<u8>> {
        self.partial_bytes = 0;
        let mut line = std::mem::take(&mut self.partial);
        if line.len() > self.longest {
            let longest = self.longest;
            log::warn(&format!("left out a line of more than {longest} bytes"));
            return None;
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        (!line.is_empty()).then_some(line)
    }

    /// Bytes that were read behind the last end of a line.
    pub(crate) fn partial_bytes(&self) -> u64 {
        self.partial_bytes
    }

    /// One byte more than the longest is enough to know that a line is too long.
    fn keep(&mut self, bytes: &[u8]) {
        let room = (self.longest + 1).saturating_sub(self.partial.len());
        self.partial.extend(bytes.iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(lines: &mut Lines, text: &str) -> Vec<String> {
        let taken = lines.take(text.as_bytes()).into_iter();
        taken.map(|line| String::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn lines_are_whole_however_the_bytes_come() {
        let mut lines = Lines::new(100);
        assert_eq!(take(&mut lines, "one\r\n\ntw"), ["one"]);
        assert_eq!(lines.partial_bytes(), 2);
        assert_eq!(take(&mut lines, "o\n"), ["two"]);
        assert_eq!(lines.partial_bytes(), 0);
        assert!(take(&mut lines, "rest").is_empty());
        assert_eq!(lines.finish(), Some(b"rest".to_vec()));
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out_and_takes_no_memory() {
        let mut lines = Lines::new(5);
        assert!(take(&mut lines, "123456").is_empty());
        assert!(take(&mut lines, &"7".repeat(10_000)).is_empty());
        assert!(lines.partial.len() <= 6);
        assert_eq!(lines.partial_bytes(), 10_006);
        assert_eq!(take(&mut lines, "8\n12345\n"), ["12345"]);
    }
}
