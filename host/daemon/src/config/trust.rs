//! Which plugins are trusted: `pins` and `trusted-keys` of `[plugins]`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// The hashes that the file of a plugin may have.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "a pin is \"sha256:\" with 64 hexadecimal digits behind it, as sha256sum prints them, or a \
                 list of such hashes"
)]
pub(crate) enum Pin {
    /// Only this one.
    One(Hash),
    /// Any of these, so that a version can follow another.
    Several(Vec<Hash>),
}

impl Pin {
    pub(crate) fn hashes(&self) -> &[Hash] {
        match self {
            Self::One(hash) => std::slice::from_ref(hash),
            Self::Several(hashes) => hashes,
        }
    }
}

/// A SHA-256 as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Hash(String);

impl Hash {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Hash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.strip_prefix("sha256:").unwrap_or_default();
        if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(digits.to_ascii_lowercase()))
        } else {
            Err(format!(
                "\"{text}\" is not a hash: \"sha256:\" and 64 hexadecimal digits are"
            ))
        }
    }
}

/// An Ed25519 public key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct TrustedKey([u8; 32]);

/// What stands before the key in a PEM file: its kind and length (RFC 8410).
const PEM_HEAD: [u8; 12] = [48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0];

impl TrustedKey {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<String> for TrustedKey {
    type Error = String;

    /// Takes the 32 bytes of a key in base64, and the line between those with dashes in its PEM file.
    fn try_from(text: String) -> Result<Self, String> {
        let bytes = STANDARD.decode(&text).unwrap_or_default();
        let key = bytes.strip_prefix(&PEM_HEAD).unwrap_or(&bytes);
        key.try_into().map(Self).map_err(|_| {
            format!(
                "\"{text}\" is not an Ed25519 public key: 32 bytes in base64 are, or the middle line of \
                 the PEM file that `openssl pkey -pubout` writes"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_bare_and_as_in_its_pem_file() {
        let key = |text: &str| TrustedKey::try_from(text.to_owned());
        let pem = key("MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=").unwrap();
        let bare = key("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=").unwrap();
        assert_eq!(pem, bare);
        for wrong in ["", "11qY", "not base64", "-----BEGIN PUBLIC KEY-----"] {
            assert!(key(wrong).unwrap_err().contains("openssl"));
        }
    }

    #[test]
    fn a_hash_is_taken_in_either_case_and_nothing_else() {
        let hash = |text: String| Hash::try_from(text);
        let upper = hash(format!("sha256:{}", "AB".repeat(32))).unwrap();
        assert_eq!(upper.as_str(), "ab".repeat(32));
        for wrong in [
            "ab".repeat(32),
            "sha256:ab".into(),
            format!("sha256:{}", "x".repeat(64)),
        ] {
            assert!(hash(wrong).is_err());
        }
    }
}
