//! The device's certificate and key, and whom it trusts.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::IotCredentials;
use crate::error::RuntimeError;
use crate::trust::system_roots;

/// TLS that shows the device's certificate.
pub(super) fn client_config(settings: &IotCredentials) -> Result<ClientConfig, RuntimeError> {
    let certificates = certificates(&settings.certificate)?;
    let key = private_key(&settings.private_key)?;
    let roots = match &settings.ca {
        Some(path) => Arc::new(trusted(path)?),
        None => system_roots(),
    };
    let provider = rustls::crypto::ring::default_provider().into();
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| RuntimeError::Internal {
            reason: error.to_string(),
        })?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => unfit(
                &settings.private_key,
                format!(
                    "it does not belong to the certificate {}",
                    settings.certificate.display()
                ),
            ),
            error => unfit(&settings.certificate, error.to_string()),
        })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, RuntimeError> {
    let certificates = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unfit(path, error.to_string()))?;
    if certificates.is_empty() {
        return Err(unfit(path, "it has no certificate in PEM form".into()));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, RuntimeError> {
    PrivateKeyDer::from_pem_slice(&read(path)?)
        .map_err(|error| unfit(path, format!("it has no private key in PEM form ({error})")))
}

fn trusted(path: &Path) -> Result<RootCertStore, RuntimeError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| unfit(path, error.to_string()))?;
    }
    Ok(roots)
}

fn read(path: &Path) -> Result<Vec<u8>, RuntimeError> {
    std::fs::read(path).map_err(|error| unfit(path, error.to_string()))
}

fn unfit(path: &Path, reason: String) -> RuntimeError {
    RuntimeError::Identity {
        path: path.into(),
        reason,
    }
}
