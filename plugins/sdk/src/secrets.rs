//! Secrets that this component itself may read, for protocols that carry one inside, such as the
//! password of MQTT.
//!
//! A secret that travels in a header of HTTP is not for here: the host sets it, and the component never
//! sees it (`x-millstream-secret` in `wit/exporter.wit`).
//!
//! ```
//! use millstream_plugin::secrets;
//!
//! match secrets::get("broker-password") {
//!     Ok(password) => println!("a password of {} bytes", password.len()),
//!     Err(error) => println!("{}", secrets::explain("broker-password", &error)),
//! }
//! ```

use std::fmt;

use serde::Deserialize;

use crate::ExportError;
#[cfg(target_arch = "wasm32")]
use crate::contract::bindings::millstream::plugin::secrets as host;
pub use crate::contract::bindings::millstream::plugin::secrets::SecretError;

/// What a configuration calls a secret: 1 to 64 letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SecretName(String);

impl TryFrom<String> for SecretName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            // It may be the secret itself, put here by mistake, so it is not shown.
            Err(
                "this is not the name of a secret: 1 to 64 letters, digits, - and _; the secret \
                 itself stands in a file or a variable that `[secrets.NAME]` names"
                    .to_owned(),
            )
        }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The secret of this name as it is now. An operator may change it while the host runs: ask for it when
/// it is needed, again after a destination has refused it, and keep it no longer than that.
///
/// # Errors
///
/// See [`SecretError`]. Without a host, as in a native test, none is there.
pub fn get(name: &str) -> Result<String, SecretError> {
    host::get(name)
}

/// The same for an exporter that cannot go on without it.
///
/// # Errors
///
/// What it answers then.
pub fn require(name: &str) -> Result<String, ExportError> {
    get(name).map_err(|error| {
        let reason = explain(name, &error);
        match error {
            SecretError::NotGranted => ExportError::denied(reason),
            SecretError::Unavailable(_) => ExportError::unavailable(reason),
        }
    })
}

/// A sentence for operators that says why there is no secret.
pub fn explain(name: &str, error: &SecretError) -> String {
    match error {
        SecretError::NotGranted => format!(
            "This plugin may not read the secret `{name}`; add it to `readable-secrets` of the plugin's \
             grants, and declare it in `[secrets.{name}]`."
        ),
        SecretError::Unavailable(reason) => {
            format!("The secret `{name}` cannot be read: {reason}.")
        }
    }
}

/// Stands in where no host is: on the developer's own machine.
#[cfg(not(target_arch = "wasm32"))]
mod host {
    use super::SecretError;

    pub(super) fn get(_: &str) -> Result<String, SecretError> {
        let reason = "this program does not run inside a Millstream host".to_owned();
        Err(SecretError::Unavailable(reason))
    }
}
