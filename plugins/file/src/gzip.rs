//! A batch as a gzip member that knows its own length.
//!
//! A gzip file is a row of members, and any tool that reads gzip reads them as one (RFC 1952, section
//! 2.2). Each batch becomes a member of its own, so that an append never touches what is there. The
//! header's extra field (section 2.3.1.1) carries the member's length under the identifier `MS`; with
//! it a file is walked from member to member without decompressing, and a torn end is found.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};

use crate::tail::{Tail, is_content};

/// The header: ten fixed bytes, the length of the extra field, and the extra field.
const HEADER_BYTES: usize = 10 + 2 + EXTRA.len();
/// Identifier, length of the data, and the data: the member's length, filled in afterwards.
const EXTRA: [u8; 8] = *b"MS\x04\x00\x00\x00\x00\x00";

/// Makes a member of what `write` writes.
///
/// # Errors
///
/// Those of `write`; a member of 4 GiB or more.
pub(crate) fn member(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let encoder = GzBuilder::new()
        .extra(EXTRA)
        .write(Vec::new(), Compression::default());
    // Lines are written in small pieces, which the compressor takes at a price each.
    let mut buffered = BufWriter::new(encoder);
    write(&mut buffered)?;
    let encoder = buffered
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    let mut member = encoder.finish()?;
    let length = u32::try_from(member.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    if let Some(field) = member.get_mut(HEADER_BYTES - 4..HEADER_BYTES) {
        field.copy_from_slice(&length.to_le_bytes());
    }
    Ok(member)
}

/// Walks a file of `length` bytes from member to member and checks the last one's checksum.
///
/// # Errors
///
/// Those of reading.
pub(crate) fn examine(file: &mut File, length: u64) -> io::Result<Tail> {
    let (mut at, mut last) = (0, 0);
    while at < length {
        if length - at < HEADER_BYTES as u64 {
            return Ok(Tail::Torn { keep: at });
        }
        let mut header = [0; HEADER_BYTES];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut header)?;
        let Some(member) = member_length(&header) else {
            return Ok(Tail::Damaged);
        };
        if member > length - at {
            return Ok(Tail::Torn { keep: at });
        }
        last = at;
        at += member;
    }
    if length == 0 {
        Ok(Tail::Whole)
    } else {
        check(file, last, length - last)
    }
}

/// The length in a member's header; none if this exporter did not write it.
fn member_length(header: &[u8; HEADER_BYTES]) -> Option<u64> {
    // Magic number, method deflate, and the one flag that says that there is an extra field.
    let rest = header.strip_prefix(&[0x1f, 0x8b, 8, 4])?;
    // The time, two bytes about compressor and system, and the length of the extra field.
    let extra = rest.get(6..)?.strip_prefix(&[8, 0])?;
    let length = extra.strip_prefix(&EXTRA[..4])?.try_into().ok()?;
    Some(u64::from(u32::from_le_bytes(length))).filter(|length| *length > HEADER_BYTES as u64)
}

fn check(file: &mut File, at: u64, length: u64) -> io::Result<Tail> {
    file.seek(SeekFrom::Start(at))?;
    let mut decoder = GzDecoder::new(BufReader::new(file.take(length)));
    match io::copy(&mut decoder, &mut io::sink()) {
        Ok(_) => Ok(Tail::Whole),
        Err(error) if is_content(&error) => Ok(Tail::Damaged),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use flate2::read::MultiGzDecoder;

    use super::*;

    fn batch(text: &str) -> Vec<u8> {
        member(|out| out.write_all(text.as_bytes())).unwrap()
    }

    fn tail(content: &[u8]) -> Tail {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        examine(&mut file, content.len() as u64).unwrap()
    }

    #[test]
    fn any_gzip_reader_reads_the_members_as_one_file() {
        let content = [batch("{1}\n"), batch("{2}\n")].concat();
        let mut text = String::new();
        MultiGzDecoder::new(content.as_slice())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "{1}\n{2}\n");
    }

    #[test]
    fn whole_members_are_whole() {
        assert_eq!(tail(b""), Tail::Whole);
        assert_eq!(tail(&batch("a")), Tail::Whole);
        assert_eq!(
            tail(&[batch("a"), batch("b"), batch("c")].concat()),
            Tail::Whole
        );
    }

    #[test]
    fn a_member_cut_short_anywhere_is_torn_at_its_beginning() {
        let (first, second) = (batch("first"), batch("second"));
        for cut in 1..second.len() {
            let content = [first.as_slice(), &second[..cut]].concat();
            assert_eq!(
                tail(&content),
                Tail::Torn {
                    keep: first.len() as u64
                },
                "{cut}"
            );
        }
    }

    #[test]
    fn a_last_member_with_a_wrong_byte_is_damage() {
        let mut content = [batch("first"), batch("second")].concat();
        let middle = content.len() - 12;
        content[middle] ^= 1;
        assert_eq!(tail(&content), Tail::Damaged);
    }

    #[test]
    fn a_file_of_another_program_is_damage() {
        let mut other = GzBuilder::new().write(Vec::new(), Compression::default());
        other
            .write_all(b"something that is longer than a header")
            .unwrap();
        assert_eq!(tail(&other.finish().unwrap()), Tail::Damaged);
        assert_eq!(tail(&[0; 4096]), Tail::Damaged);
    }
}
