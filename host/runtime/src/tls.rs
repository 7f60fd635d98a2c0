//! TLS over the sockets of components: `wasi:tls`, by the host's own library and trust.
//!
//! A component hands over the two streams of a connection and the name of the server, and gets two others
//! back. So it reaches nothing that it was not granted as an address, and its file needs no TLS library
//! and no list of roots. The streams are those of `wasmtime-wasi-tls`; what stands here is how a handshake
//! is made.
//!
//! Where a server asks for a certificate, the host shows the one that the operator has named for that
//! server ([`TlsIdentity`]). Neither the component nor its configuration sees a private key.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tracing::Level;
use wasmtime_wasi_tls::{
    Error, TlsProvider, TlsStream, TlsTransport, WasiTlsCtx, WasiTlsCtxBuilder,
};

use crate::grants::{Grants, HostPattern};
use crate::log::PluginLog;
use crate::sandbox::Sandbox;
use crate::trust;

/// A certificate of this device, and the servers that may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    /// A PEM file: the certificate, and behind it those that lead to the authority.
    pub certificate: PathBuf,
    /// A PEM file: the private key (PKCS #8, PKCS #1 or SEC 1), not encrypted.
    pub private_key: PathBuf,
    /// The names of the servers.
    pub servers: Vec<HostPattern>,
}

/// Why an identity cannot be used: a sentence for an operator.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be used for TLS: {reason}", path.display())]
pub struct UnusableIdentity {
    path: PathBuf,
    reason: String,
}

impl TlsIdentity {
    /// Reads certificate and key; blocks for the disk.
    fn read(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), UnusableIdentity> {
        let certificates = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, pem::Error>>)
            .map_err(|error| self.unusable(&self.certificate, error))?;
        if certificates.is_empty() {
            return Err(self.unusable(&self.certificate, "it has no certificate in PEM"));
        }
        let key = PrivateKeyDer::from_pem_file(&self.private_key)
            .map_err(|error| self.unusable(&self.private_key, error))?;
        Ok((certificates, key))
    }

    /// Reads the files anew for each connection, so that a renewed certificate is taken up.
    async fn config(self: Arc<Self>) -> Result<ClientConfig, String> {
        let identity = Arc::clone(&self);
        let (certificates, key) = tokio::task::spawn_blocking(move || identity.read())
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        trust::client()
            .await?
            .with_client_auth_cert(certificates, key)
            .map_err(|error| self.unusable(&self.private_key, error).to_string())
    }

    /// Whether it can be used now; blocks for the disk.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or is not what it should be.
    pub fn check(&self) -> Result<(), UnusableIdentity> {
        let (certificates, key) = self.read()?;
        let provider = rustls::crypto::ring::default_provider();
        rustls::sign::CertifiedKey::from_der(certificates, key, &provider)
            .map(|_| ())
            .map_err(|error| self.unusable(&self.private_key, error))
    }

    fn unusable(&self, path: &Path, reason: impl ToString) -> UnusableIdentity {
        UnusableIdentity {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// What one instance needs for TLS.
pub(crate) fn context(sandbox: &Sandbox) -> WasiTlsCtx {
    let handshakes = Handshakes {
        grants: Arc::clone(&sandbox.grants),
        log: Arc::clone(&sandbox.log),
    };
    WasiTlsCtxBuilder::new()
        .provider(Box::new(handshakes))
        .build()
}

/// Makes handshakes.
struct Handshakes {
    grants: Arc<Grants>,
    log: Arc<PluginLog>,
}

type Handshake = Pin<Box<dyn Future<Output = Result<Box<dyn TlsStream>, Error>> + Send>>;

impl TlsProvider for Handshakes {
    fn connect(&self, server_name: String, transport: Box<dyn TlsTransport>) -> Handshake {
        let identity = self.grants.shows(&server_name).cloned();
        let log = Arc::clone(&self.log);
        Box::pin(async move {
            let outcome = handshake(&server_name, identity, transport).await;
            outcome.map_err(|reason| {
                let line = format!("no TLS with {server_name}: {reason}");
                log.write(Level::DEBUG, &line);
                Error::msg(reason)
            })
        })
    }
}

async fn handshake(
    server_name: &str,
    identity: Option<Arc<TlsIdentity>>,
    transport: Box<dyn TlsTransport>,
) -> Result<Box<dyn TlsStream>, String> {
    let name = ServerName::try_from(server_name.to_owned())
        .map_err(|_| format!("`{server_name}` is not the name of a server"))?;
    let config = match identity {
        Some(identity) => identity.config().await?,
        None => trust::client().await?.with_no_client_auth(),
    };
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, transport)
        .await
        .map_err(|error| error.to_string())?;
    Ok(Box::new(Encrypted(stream)))
}

/// An encrypted connection, as `wasmtime-wasi-tls` takes it.
struct Encrypted(tokio_rustls::client::TlsStream<Box<dyn TlsTransport>>);

impl TlsStream for Encrypted {}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.0).poll_write(context, bytes) {
            // Whoever writes everything would try for ever.
            Poll::Ready(Ok(0)) if !bytes.is_empty() => {
                Poll::Ready(Err(io::ErrorKind::WriteZero.into()))
            }
            outcome => outcome,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(certificate: &str, server: &str) -> TlsIdentity {
        TlsIdentity {
            certificate: certificate.into(),
            private_key: "key".into(),
            servers: vec![server.parse().unwrap()],
        }
    }

    #[test]
    fn a_certificate_is_shown_only_to_the_servers_it_is_for() {
        let grants = Grants {
            tls_identities: vec![
                Arc::new(identity("one", "broker.example.com")),
                Arc::new(identity("two", "*.iot.example.com")),
            ],
            ..Grants::default()
        };
        let shown = |server: &str| {
            let identity = grants.shows(server)?;
            Some(identity.certificate.display().to_string())
        };
        assert_eq!(shown("Broker.example.com").as_deref(), Some("one"));
        assert_eq!(shown("a.iot.example.com").as_deref(), Some("two"));
        assert_eq!(shown("a.b.iot.example.com"), None);
        assert_eq!(shown("evil.net"), None);
    }

    #[test]
    fn files_that_are_not_what_they_should_be_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("device.crt");
        let text = file.display().to_string();
        let problem = identity(&text, "a").check().unwrap_err().to_string();
        assert!(problem.contains("device.crt"), "{problem}");
        std::fs::write(&file, "no PEM").unwrap();
        let problem = identity(&text, "a").check().unwrap_err().to_string();
        assert!(problem.contains("no certificate in PEM"), "{problem}");
    }
}
