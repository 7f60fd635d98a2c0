//! The credentials provider of AWS IoT Core: a device shows its certificate, and gets the credentials
//! of the role behind a role alias (AWS IoT Core Developer Guide, "Authorizing direct calls to AWS
//! services"). The token exchange of Greengrass does the same.
//!
//! `identity` reads the device's certificate, for each question anew, so that one that was replaced is
//! taken up; `answer` reads what comes back; `refusal` puts into words what may go wrong. An answer
//! takes one request an hour or so, so no connection is kept.

mod answer;
mod identity;
mod refusal;

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as AwsCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;

use super::IotCredentials;
use crate::clock::Skew;
use crate::error::RuntimeError;
use crate::name_lookup::SystemResolver;
use refusal::IotRefusal;

/// The most that is read of an answer, in bytes; a real one has two thousand.
const MAX_ANSWER: usize = 64 << 10;
/// How long an answer may take: name, TCP, TLS and HTTP together.
const ANSWER_TIME: Duration = Duration::from_secs(15);
const THING_NAME: &str = "x-amzn-iot-thingname";

impl IotCredentials {
    /// Reads the certificate, the key and the trusted certificates, and whether they fit together. It
    /// waits for the disk, and asks nobody.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Identity`], which names the file.
    pub fn check(&self) -> Result<(), RuntimeError> {
        identity::client_config(self).map(drop)
    }
}

/// Asks the provider.
#[derive(Debug)]
pub(super) struct IotProvider {
    settings: IotCredentials,
    limit: Duration,
}

impl IotProvider {
    pub(super) fn new(settings: IotCredentials) -> Self {
        Self {
            settings,
            limit: ANSWER_TIME,
        }
    }

    async fn ask(&self) -> Result<AwsCredentials, IotRefusal> {
        let asked = tokio::time::timeout(self.limit, self.exchange()).await;
        asked.unwrap_or_else(|_| {
            Err(IotRefusal::Silent {
                host: self.settings.endpoint.clone(),
                limit: self.limit,
            })
        })
    }

    async fn exchange(&self) -> Result<AwsCredentials, IotRefusal> {
        let settings = self.settings.clone();
        let tls = tokio::task::spawn_blocking(move || identity::client_config(&settings))
            .await
            .map_err(|error| RuntimeError::Internal {
                reason: error.to_string(),
            })??;
        let host = &self.settings.endpoint;
        let response = client(tls)
            .request(self.request()?)
            .await
            .map_err(|error| IotRefusal::of_connection(host, &error))?;
        let (head, body) = response.into_parts();
        let skew = Skew::of(&head.headers, SystemTime::now());
        let body = Limited::new(body, MAX_ANSWER)
            .collect()
            .await
            .map_err(|error| IotRefusal::of_body(host, error.as_ref()))?
            .to_bytes();
        if head.status != StatusCode::OK {
            return Err(IotRefusal::of_answer(
                &self.settings,
                head.status,
                &body,
                skew,
            ));
        }
        let credentials = answer::read(&body).map_err(|problem| IotRefusal::Malformed {
            host: host.clone(),
            problem,
        })?;
        let expired = credentials
            .expiry()
            .is_some_and(|expiry| expiry <= SystemTime::now());
        if expired {
            return Err(IotRefusal::expired(host, skew));
        }
        Ok(credentials)
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, IotRefusal> {
        let settings = &self.settings;
        let uri = format!(
            "https://{}/role-aliases/{}/credentials",
            settings.endpoint, settings.role_alias
        );
        let unfit = |error: http::Error| IotRefusal::Unfit(error.to_string());
        let mut request = Request::get(uri).body(Empty::new()).map_err(unfit)?;
        if let Some(name) = &settings.thing_name {
            let name = HeaderValue::from_str(name).map_err(|error| unfit(error.into()))?;
            request.headers_mut().insert(THING_NAME, name);
        }
        Ok(request)
    }
}

impl ProvideCredentials for IotProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.ask().await.map_err(CredentialsError::provider_error)
        })
    }
}

type IotClient = Client<hyper_rustls::HttpsConnector<HttpConnector<SystemResolver>>, Empty<Bytes>>;

fn client(tls: ClientConfig) -> IotClient {
    let mut tcp = HttpConnector::new_with_resolver(SystemResolver);
    tcp.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_http1()
        .wrap_connector(tcp);
    Client::builder(TokioExecutor::new()).build(connector)
}

#[cfg(test)]
mod tests;
