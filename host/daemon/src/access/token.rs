//! Tokens, and what is kept of them.
//!
//! A token is random: 256 bits, which nobody can guess, however fast they are told that they were
//! wrong. A plain SHA-256 of it is therefore enough to keep. The slow functions that passwords need
//! would make nothing safer, and cost a small device a noticeable time with every connection.

use std::fmt;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What every token begins with, so that people and scanners know one when they see it.
const PREFIX: &str = "mlst_";
/// How the kept form begins.
const SCHEME: &str = "sha256:";

/// A token that was just made. It is shown once, and kept nowhere.
pub(crate) struct Token(String);

impl Token {
    /// Makes one out of 256 random bits.
    ///
    /// # Errors
    ///
    /// A sentence, if the system has no randomness to give.
    pub(crate) fn random() -> Result<Self, String> {
        let mut bits = [0_u8; 32];
        getrandom::fill(&mut bits)
            .map_err(|error| format!("the system gives no random numbers: {error}"))?;
        Ok(Self(format!("{PREFIX}{}", hex(&bits))))
    }

    /// The token, for the one who asked for it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub(super) fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

/// The SHA-256 of a token, written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy)]
pub(super) struct TokenHash([u8; 32]);

impl TokenHash {
    /// What is kept of a token.
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// As the file of clients has it.
    pub(super) fn to_text(self) -> String {
        format!("{SCHEME}{}", hex(&self.0))
    }
}

/// Compares in constant time.
impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Nothing of a token belongs in a log.
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.strip_prefix(SCHEME).and_then(unhex).map(Self).ok_or_else(|| {
            // It may be a token by mistake: the sentence must not show it.
            serde::de::Error::custom(
                "the token is not \"sha256:\" and 64 hexadecimal digits; `millstream client rotate` \
                 makes a new one",
            )
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_differ_and_are_known_by_their_hash() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert!(one.reveal().starts_with("mlst_"));
        assert_eq!(one.reveal().len(), 5 + 64);
        assert_eq!(one.hash(), TokenHash::of(one.reveal()));
        assert_ne!(one.hash(), other.hash());
        assert_ne!(one.reveal(), other.reveal());
    }

    #[test]
    fn the_kept_form_is_the_well_known_one_and_reads_back() {
        let hash = TokenHash::of("abc");
        let text = hash.to_text();
        assert_eq!(
            text,
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let read: TokenHash = serde_json::from_value(text.into()).unwrap();
        assert_eq!(read, hash);
    }

    #[test]
    fn neither_debug_output_nor_errors_show_anything() {
        let token = Token::random().unwrap();
        assert_eq!(format!("{:?}", token.hash()), "TokenHash(..)");
        for wrong in [
            token.reveal().to_owned(),
            format!("sha256:{}", "x".repeat(64)),
        ] {
            let error = serde_json::from_value::<TokenHash>(wrong.clone().into());
            assert!(!error.unwrap_err().to_string().contains(&wrong));
        }
    }
}
