//! What a server wants to see of a client.
//!
//! The secrets are asked for when a connection is made, and not kept: an operator may have changed them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use millstream_plugin::{ExportError, secrets};
use serde_json::{Map, Value, json};

use crate::config::Config;

/// The fields of `CONNECT` that say who we are. `nonce` is what the server wants signed.
///
/// # Errors
///
/// A secret is not there or is not what it should be; or the server does not ask for a signature that is
/// configured.
pub(crate) fn fields(
    config: &Config,
    nonce: Option<&str>,
) -> Result<Map<String, Value>, ExportError> {
    let fields = if let (Some(user), Some(secret)) = (&config.user, &config.password_secret) {
        json!({ "user": user, "pass": secrets::require(secret)? })
    } else if let Some(secret) = &config.token_secret {
        json!({ "auth_token": secrets::require(secret)? })
    } else if let Some(secret) = &config.nkey_seed_secret {
        let key =
            Key::from_seed(secrets::require(secret)?.trim()).map_err(|why| unfit(secret, why))?;
        json!({ "nkey": key.public(), "sig": key.sign(needed(nonce)?) })
    } else if let Some(secret) = &config.credentials_secret {
        let file = secrets::require(secret)?;
        let token = block(&file, "NATS USER JWT").ok_or_else(|| unfit(secret, NO_CREDENTIALS))?;
        let seed = block(&file, "USER NKEY SEED").ok_or_else(|| unfit(secret, NO_CREDENTIALS))?;
        let key = Key::from_seed(seed).map_err(|why| unfit(secret, why))?;
        json!({ "jwt": token, "sig": key.sign(needed(nonce)?) })
    } else {
        return Ok(Map::new());
    };
    match fields {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}

const NO_CREDENTIALS: &str = "it is not the content of a .creds file, with a token and a seed";

fn unfit(secret: &str, why: &str) -> ExportError {
    ExportError::denied(format!("The secret `{secret}` cannot be used: {why}."))
}

fn needed(nonce: Option<&str>) -> Result<&str, ExportError> {
    nonce.ok_or_else(|| {
        ExportError::denied(
            "The server does not ask for the signature of a key: it has no users with NKeys or \
             credentials.",
        )
    })
}

/// What stands between `-----BEGIN NAME-----` and the next line of dashes.
fn block<'a>(file: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = file.split_once(&format!("BEGIN {name}"))?;
    let mut lines = rest.lines().skip(1).map(str::trim);
    lines.find(|line| !line.is_empty())
}

/// A user's key (an "NKey"): Ed25519, written in base32 with a prefix that names its kind, and a checksum.
struct Key(SigningKey);

/// The first byte of what is a seed, in its upper five bits: `S`.
const SEED: u8 = 18 << 3;
/// The prefix of users: `U`.
const USER: u8 = 20 << 3;

impl Key {
    fn from_seed(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "it is no seed of an NKey, which begins with SU";
        let bytes = decode_base32(text).ok_or(WRONG)?;
        let (content, checksum) = bytes.split_last_chunk::<2>().ok_or(WRONG)?;
        if crc16(content) != u16::from_le_bytes(*checksum) {
            return Err("it is misspelt: its checksum is wrong");
        }
        let [first, second, secret @ ..] = content else {
            return Err(WRONG);
        };
        let kind = ((first & 0b111) << 5) | (second >> 3);
        if first & 0xf8 != SEED || kind != USER {
            return Err(WRONG);
        }
        let secret: &[u8; 32] = secret.try_into().map_err(|_| WRONG)?;
        Ok(Self(SigningKey::from_bytes(secret)))
    }

    fn public(&self) -> String {
        let mut bytes = vec![USER];
        bytes.extend_from_slice(self.0.verifying_key().as_bytes());
        let checksum = crc16(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        encode_base32(&bytes)
    }

    fn sign(&self, nonce: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.0.sign(nonce.as_bytes()).to_bytes())
    }
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// RFC 4648, without padding; what is left over of the last byte is dropped.
fn decode_base32(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut bytes) = (0_u16, 0, Vec::new());
    for letter in text.bytes() {
        let value = BASE32.iter().position(|known| *known == letter)?;
        bits = (bits << 5) | u16::try_from(value).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            let [_, byte] = (bits >> count).to_be_bytes();
            bytes.push(byte);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

fn encode_base32(bytes: &[u8]) -> String {
    let (mut bits, mut count, mut text) = (0_u16, 0, String::new());
    let letter =
        |value: u16| char::from(BASE32.get(usize::from(value & 31)).copied().unwrap_or(b'A'));
    for byte in bytes {
        bits = (bits << 8) | u16::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(letter(bits >> count));
            bits &= (1 << count) - 1;
        }
    }
    if count > 0 {
        text.push(letter(bits << (5 - count)));
    }
    text
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => (crc << 1) ^ 0x1021,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made for this test by adding prefix and checksum to 32 equal bytes.
    fn seed() -> String {
        let mut bytes = vec![SEED | (USER >> 5), USER << 3];
        bytes.extend([7; 32]);
        let checksum = crc16(&bytes);
        bytes.extend(checksum.to_le_bytes());
        encode_base32(&bytes)
    }

    #[test]
    fn the_checksum_is_that_of_its_standard() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn base32_goes_both_ways() {
        // RFC 4648, section 10, without padding.
        for (text, encoded) in [("f", "MY"), ("fo", "MZXQ"), ("foobar", "MZXW6YTBOI")] {
            assert_eq!(encode_base32(text.as_bytes()), encoded);
            assert_eq!(decode_base32(encoded).unwrap(), text.as_bytes());
        }
        assert_eq!(decode_base32("1"), None);
    }

    #[test]
    fn a_seed_is_known_by_its_shape_and_its_checksum() {
        let seed = seed();
        assert!(seed.starts_with("SU"), "{seed}");
        let key = Key::from_seed(&seed).unwrap();
        assert!(key.public().starts_with('U'));
        assert_eq!(key.public().len(), 56);
        let other = if &seed[20..21] == "A" { "B" } else { "A" };
        let misspelt = format!("{}{other}{}", &seed[..20], &seed[21..]);
        for wrong in ["", "SU", "xyz", &key.public(), &misspelt] {
            assert!(Key::from_seed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_of_credentials_has_a_token_and_a_seed() {
        let file = "-----BEGIN NATS USER JWT-----\neyJ.abc\n------END NATS USER JWT------\n\n\
            ************************* IMPORTANT *************************\n\
            -----BEGIN USER NKEY SEED-----\r\nSUABC\r\n------END USER NKEY SEED------\n";
        assert_eq!(block(file, "NATS USER JWT"), Some("eyJ.abc"));
        assert_eq!(block(file, "USER NKEY SEED"), Some("SUABC"));
        assert_eq!(block(file, "OTHER"), None);
    }
}
