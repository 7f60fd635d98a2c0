//! The file of a component: read, and looked at before anything costly is done with it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::RuntimeError;

/// The largest component, in bytes. Python's, the largest kind seen, have 18 MB.
const MAX_COMPONENT: u64 = 256 << 20;

/// What every component begins with: a magic number, a version, and a layer that is 0 for modules and
/// 1 for components. Its version is a number of WebAssembly's own, which is left to the compiler.
const HEADER: usize = 8;

/// Reads a file that may be a component.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, RuntimeError> {
    let unreadable = |source: io::Error| RuntimeError::Unreadable {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::other("it is not a regular file")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_COMPONENT + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let size = bytes.len() as u64;
    if size > MAX_COMPONENT {
        let size = metadata.len().max(size);
        return Err(RuntimeError::TooLarge {
            path: path.into(),
            size,
            limit: MAX_COMPONENT,
        });
    }
    Ok(bytes)
}

/// Reads a file again that had this SHA-256. The error goes on from the file's name and says why that
/// cannot be.
pub(crate) fn read_again(path: &Path, sha256: &str) -> Result<Vec<u8>, String> {
    match read(path) {
        Ok(bytes) if self::sha256(&bytes) == sha256 => Ok(bytes),
        Err(RuntimeError::Unreadable { source, .. }) => Err(format!("cannot be read: {source}")),
        _ => Err("is another version now".into()),
    }
}

/// The SHA-256 of a file's bytes, as 64 lower-case hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Tells a component from what is often mistaken for one, and a whole one from one that is still being
/// copied.
pub(crate) fn check(path: &Path, bytes: &[u8]) -> Result<(), RuntimeError> {
    let path = path.into();
    match bytes {
        [b'\0', b'a', b's', b'm', _, _, 1, 0, sections @ ..] if ends_with_a_section(sections) => {
            Ok(())
        }
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Err(RuntimeError::Incomplete { path }),
        [b'\0', b'a', b's', b'm', _, _, 0, 0, ..] => Err(RuntimeError::CoreModule { path }),
        // Less than a header, or room that was set aside and not written yet.
        _ if bytes.len() < HEADER && b"\0asm".starts_with(bytes.get(..4).unwrap_or(bytes)) => {
            Err(RuntimeError::Incomplete { path })
        }
        [0, 0, 0, 0, 0, 0, 0, 0, ..] => Err(RuntimeError::Incomplete { path }),
        _ => Err(RuntimeError::NotWebAssembly { path }),
    }
}

/// Whether the last section of a component ends where the file does: each has an id, its length, and so
/// many bytes.
fn ends_with_a_section(mut rest: &[u8]) -> bool {
    while let [_, behind @ ..] = rest {
        match length(behind).and_then(|(length, content)| content.get(length..)) {
            Some(next) => rest = next,
            None => return false,
        }
    }
    true
}

/// A number of at most 32 bits in LEB128, and what follows it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, bytes.get(place + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn outcome(bytes: &[u8]) -> Result<(), RuntimeError> {
        check(Path::new("plugin.wasm"), bytes)
    }

    #[test]
    fn what_is_no_component_is_told_from_one() {
        for bytes in [
            &b"#!/bin/sh\n"[..],
            b"(component)",
            b"\x7fELF\x02\x01\x01\0\0",
            b"\x7fELF",
        ] {
            let error = outcome(bytes).unwrap_err();
            assert!(
                matches!(error, RuntimeError::NotWebAssembly { .. }),
                "{error}"
            );
        }
        let error = outcome(&wat::parse_str("(module)").unwrap()).unwrap_err();
        assert!(matches!(error, RuntimeError::CoreModule { .. }), "{error}");
    }

    #[test]
    fn a_component_is_whole_only_with_its_last_byte() {
        let whole = testing::exporter();
        outcome(&whole).unwrap();
        // A cut between two sections shows only when the component is compiled.
        let cuts: Vec<_> = (0..whole.len())
            .filter(|cut| outcome(&whole[..*cut]).is_ok())
            .collect();
        assert!(cuts.len() < 64, "{} of {}", cuts.len(), whole.len());
        for cut in [0, 1, 4, 7, 9, whole.len() / 2, whole.len() - 1] {
            let error = outcome(&whole[..cut]).unwrap_err();
            assert!(matches!(error, RuntimeError::Incomplete { .. }), "{error}");
        }
        let error = outcome(&vec![0; whole.len()]).unwrap_err();
        assert!(matches!(error, RuntimeError::Incomplete { .. }), "{error}");
    }

    #[test]
    fn lengths_that_make_no_sense_are_no_sections() {
        assert!(ends_with_a_section(b""));
        assert!(ends_with_a_section(b"\x01\x80\x00"));
        assert!(!ends_with_a_section(b"\x01"));
        assert!(!ends_with_a_section(b"\x01\xff\xff\xff\xff\xff\xff"));
        assert!(!ends_with_a_section(b"\x01\xff\xff\xff\xff\x0f"));
    }
}
