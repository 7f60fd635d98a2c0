//! Lines of JSON, as the plugin `file` writes them.

use std::io::{self, BufWriter, Write};

use millstream_plugin::Message;
use millstream_plugin::json_line::{self, Form, Payload};

use super::compression::{Compression, Compressor};

/// The bytes of a message's line, or why it has none.
pub(super) fn size(stream: &str, message: &Message, payload: Payload) -> Result<usize, String> {
    let form = Form::new(&message.payload, payload)?;
    let mut count = Count(0);
    json_line::write(&mut count, stream, message, form).map_err(|error| error.to_string())?;
    Ok(count.0)
}

/// The lines of some messages. One that has no line is left out.
pub(super) fn write(
    stream: &str,
    messages: &[Message],
    payload: Payload,
    compression: Compression,
) -> io::Result<Vec<u8>> {
    // A line is made of many small pieces, and each would be a step of the compressor.
    let mut body = BufWriter::with_capacity(64 << 10, Compressor::new(compression));
    for message in messages {
        if let Ok(form) = Form::new(&message.payload, payload) {
            json_line::write(&mut body, stream, message, form)?;
        }
    }
    body.into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .finish()
}

/// Counts what is written.
struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
