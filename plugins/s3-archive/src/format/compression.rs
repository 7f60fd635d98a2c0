//! Compression of a body as a whole.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use serde::Deserialize;
use structured_zstd::encoding::{CompressionLevel, StreamingEncoder};

/// How objects are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    None,
    #[default]
    Gzip,
    Zstd,
}

/// A body that is being written.
pub(super) enum Compressor {
    None(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(Box<StreamingEncoder<Vec<u8>>>),
}

impl Compressor {
    /// Begins a body. The levels are the usual ones: 6 for gzip, 3 for zstd.
    pub(super) fn new(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::None(Vec::new()),
            Compression::Gzip => {
                Self::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default()))
            }
            Compression::Zstd => Self::Zstd(Box::new(StreamingEncoder::new(
                Vec::new(),
                CompressionLevel::Default,
            ))),
        }
    }

    /// The whole body.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::None(body) => Ok(body),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish().map_err(io::Error::other),
        }
    }
}

impl Write for Compressor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(body) => body.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // Nobody reads a body before it is whole, and a flush in the middle would make it larger.
        Ok(())
    }
}
