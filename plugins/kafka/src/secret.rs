//! The password of a login, which the host keeps.

use millstream_plugin::{ExportError, secrets};

/// How a password is found by the name of its secret; a test has another way than a component.
pub(crate) type Passwords = fn(&str) -> Result<String, ExportError>;

/// The secret of this name, as it is now: an operator may change it while the component runs.
pub(crate) fn password(name: &str) -> Result<String, ExportError> {
    secrets::get(name).map_err(|error| ExportError::denied(secrets::explain(name, &error)))
}
