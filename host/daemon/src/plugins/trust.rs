//! Which files may be used as plugins: those whose hash is pinned, those that somebody trusted has signed,
//! or all.
//!
//! A signature lies beside its plugin, as `NAME.wasm.sig`: Ed25519 (RFC 8032) over the whole file, as its
//! 64 bytes or in base64. Where pins and keys are both set, a file needs both.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, UnparsedPublicKey};

use crate::config::{Hash, Plugins, TrustedKey};

/// The length of a signature, in bytes.
const SIGNATURE: usize = 64;
/// A longer file is no signature, in bytes: base64 with line ends has 90.
const LONGEST_FILE: u64 = 1024;

/// What a file has to have.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    /// The hashes of each plugin; none if any will do.
    pins: Option<BTreeMap<String, Vec<Hash>>>,
    /// Whose signature is taken; none if none is needed.
    keys: Option<Vec<TrustedKey>>,
}

impl Trust {
    pub(super) fn of(settings: &Plugins) -> Self {
        let pins = settings.pins.as_ref().map(|pins| {
            let pins = pins.iter();
            pins.map(|(name, pin)| (name.clone(), pin.hashes().to_vec()))
                .collect()
        });
        Self {
            pins,
            keys: settings.trusted_keys.clone(),
        }
    }

    /// Whether a file beside the plugin's own counts.
    pub(super) fn needs_signature(&self) -> bool {
        self.keys.is_some()
    }

    /// Checks the bytes of a plugin's file. It reads the signature, so it may wait for the disk.
    ///
    /// The error is a clause that says what is wrong and what to do.
    pub(super) fn check(
        &self,
        name: &str,
        path: &Path,
        bytes: &[u8],
        sha256: &str,
    ) -> Result<(), String> {
        if let Some(pins) = &self.pins {
            let pinned = pins.get(name).map(Vec::as_slice).unwrap_or_default();
            if !pinned.iter().any(|pin| pin.as_str() == sha256) {
                return Err(if pinned.is_empty() {
                    format!(
                        "plugins.pins has no hash for it, and only pinned plugins are used; if this \
                         file is the right one, add {name} = \"sha256:{sha256}\" there"
                    )
                } else {
                    format!(
                        "its hash is not the one in plugins.pins; if this file is the right one, pin \
                         sha256:{sha256}"
                    )
                });
            }
        }
        match &self.keys {
            None => Ok(()),
            Some(keys) => check_signature(keys, path, bytes),
        }
    }
}

fn check_signature(keys: &[TrustedKey], path: &Path, bytes: &[u8]) -> Result<(), String> {
    let file = signature_file(path);
    let signature = read_signature(&file).map_err(|error| {
        format!(
            "only signed plugins are used, and its signature {} cannot be read ({error}); sign it with a key \
             of plugins.trusted-keys, and put the signature there",
            file.display()
        )
    })?;
    let by = |key: &&TrustedKey| {
        let key = UnparsedPublicKey::new(&ED25519, key.as_bytes());
        key.verify(bytes, &signature).is_ok()
    };
    match keys.iter().find(by) {
        Some(_) => Ok(()),
        None => Err(format!(
            "the signature {} was not made for this file by any key of plugins.trusted-keys; sign it \
             again, or add the key if you trust whoever signed it",
            file.display()
        )),
    }
}

/// Where the signature of a file lies.
pub(super) fn signature_file(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".sig");
    name.into()
}

fn read_signature(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?
        .take(LONGEST_FILE)
        .read_to_end(&mut bytes)?;
    if bytes.len() == SIGNATURE {
        return Ok(bytes);
    }
    bytes.retain(|byte| !byte.is_ascii_whitespace());
    match STANDARD.decode(&bytes) {
        Ok(signature) if signature.len() == SIGNATURE => Ok(signature),
        _ => Err(io::Error::other(
            "it is neither the 64 bytes of a signature nor these in base64",
        )),
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    const BYTES: &[u8] = b"a plugin";
    const SHA256: &str = "cafe";

    fn signer(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn trusting(signers: &[&Ed25519KeyPair]) -> Trust {
        let key = |signer: &&Ed25519KeyPair| {
            let text = STANDARD.encode(signer.public_key());
            TrustedKey::try_from(text).unwrap()
        };
        Trust {
            pins: None,
            keys: Some(signers.iter().map(key).collect()),
        }
    }

    fn pinned(name: &str, hashes: &[&str]) -> Trust {
        let hash = |digit: &&str| Hash::try_from(format!("sha256:{}", digit.repeat(64))).unwrap();
        let pins = BTreeMap::from([(name.to_owned(), hashes.iter().map(hash).collect())]);
        Trust {
            pins: Some(pins),
            keys: None,
        }
    }

    #[test]
    fn without_pins_and_keys_anything_is_taken() {
        let trust = Trust {
            pins: None,
            keys: None,
        };
        trust
            .check("file", Path::new("nowhere"), BYTES, SHA256)
            .unwrap();
    }

    #[test]
    fn with_pins_only_the_pinned_files_are_taken() {
        let trust = pinned("file", &["a", "B"]);
        let check =
            |name, digit: &str| trust.check(name, Path::new("nowhere"), BYTES, &digit.repeat(64));
        check("file", "a").unwrap();
        check("file", "b").unwrap();
        let refusal = check("file", "c").unwrap_err();
        assert!(refusal.contains(&"c".repeat(64)), "{refusal}");
        let refusal = check("http", "a").unwrap_err();
        assert!(refusal.contains("http = \"sha256:"), "{refusal}");
    }

    #[test]
    fn with_keys_only_files_that_one_of_them_signed_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.wasm");
        let [ours, theirs, stranger] = [1, 2, 3].map(signer);
        let trust = trusting(&[&ours, &theirs]);
        let check = |bytes: &[u8]| trust.check("file", &path, bytes, SHA256);
        let sign = |text: &[u8]| std::fs::write(signature_file(&path), text).unwrap();

        let refusal = check(BYTES).unwrap_err();
        assert!(refusal.contains("file.wasm.sig"), "{refusal}");
        for signer in [&ours, &theirs] {
            sign(signer.sign(BYTES).as_ref());
            check(BYTES).unwrap();
            assert!(check(b"another plugin").is_err());
        }
        let text = STANDARD.encode(ours.sign(BYTES));
        sign(format!("{}\n{}\n", &text[..44], &text[44..]).as_bytes());
        check(BYTES).unwrap();

        sign(stranger.sign(BYTES).as_ref());
        let refusal = check(BYTES).unwrap_err();
        assert!(refusal.contains("trusted-keys"), "{refusal}");
        for nonsense in [&b""[..], b"signed by me", &[0; 63], &[b'A'; 5000]] {
            sign(nonsense);
            assert!(check(BYTES).is_err());
        }
    }
}
