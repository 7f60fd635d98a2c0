//! Whether the end of a file is whole, and what its first message is.
//!
//! Looked at when an export opens and after a failed write; between two batches of an open export the
//! file's length is proof enough.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use flate2::read::GzDecoder;
use serde::Deserialize;

use crate::config::Compression;
use crate::gzip;

/// More than the largest batch, 16 MiB of payload, takes as lines of base64 or of ordinary text: what a crash
/// can have torn lies within.
const USUAL_BATCH: u64 = 32 << 20;
/// The same for text of which JSON escapes each byte with six.
const LARGEST_BATCH: u64 = 128 << 20;

/// What the end of a file is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing is missing.
    Whole,
    /// An append did not come to its end: everything before `keep` bytes is whole.
    Torn { keep: u64 },
    /// The content is not what an append of this exporter leaves, not even a torn one.
    Damaged,
}

/// Examines a file of `length` bytes.
///
/// # Errors
///
/// Those of reading.
pub(crate) fn examine(file: &mut File, length: u64, compression: Compression) -> io::Result<Tail> {
    match compression {
        Compression::None => examine_lines(file, length),
        Compression::Gzip => gzip::examine(file, length),
    }
}

/// Lines end with a line end and hold no NUL byte: JSON escapes it. A power cut may leave NULs where
/// data was not written in time, but whole lines behind them mean that something else happened.
fn examine_lines(file: &mut File, length: u64) -> io::Result<Tail> {
    match examine_end(file, length, USUAL_BATCH)? {
        // No line ends there: a very long one may have been torn.
        Tail::Damaged if length > USUAL_BATCH => match examine_end(file, length, LARGEST_BATCH)? {
            Tail::Torn { keep: 0 } if !begins_like_a_line(file)? => Ok(Tail::Damaged),
            tail => Ok(tail),
        },
        tail => Ok(tail),
    }
}

fn begins_like_a_line(file: &mut File) -> io::Result<bool> {
    let mut first = [0];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut first)?;
    Ok(first == *b"{")
}

fn examine_end(file: &mut File, length: u64, most: u64) -> io::Result<Tail> {
    let start = length.saturating_sub(most);
    file.seek(SeekFrom::Start(start))?;
    let mut reader = BufReader::with_capacity(64 << 10, file).take(length - start);
    let (mut at, mut keep, mut nul) = (start, 0, false);
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        for byte in chunk {
            at += 1;
            match byte {
                b'\n' if nul => return Ok(Tail::Damaged),
                b'\n' => keep = at,
                0 => nul = true,
                _ => {}
            }
        }
        let read = chunk.len();
        reader.consume(read);
    }
    Ok(match keep {
        _ if keep == length => Tail::Whole,
        0 if start > 0 => Tail::Damaged,
        keep => Tail::Torn { keep },
    })
}

/// What is read of the first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Head {
    pub(crate) sequence_number: u64,
    /// Milliseconds since the epoch.
    pub(crate) ingest_time: u64,
}

/// Reads the first message of a file with a whole tail; none if there is no such line.
///
/// # Errors
///
/// Those of reading; content that does not fit is none of them.
pub(crate) fn head(file: &mut File, compression: Compression) -> io::Result<Option<Head>> {
    file.seek(SeekFrom::Start(0))?;
    let read = match compression {
        Compression::None => first_line(file),
        Compression::Gzip => first_line(GzDecoder::new(file)),
    };
    match read {
        Err(error) if is_content(&error) => Ok(None),
        read => read,
    }
}

/// Reads it piece by piece, since a line may be longer than there is memory for.
fn first_line(reader: impl Read) -> io::Result<Option<Head>> {
    let reader = BufReader::new(reader.take(LARGEST_BATCH));
    let mut lines = serde_json::Deserializer::from_reader(reader).into_iter();
    match lines.next() {
        Some(Err(error)) if error.is_io() => Err(error.into()),
        first => Ok(first.and_then(Result::ok)),
    }
}

/// Whether an error speaks of what was read rather than of reading.
pub(crate) fn is_content(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn tail(content: &[u8]) -> Tail {
        examine(&mut file(content), content.len() as u64, Compression::None).unwrap()
    }

    #[test]
    fn a_file_that_ends_with_a_line_end_is_whole() {
        assert_eq!(tail(b""), Tail::Whole);
        assert_eq!(tail(b"{}\n{}\n"), Tail::Whole);
    }

    #[test]
    fn a_part_of_a_line_is_torn() {
        assert_eq!(tail(b"{}\n{}\n{"), Tail::Torn { keep: 6 });
        assert_eq!(tail(b"{"), Tail::Torn { keep: 0 });
    }

    #[test]
    fn nul_bytes_at_the_end_are_torn_and_in_the_middle_damage() {
        assert_eq!(tail(b"{}\n{\0\0"), Tail::Torn { keep: 3 });
        assert_eq!(tail(b"{}\n{\0\0}\n{}\n"), Tail::Damaged);
    }

    #[test]
    fn a_huge_file_without_a_line_is_not_ours() {
        let content = vec![b'x'; 33 << 20];
        assert_eq!(tail(&content), Tail::Damaged);
    }

    #[test]
    fn a_line_of_which_every_byte_is_escaped_can_be_torn_too() {
        let mut content = b"{}\n{\"payload\":\"".to_vec();
        content.extend(b"\\u0000".repeat(6 << 20));
        assert_eq!(tail(&content), Tail::Torn { keep: 3 });
        assert_eq!(tail(&content[3..]), Tail::Torn { keep: 0 });
        content.extend(b"\",\"stream\":\"s\",\"sequenceNumber\":4,\"ingestTime\":9}\n");
        assert_eq!(tail(&content), Tail::Whole);
        let head = head(&mut file(&content[3..]), Compression::None).unwrap();
        assert_eq!(head.map(|head| head.sequence_number), Some(4));
    }

    #[test]
    fn only_the_end_of_a_huge_file_is_read() {
        let mut content = vec![0; 33 << 20];
        content.extend(vec![b'\n'; 32 << 20]);
        assert_eq!(tail(&content), Tail::Whole);
    }

    #[test]
    fn the_head_is_the_first_message() {
        let content =
            b"{\"stream\":\"s\",\"sequenceNumber\":4,\"ingestTime\":9,\"payload\":1}\n{}\n";
        let head = head(&mut file(content), Compression::None).unwrap();
        assert_eq!(
            head,
            Some(Head {
                sequence_number: 4,
                ingest_time: 9
            })
        );
    }

    #[test]
    fn other_content_has_no_head() {
        for (content, compression) in [
            (b"hello\n".as_slice(), Compression::None),
            (b"\xff\n", Compression::None),
            (b"no gzip at all, but long enough", Compression::Gzip),
        ] {
            assert_eq!(head(&mut file(content), compression).unwrap(), None);
        }
    }
}
