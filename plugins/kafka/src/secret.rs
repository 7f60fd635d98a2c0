//! The password of a login, which the host keeps.

use millstream_plugin::ExportError;

/// How a password is found by the name of its secret.
pub(crate) type Passwords = fn(&str) -> Result<String, ExportError>;

/// The secret of this name, as it is now.
pub(crate) fn password(name: &str) -> Result<String, ExportError> {
    Err(ExportError::denied(format!("`{name}` cannot be read.")))
}
