//! Certificates of the device, in the grants of components.

use std::path::{Path, PathBuf};

use millstream_runtime as runtime;
use serde::Deserialize;

/// One entry of `tls-identities`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct TlsIdentity {
    pub(crate) certificate: PathBuf,
    pub(crate) private_key: PathBuf,
    pub(crate) servers: Vec<String>,
}

impl TlsIdentity {
    /// The identity as the runtime takes it; relative files start from `base`.
    pub(crate) fn resolve(&self, base: &Path) -> Result<runtime::TlsIdentity, String> {
        let server = |text: &String| {
            text.parse()
                .map_err(|error: runtime::InvalidGrant| error.to_string())
        };
        Ok(runtime::TlsIdentity {
            certificate: base.join(&self.certificate),
            private_key: base.join(&self.private_key),
            servers: self.servers.iter().map(server).collect::<Result<_, _>>()?,
        })
    }
}
