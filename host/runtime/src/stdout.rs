//! A producer's standard output as messages: a line each.
//!
//! The guest writes into a small pipe; the other end is read here, cut into lines and appended. While
//! an append is pending nobody reads, the pipe fills, and the guest's write waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;
use tracing::Level;

use crate::log::PluginLog;
use crate::streams::{StreamAccess, StreamError};

/// Bytes in the pipe between the guest and this module.
pub(crate) const PIPE: usize = 64 << 10;
/// The first pause before an append to a full stream is tried again; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// The way of lines into a stream.
pub(crate) struct LinePump {
    pub(crate) streams: Arc<dyn StreamAccess>,
    pub(crate) stream: String,
    /// The longest line in bytes; a longer one is left out, since a part of it would be a wrong message.
    pub(crate) longest_line: usize,
    pub(crate) log: Arc<PluginLog>,
    /// Becomes true when the producer is asked to end; then a full stream is not waited for.
    pub(crate) stop: watch::Receiver<bool>,
}

impl LinePump {
    /// Appends lines until the guest's end of the pipe is closed. A last line without an end counts
    /// too, unless the guest was `cut` off in the middle of it.
    pub(crate) async fn run(
        mut self,
        mut pipe: impl AsyncRead + Unpin,
        cut: &AtomicBool,
    ) -> Result<(), StreamError> {
        let mut lines = LineSplitter::new(self.longest_line);
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(PIPE);
            // A pipe within this process fails only by being closed.
            let ended = pipe.read_buf(&mut buffer).await.unwrap_or(0) == 0;
            let payloads = match ended {
                false => lines.split(&mut buffer),
                true if cut.load(Ordering::Relaxed) => Vec::new(),
                true => lines.finish(),
            };
            if lines.take_too_long() > 0 {
                let longest = self.longest_line;
                let line = format!("left out a line of more than {longest} bytes");
                self.log.write(Level::WARN, &line);
            }
            if !payloads.is_empty() {
                self.append(payloads).await?;
            }
            if ended {
                return Ok(());
            }
        }
    }

    async fn append(&mut self, payloads: Vec<Bytes>) -> Result<(), StreamError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.streams.append(&self.stream, payloads.clone()).await {
                Ok(_) => return Ok(()),
                Err(error @ (StreamError::Full | StreamError::Unavailable(_))) => {
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = self.stop.wait_for(|stopped| *stopped) => return Err(error),
                    }
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                Err(StreamError::Invalid(reason)) if payloads.len() > 1 => {
                    // One line of several can be at fault: find it.
                    self.log
                        .write(Level::DEBUG, &format!("appending line by line: {reason}"));
                    return self.append_each(payloads).await;
                }
                Err(StreamError::Invalid(reason)) => {
                    self.log
                        .write(Level::WARN, &format!("left out a line: {reason}"));
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn append_each(&mut self, payloads: Vec<Bytes>) -> Result<(), StreamError> {
        for payload in payloads {
            Box::pin(self.append(vec![payload])).await?;
        }
        Ok(())
    }
}

/// Cuts bytes into lines: without their ends, without empty ones, and none beyond the longest.
struct LineSplitter {
    /// In bytes.
    longest: usize,
    partial: BytesMut,
    /// Inside a line that is too long already.
    skipping: bool,
    too_long: usize,
}

impl LineSplitter {
    fn new(longest: usize) -> Self {
        Self {
            longest,
            partial: BytesMut::new(),
            skipping: false,
            too_long: 0,
        }
    }

    fn split(&mut self, bytes: &mut BytesMut) -> Vec<Bytes> {
        let mut lines = Vec::new();
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let text = bytes.split_to(end);
            bytes.advance(1);
            self.extend(&text);
            lines.extend(self.end_line());
        }
        self.extend(bytes);
        bytes.clear();
        lines
    }

    fn finish(&mut self) -> Vec<Bytes> {
        self.end_line().into_iter().collect()
    }

    fn extend(&mut self, text: &[u8]) {
        if self.skipping {
            return;
        }
        if self.partial.len() + text.len() > self.longest {
            self.partial = BytesMut::new();
            self.skipping = true;
            self.too_long += 1;
        } else {
            self.partial.extend_from_slice(text);
        }
    }

    fn end_line(&mut self) -> Option<Bytes> {
        self.skipping = false;
        let mut line = self.partial.split();
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        (!line.is_empty()).then(|| line.freeze())
    }

    fn take_too_long(&mut self) -> usize {
        std::mem::take(&mut self.too_long)
    }
}

#[cfg(test)]
mod tests;
