//! TLS of the host: whom it trusts, and with which library.

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use tokio::sync::OnceCell;

/// For the whole process, as the environment is that says where they are. Read when they are needed.
static ROOTS: OnceCell<Arc<RootCertStore>> = OnceCell::const_new();

/// The beginning of a configuration for connections to servers that the system trusts.
///
/// # Errors
///
/// A sentence; only where something is wrong with the program itself.
pub(crate) async fn client() -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
    let roots = ROOTS
        .get_or_try_init(|| async { tokio::task::spawn_blocking(system_roots).await })
        .await
        .map_err(|error| error.to_string())?;
    let provider = rustls::crypto::ring::default_provider();
    let builder = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(Arc::clone(roots)))
}

/// The certificates that the system trusts, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
fn system_roots() -> Arc<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a root certificate cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::warn!(
            "no root certificates were found, so every connection over TLS will fail: install the \
             system's ca-certificates, or set SSL_CERT_FILE, and restart"
        );
    }
    Arc::new(roots)
}
