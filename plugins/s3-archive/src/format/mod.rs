//! From messages to the body of an object.

mod columns;
mod compression;
mod json_lines;

use millstream_plugin::json_line::Payload;
use millstream_plugin::{ExportError, Message, Undelivered};

pub(crate) use columns::Pages;
pub(crate) use compression::Compression;

/// The largest body before compression, in bytes. The host signs bodies of up to 16 MiB; the rest is
/// for what a compressor adds to bytes that it cannot make smaller.
pub(crate) const MAX_BODY: usize = 15 << 20;

/// What an object consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Lines of JSON, compressed as a whole.
    JsonLines(Payload, Compression),
    /// A Parquet file, compressed page by page.
    Parquet(Pages),
}

impl Format {
    /// How the name of such a file ends.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::JsonLines(_, Compression::None) => "jsonl",
            Self::JsonLines(_, Compression::Gzip) => "jsonl.gz",
            Self::JsonLines(_, Compression::Zstd) => "jsonl.zst",
            Self::Parquet(_) => "parquet",
        }
    }

    /// The media type of such a file. A compressed one stays a compressed one: with a content encoding
    /// some clients would unpack it and others not.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::JsonLines(_, Compression::None) => "application/x-ndjson",
            Self::JsonLines(_, Compression::Gzip) => "application/gzip",
            Self::JsonLines(_, Compression::Zstd) => "application/zstd",
            Self::Parquet(_) => "application/vnd.apache.parquet",
        }
    }
}

/// A body, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) body: Vec<u8>,
    /// The numbers of its first and last message.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) messages: usize,
}

/// What became of some messages.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// None if all were rejected.
    pub(crate) object: Option<Object>,
    /// Those that no object of this form can carry.
    pub(crate) rejected: Vec<Undelivered>,
}

/// Makes the objects of one stream.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    stream: String,
    format: Format,
}

impl Encoder {
    pub(crate) fn new(stream: String, format: Format) -> Self {
        Self { stream, format }
    }

    /// How many of these messages one object takes: at least one, if there is one. It depends on the
    /// messages alone.
    pub(crate) fn fit(&self, messages: &[Message]) -> usize {
        let mut sum = 0;
        let fitting = messages.iter().take_while(|message| {
            sum += self.size(message).unwrap_or_default();
            sum <= MAX_BODY
        });
        fitting.count()
    }

    /// Writes messages that fit into one object. Their payloads are taken.
    ///
    /// # Errors
    ///
    /// A library failed, which says nothing of the messages.
    pub(crate) fn encode(&self, messages: Vec<Message>) -> Result<Encoded, ExportError> {
        let mut rejected = Vec::new();
        let mut taken = Vec::with_capacity(messages.len());
        for (index, message) in messages.into_iter().enumerate() {
            match self.size(&message) {
                Ok(_) => taken.push(message),
                Err(reason) => rejected.push(Undelivered::reject(index, reason)),
            }
        }
        let object = match (taken.first(), taken.last()) {
            (Some(first), Some(last)) => Some(Object {
                first: first.sequence_number,
                last: last.sequence_number,
                messages: taken.len(),
                body: self.body(taken).map_err(|why| {
                    ExportError::unavailable(format!("An object cannot be made: {why}."))
                })?,
            }),
            _ => None,
        };
        Ok(Encoded { object, rejected })
    }

    /// What a message adds to a body before compression, in bytes; or why it fits into none.
    fn size(&self, message: &Message) -> Result<usize, String> {
        let size = match self.format {
            Format::JsonLines(payload, _) => json_lines::size(&self.stream, message, payload)?,
            Format::Parquet(pages) => columns::size(message, pages)?,
        };
        match size {
            0..=MAX_BODY => Ok(size),
            _ => Err(format!(
                "It would take {size} bytes of an object, and an object has at most {MAX_BODY}."
            )),
        }
    }

    fn body(&self, messages: Vec<Message>) -> Result<Vec<u8>, String> {
        match self.format {
            Format::JsonLines(payload, compression) => {
                json_lines::write(&self.stream, &messages, payload, compression)
                    .map_err(|error| error.to_string())
            }
            Format::Parquet(pages) => {
                columns::write(&self.stream, messages, pages).map_err(|error| error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests;
