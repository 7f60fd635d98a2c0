//! Compressed bodies.

use std::borrow::Cow;
use std::io::Write;

use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;

/// How the body of a request is written, as a configuration names it under `compression`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As it is.
    #[default]
    None,
    /// With gzip (RFC 9110, section 8.4.1.3), which the header `content-encoding` says.
    Gzip,
}

impl Compression {
    /// The body as it goes out.
    pub fn apply<'a>(self, body: Cow<'a, [u8]>, headers: &mut HeaderMap) -> Cow<'a, [u8]> {
        match self {
            Self::None => body,
            Self::Gzip => {
                let room = Vec::with_capacity(body.len() / 4);
                let mut encoder = GzEncoder::new(room, flate2::Compression::default());
                // Writing to memory does not fail; if it did, the body would go as it is.
                let compressed = encoder.write_all(&body).and_then(|()| encoder.finish());
                match compressed {
                    Ok(compressed) => {
                        let gzip = HeaderValue::from_static("gzip");
                        headers.insert(header::CONTENT_ENCODING, gzip);
                        Cow::Owned(compressed)
                    }
                    Err(_) => body,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_body_is_compressed_and_the_header_says_so() {
        let body = b"again and again and again and again and again".repeat(20);
        let mut headers = HeaderMap::new();
        let sent = Compression::None.apply(Cow::Borrowed(&body), &mut headers);
        assert!(matches!(sent, Cow::Borrowed(_)) && headers.is_empty());
        let sent = Compression::Gzip.apply(Cow::Borrowed(&body), &mut headers);
        assert_eq!(headers["content-encoding"], "gzip");
        assert!(sent.len() < body.len() / 5);
        let mut read = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&*sent);
        decoder.read_to_end(&mut read).unwrap();
        assert_eq!(read, body);
    }
}
