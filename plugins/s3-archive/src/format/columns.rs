//! A Parquet file of three columns: number, time and payload.
//!
//! Numbers and times are kept as differences, since they only grow by little: they take next to no
//! room. Compression is that of pages, as Parquet has it; of its codecs gzip is there. The one for zstd
//! is bound to a library in C, which no build for WebAssembly takes without a C compiler of its own.

use std::str::Utf8Error;
use std::sync::Arc;

use millstream_plugin::Message;
use parquet::basic::{Compression as Codec, Encoding, GzipLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};

/// What a message takes beside its payload: number, time, and the length of the payload.
const FIXED_BYTES: usize = 8 + 8 + 4;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pages {
    /// Whether payloads are text: the column's type says so, and other bytes are rejected.
    pub(crate) text: bool,
    /// Whether pages are compressed.
    pub(crate) gzip: bool,
}

/// The bytes of a message before compression, or why it has no place in the file.
pub(super) fn size(message: &Message, pages: Pages) -> std::result::Result<usize, String> {
    if pages.text {
        std::str::from_utf8(&message.payload).map_err(|error: Utf8Error| {
            format!(
                "The payload is not text: {error}; with `payload` set to `auto` it would be exported \
                 as bytes."
            )
        })?;
    }
    Ok(FIXED_BYTES + message.payload.len())
}

/// The file of some messages, all in one row group.
pub(super) fn write(stream: &str, messages: Vec<Message>, pages: Pages) -> Result<Vec<u8>> {
    let properties = Arc::new(properties(stream, pages)?);
    let mut file = SerializedFileWriter::new(Vec::new(), schema(pages)?, properties)?;
    let mut rows = file.next_row_group()?;
    let mut numbers = Vec::with_capacity(messages.len());
    let mut times = Vec::with_capacity(messages.len());
    let mut payloads = Vec::with_capacity(messages.len());
    for message in messages {
        numbers.push(message.sequence_number.cast_signed());
        times.push(i64::try_from(message.ingest_time).unwrap_or(i64::MAX));
        payloads.push(ByteArray::from(message.payload));
    }
    let mut integers = [numbers, times].into_iter();
    while let Some(mut column) = rows.next_column()? {
        match column.untyped() {
            ColumnWriter::Int64ColumnWriter(writer) => {
                writer.write_batch(&integers.next().unwrap_or_default(), None, None)?;
            }
            ColumnWriter::ByteArrayColumnWriter(writer) => {
                writer.write_batch(&std::mem::take(&mut payloads), None, None)?;
            }
            _ => {
                return Err(ParquetError::General(
                    "the schema has another column".into(),
                ));
            }
        }
        column.close()?;
    }
    rows.close()?;
    file.into_inner()
}

fn schema(pages: Pages) -> Result<TypePtr> {
    let payload = if pages.text { " (STRING)" } else { "" };
    let text = format!(
        "message messages {{
            REQUIRED INT64 sequence_number (INTEGER(64, false));
            REQUIRED INT64 ingest_time (TIMESTAMP(MILLIS, true));
            REQUIRED BYTE_ARRAY payload{payload};
        }}"
    );
    parse_message_type(&text).map(Arc::new)
}

fn properties(stream: &str, pages: Pages) -> Result<WriterProperties> {
    let codec = match pages.gzip {
        true => Codec::GZIP(GzipLevel::default()),
        false => Codec::UNCOMPRESSED,
    };
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("millstream-s3-archive version ", env!("CARGO_PKG_VERSION")).into())
        .set_compression(codec)
        .set_key_value_metadata(Some(vec![KeyValue::new(
            "millstream.stream".to_owned(),
            stream.to_owned(),
        )]));
    for column in ["sequence_number", "ingest_time"] {
        let column = ColumnPath::from(column);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    Ok(properties.build())
}
