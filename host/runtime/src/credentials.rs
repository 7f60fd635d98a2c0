//! The host's credentials for AWS. They stay here: components get signatures, never credentials.
//!
//! The standard chain of the AWS SDKs is asked when the first request is signed, so a host that never
//! signs never looks for credentials. What it finds is kept until shortly before it expires.

use std::time::{Duration, Instant, SystemTime};

use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials as AwsCredentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider as TlsProvider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use tokio::sync::Mutex;

/// Credentials are renewed when they live no longer than this; services refuse expired ones.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);
/// After a failure nobody asks again for this long: on a device without credentials each try waits
/// for the instance metadata of a cloud that is not there.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(30);

/// Where credentials come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialsSource {
    /// The standard chain: environment variables, the profiles in `~/.aws`, a web identity token,
    /// the container endpoint (as Greengrass serves it), and instance metadata.
    DefaultChain,
    /// There are none; requests that ask for a signature are refused.
    None,
}

/// Why there are no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoCredentials {
    #[error("no AWS credentials: this host was told to use none")]
    SwitchedOff,
    #[error(
        "no AWS credentials were found: {0}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a \
         profile in ~/.aws, or AWS_CONTAINER_CREDENTIALS_FULL_URI"
    )]
    NotFound(String),
}

/// Credentials that renew themselves.
pub(crate) struct Credentials {
    source: CredentialsSource,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    provider: Option<SharedCredentialsProvider>,
    held: Option<AwsCredentials>,
    failure: Option<(Instant, NoCredentials)>,
}

impl Credentials {
    pub(crate) fn new(source: CredentialsSource) -> Self {
        Self {
            source,
            state: Mutex::default(),
        }
    }

    #[cfg(test)]
    pub(crate) fn of(provider: impl ProvideCredentials + 'static) -> Self {
        let provider = Some(SharedCredentialsProvider::new(provider));
        let state = Mutex::new(State {
            provider,
            ..State::default()
        });
        Self {
            source: CredentialsSource::DefaultChain,
            state,
        }
    }

    /// Credentials to sign with now.
    pub(crate) async fn get(&self) -> Result<AwsCredentials, NoCredentials> {
        if self.source == CredentialsSource::None {
            return Err(NoCredentials::SwitchedOff);
        }
        // One asks, the others wait for the answer.
        let mut state = self.state.lock().await;
        if let Some(held) = state
            .held
            .as_ref()
            .filter(|held| lives_for(held, RENEW_BEFORE))
        {
            return Ok(held.clone());
        }
        let paused = state
            .failure
            .clone()
            .filter(|(at, _)| at.elapsed() < PAUSE_AFTER_FAILURE);
        let failure = match paused {
            Some((_, failure)) => failure,
            None => match state.provider().await.provide_credentials().await {
                Ok(fresh) => {
                    state.failure = None;
                    state.held = Some(fresh.clone());
                    return Ok(fresh);
                }
                Err(error) => {
                    let failure = NoCredentials::NotFound(chain(&error));
                    tracing::warn!("{failure}");
                    state.failure = Some((Instant::now(), failure.clone()));
                    failure
                }
            },
        };
        // The old ones serve to their end.
        let held = state
            .held
            .as_ref()
            .filter(|held| lives_for(held, Duration::ZERO));
        held.cloned().ok_or(failure)
    }
}

impl State {
    async fn provider(&mut self) -> SharedCredentialsProvider {
        if let Some(provider) = &self.provider {
            return provider.clone();
        }
        let client = Builder::new().tls_provider(TlsProvider::Rustls(CryptoMode::Ring));
        let config = ProviderConfig::default().with_http_client(client.build_https());
        // Only a role that is assumed over STS needs a region, and only from the environment or a
        // profile: without this, the chain would ask the metadata service of a cloud machine for one,
        // and a device without network would wait for the answer.
        let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::new())
            .or_else(Region::from_static("us-east-1"));
        let chain = DefaultCredentialsChain::builder()
            .region(region)
            .configure(config)
            .build()
            .await;
        self.provider
            .insert(SharedCredentialsProvider::new(chain))
            .clone()
    }
}

fn lives_for(credentials: &AwsCredentials, time: Duration) -> bool {
    credentials.expiry().is_none_or(|expiry| {
        expiry
            .duration_since(SystemTime::now())
            .is_ok_and(|left| left > time)
    })
}

/// The error and what is behind it, on one line; the chain's own text names no cause.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let text = causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
