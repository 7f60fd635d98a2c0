//! Where things are.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The host.
pub(crate) fn millstream() -> PathBuf {
    target().join("release").join("millstream")
}

/// The components, as they are dropped into a plugins folder.
pub(crate) fn plugins() -> PathBuf {
    target().join("plugins")
}

/// The components that attack the host in tests.
pub(crate) fn hostile() -> PathBuf {
    target().join("hostile")
}

/// The components that templates make, in every language.
pub(crate) fn components() -> PathBuf {
    target().join("components")
}
