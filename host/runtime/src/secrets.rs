//! Secrets by name: tokens, passwords and keys that an operator keeps in a file or a variable.
//!
//! A configuration says where each is and which hosts it may be sent to; a component only ever says a
//! name. The host sets the secret in a header or signs with it (`http::secret`), so that it enters no
//! component. The one exception is [`ReadableSecrets`], behind a grant of its own.
//!
//! A secret is read when it is needed and forgotten after that: a file that an operator has replaced
//! counts from the next request on, and no copy stays in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::contract::millstream::plugin::secrets as wit;
use crate::grants::{Grants, HostGrant};
use crate::log::PluginLog;

/// The longest secret, in bytes: longer than any token or key that services give.
const MAX_SECRET: usize = 64 << 10;

/// What a configuration calls a secret: 1 to 64 letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretName(String);

/// A text that cannot be the name of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a secret: 1 to 64 letters, digits, - and _")]
pub struct InvalidSecretName(String);

impl FromStr for SecretName {
    type Err = InvalidSecretName;

    fn from_str(text: &str) -> Result<Self, InvalidSecretName> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            // It may come from a component.
            let shown = text.chars().take(64).flat_map(char::escape_debug).collect();
            Err(InvalidSecretName(shown))
        }
    }
}

impl SecretName {
    /// The name as it is written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The whole content of a file, without one line end behind it.
    File(PathBuf),
    /// A variable of the host's environment.
    Variable(String),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
        }
    }
}

/// A secret: where it is, and where it may go.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Where it is kept.
    pub source: SecretSource,
    /// The only hosts that this host sends it to, whatever a component asks for.
    pub hosts: Vec<HostGrant>,
}

/// Why a secret cannot be read. It never tells the secret, or a part of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretUnreadable {
    /// The system does not let the host read it, or there is none.
    #[error("{from} cannot be read: {error}")]
    Missing {
        /// Where it should be.
        from: SecretSource,
        /// What the system said.
        error: io::Error,
    },
    /// There is nothing in it.
    #[error("{0} is empty")]
    Empty(SecretSource),
    /// It has more bytes than any secret.
    #[error("{0} has more than {MAX_SECRET} bytes, which is no secret")]
    TooLong(SecretSource),
    /// It should be text and is none.
    #[error("{0} is not text in UTF-8")]
    NotText(SecretSource),
    /// The host could not look.
    #[error("{from} was not read: {reason}")]
    Internal {
        /// Where it should be.
        from: SecretSource,
        /// Why.
        reason: String,
    },
}

/// The bytes of a secret. They are not shown, and overwritten when dropped.
pub(crate) struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(hidden)")
    }
}

impl Secret {
    /// Whether the secret can be read now; waits for the disk.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub fn check(&self) -> Result<(), SecretUnreadable> {
        read(&self.source).map(drop)
    }

    /// Whether every user of the device may read it; waits for the disk. False if that cannot be told.
    pub fn is_open_to_all(&self) -> bool {
        use std::os::unix::fs::PermissionsExt;
        const READ_BY_OTHERS: u32 = 0o004;
        match &self.source {
            SecretSource::File(path) => std::fs::metadata(path)
                .is_ok_and(|file| file.permissions().mode() & READ_BY_OTHERS != 0),
            SecretSource::Variable(_) => false,
        }
    }

    /// The secret as it is now.
    pub(crate) async fn value(&self) -> Result<SecretValue, SecretUnreadable> {
        let source = self.source.clone();
        let reading = tokio::task::spawn_blocking(move || read(&source)).await;
        reading.map_err(|error| SecretUnreadable::Internal {
            from: self.source.clone(),
            reason: error.to_string(),
        })?
    }
}

fn read(source: &SecretSource) -> Result<SecretValue, SecretUnreadable> {
    let missing = |error| SecretUnreadable::Missing {
        from: source.clone(),
        error,
    };
    // A buffer that never grows leaves no copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET + 3));
    match source {
        SecretSource::File(path) => {
            let file = std::fs::File::open(path).map_err(missing)?;
            // Room for a line end, and for one byte more, which shows what is too long.
            let most = MAX_SECRET as u64 + 3;
            file.take(most).read_to_end(&mut bytes).map_err(missing)?;
            let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let length = text.strip_suffix(b"\r").unwrap_or(text).len();
            bytes.truncate(length);
        }
        SecretSource::Variable(name) => {
            use std::os::unix::ffi::OsStringExt;
            let value =
                std::env::var_os(name).ok_or_else(|| missing(io::Error::other("it is not set")))?;
            *bytes = value.into_vec();
        }
    }
    match bytes.len() {
        0 => Err(SecretUnreadable::Empty(source.clone())),
        1..=MAX_SECRET => Ok(SecretValue(bytes)),
        _ => Err(SecretUnreadable::TooLong(source.clone())),
    }
}

/// All secrets of a configuration, by name. The default is none.
#[derive(Debug, Clone, Default)]
pub struct Secrets(BTreeMap<SecretName, Secret>);

impl Secrets {
    /// The secret of a name.
    pub fn find(&self, name: &SecretName) -> Option<&Secret> {
        self.0.get(name)
    }

    /// All of them, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&SecretName, &Secret)> {
        self.0.iter()
    }
}

impl FromIterator<(SecretName, Secret)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (SecretName, Secret)>>(secrets: I) -> Self {
        Self(secrets.into_iter().collect())
    }
}

/// The secrets that one instance may read itself (`wit/secrets.wit`).
pub(crate) struct ReadableSecrets {
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) grants: Arc<Grants>,
    /// The table of the configuration that has its grants.
    pub(crate) section: String,
    pub(crate) log: Arc<PluginLog>,
}

impl ReadableSecrets {
    pub(crate) async fn get(&self, name: &str) -> Result<String, wit::SecretError> {
        let granted = self.grants.reads_secret(name);
        let Some(secret) = granted.and_then(|granted| self.secrets.find(granted)) else {
            self.log.refuse(&format!(
                "refused to read the secret `{name}`: it is not granted; to allow it, add it to \
                 `[{}] readable-secrets`",
                self.section
            ));
            return Err(wit::SecretError::NotGranted);
        };
        let unavailable =
            |error: SecretUnreadable| wit::SecretError::Unavailable(error.to_string());
        let value = secret.value().await.map_err(unavailable)?;
        match std::str::from_utf8(value.bytes()) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(unavailable(SecretUnreadable::NotText(
                secret.source.clone(),
            ))),
        }
    }
}

#[cfg(test)]
mod tests;
