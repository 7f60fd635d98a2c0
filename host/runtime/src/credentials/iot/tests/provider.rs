//! Devices with certificates of one authority, and a provider that asks for them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::credentials::IotCredentials;

/// An authority, and a folder for what it issues.
pub(super) struct Fleet {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Fleet {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        Self { folder, authority }
    }

    /// Writes a certificate and a key for a device over those it had.
    pub(super) fn issue(&self, thing: &str) -> (PathBuf, PathBuf) {
        self.issue_until(thing, 2099)
    }

    /// The same, valid from 2000 to the beginning of a year.
    pub(super) fn issue_until(&self, thing: &str, year: i32) -> (PathBuf, PathBuf) {
        let (certificate, key) =
            self.certify(thing, ExtendedKeyUsagePurpose::ClientAuth, 2000, year);
        let path = |kind| self.folder.path().join(format!("{thing}.{kind}.pem"));
        let paths = (path("crt"), path("key"));
        std::fs::write(&paths.0, certificate.pem()).unwrap();
        std::fs::write(&paths.1, key.serialize_pem()).unwrap();
        paths
    }

    /// A device with a certificate.
    pub(super) fn device(&self, provider: &Provider) -> IotCredentials {
        let (certificate, private_key) = self.issue("press-4");
        IotCredentials {
            endpoint: format!("localhost:{}", provider.port),
            role_alias: "MillstreamAlias".into(),
            thing_name: Some("press-4".into()),
            certificate,
            private_key,
            ca: Some(self.folder.path().join("ca.pem")),
        }
    }

    fn certify(
        &self,
        name: &str,
        purpose: ExtendedKeyUsagePurpose,
        from: i32,
        until: i32,
    ) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        (certificate, key)
    }

    fn server_config(&self, from: i32, until: i32) -> ServerConfig {
        let purpose = ExtendedKeyUsagePurpose::ServerAuth;
        let (certificate, key) = self.certify("localhost", purpose, from, until);
        let mut devices = RootCertStore::empty();
        devices.add(self.authority.der().clone()).unwrap();
        let crypto = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(devices), Arc::clone(&crypto))
                .build()
                .unwrap();
        ServerConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap()
    }
}

/// Answers every request of a device that it trusts with the same bytes, and keeps the requests.
pub(super) struct Provider {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    /// With no bytes it never answers.
    pub(super) async fn answering(fleet: &Fleet, answer: &'static str) -> Self {
        Self::certified(fleet, answer, 2000, 2099).await
    }

    /// The same, with a certificate of its own for these years.
    pub(super) async fn certified(
        fleet: &Fleet,
        answer: &'static str,
        from: i32,
        until: i32,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(fleet.server_config(from, until)));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        // Ends with the test's runtime.
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(
                    acceptor.clone(),
                    connection,
                    answer,
                    Arc::clone(&kept),
                ));
            }
        });
        Self { port, requests }
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(
    acceptor: TlsAcceptor,
    connection: TcpStream,
    answer: &'static str,
    requests: Arc<Mutex<Vec<String>>>,
) {
    let mut connection = match acceptor.accept(connection).into_fallible().await {
        Ok(connection) => connection,
        Err((_, mut connection)) => {
            // Were it closed while the device still sends, the alert might be lost.
            let _ = connection.shutdown().await;
            let _ = connection.read_to_end(&mut Vec::new()).await;
            return;
        }
    };
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if let Ok(0) | Err(_) = connection.read_buf(&mut request).await {
            return;
        }
    }
    let request = String::from_utf8(request).unwrap();
    requests.lock().unwrap().push(request);
    if answer.is_empty() {
        std::future::pending::<()>().await;
    }
    connection.write_all(answer.as_bytes()).await.unwrap();
    let _ = connection.shutdown().await;
}
