//! Proving to a broker who this device is (SASL, RFC 4422).
//!
//! No input and output here: a [`Login`] is asked for its first message, and given what comes back.

mod scram;

use hmac::Hmac;
use serde::Deserialize;
use sha2::{Sha256, Sha512};

use scram::Scram;

/// How a device proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Mechanism {
    /// The password itself (RFC 4616): only for lines that nobody listens to.
    #[serde(rename = "PLAIN")]
    Plain,
    /// RFC 7677.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl Mechanism {
    /// Its name in the protocol.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send this, and hand over what comes back.
    Send(Vec<u8>),
    /// Nothing: it is done.
    Done,
}

/// A login on its way.
#[derive(Debug)]
pub(crate) enum Login {
    Plain { message: Vec<u8> },
    ScramSha256(Scram<Hmac<Sha256>>),
    ScramSha512(Scram<Hmac<Sha512>>),
}

impl Login {
    /// Begins one; `nonce` is random text that was never used before, of printable ASCII without commas.
    pub(crate) fn new(mechanism: Mechanism, user: &str, password: &str, nonce: String) -> Self {
        match mechanism {
            Mechanism::Plain => Self::Plain {
                message: format!("\0{user}\0{password}").into_bytes(),
            },
            Mechanism::ScramSha256 => Self::ScramSha256(Scram::new(user, password, nonce)),
            Mechanism::ScramSha512 => Self::ScramSha512(Scram::new(user, password, nonce)),
        }
    }

    /// The first message.
    pub(crate) fn first(&self) -> Vec<u8> {
        match self {
            Self::Plain { message } => message.clone(),
            Self::ScramSha256(scram) => scram.first(),
            Self::ScramSha512(scram) => scram.first(),
        }
    }

    /// What to do after what came back.
    ///
    /// # Errors
    ///
    /// The other side does not speak the mechanism, or does not know the password itself; in words that
    /// follow "the broker".
    pub(crate) fn answered(&mut self, answer: &[u8]) -> Result<Step, String> {
        match self {
            Self::Plain { .. } => Ok(Step::Done),
            Self::ScramSha256(scram) => scram.answered(answer),
            Self::ScramSha512(scram) => scram.answered(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_one_message() {
        let mut login = Login::new(Mechanism::Plain, "tim", "tanstaaftanstaaf", "n".into());
        // RFC 4616, section 4.
        assert_eq!(login.first(), b"\0tim\0tanstaaftanstaaf");
        assert_eq!(login.answered(b"").unwrap(), Step::Done);
    }
}
