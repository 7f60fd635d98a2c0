//! The host's credentials for AWS. They stay here: components get signatures, never credentials.
//!
//! * They come from the standard chain of the AWS SDKs (`chain`) or, for a device that has nothing
//!   but a certificate, from the credentials provider of AWS IoT Core (`iot`).
//! * Over either a role can be assumed (`role`).
//! * `keeper` holds what was found, and renews it before it expires.
//!
//! Nobody is asked before the first request is signed, so a host that never signs never looks for
//! credentials.

mod chain;
mod iot;
mod keeper;
mod role;

use std::path::PathBuf;
use std::time::Duration;

use aws_credential_types::Credentials as AwsCredentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use tokio::sync::OnceCell;

use crate::clock;
use iot::IotProvider;
pub(crate) use keeper::Credentials;

/// What the host needs to know of AWS. The default is the standard chain and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsOptions {
    /// Where credentials come from.
    pub credentials: CredentialsSource,
    /// The role to assume with them; none if they sign themselves.
    pub role: Option<AssumedRole>,
    /// The region of the service that roles are assumed with; that of the environment or of a
    /// profile if none is set, and else `us-east-1`.
    pub region: Option<String>,
    /// Where that service is, instead of its own address: a URL.
    pub endpoint: Option<String>,
    /// Whether its address is the one with FIPS 140.
    pub use_fips: bool,
    /// Whether its address is the one that has IPv6 too.
    pub use_dual_stack: bool,
}

/// Where credentials come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CredentialsSource {
    /// The standard chain: environment variables, the profiles in `~/.aws`, a web identity token,
    /// the container endpoint (as Greengrass serves it), and instance metadata.
    #[default]
    DefaultChain,
    /// The credentials provider of AWS IoT Core, which takes the device's certificate.
    Iot(IotCredentials),
    /// There are none; requests that ask for a signature are refused.
    None,
}

/// A role that is assumed with AWS STS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumedRole {
    /// Its ARN.
    pub arn: String,
    /// How its sessions are named in the logs of AWS.
    pub session_name: String,
    /// What the owner of the role asks for beside, if anything.
    pub external_id: Option<String>,
    /// How long a session lasts: 15 minutes to 12 hours, at most what the role allows. Without it,
    /// an hour.
    pub duration: Option<Duration>,
}

/// A device that shows its certificate to the credentials provider of AWS IoT Core, as the token
/// exchange of Greengrass does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IotCredentials {
    /// The provider's host name, with a port behind a colon if it is not 443.
    pub endpoint: String,
    /// The role alias that stands for the role.
    pub role_alias: String,
    /// The thing that the certificate is attached to, if the provider shall be told.
    pub thing_name: Option<String>,
    /// The file of the device's certificate, in PEM, intermediate ones behind it.
    pub certificate: PathBuf,
    /// The file of its private key, in PEM.
    pub private_key: PathBuf,
    /// The file of the certificates that the provider's is trusted by, in PEM; those of the system
    /// if none is set.
    pub ca: Option<PathBuf>,
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
    #[error("no AWS credentials: {0}")]
    Iot(String),
    #[error(
        "no AWS credentials: the role {role} cannot be assumed: {reason}; check the credentials \
         that assume it, and whom the role trusts"
    )]
    Role { role: String, reason: String },
    #[error(
        "no AWS credentials: nobody gave any within {} seconds; check the network of this device",
        .0.as_secs()
    )]
    Silent(Duration),
}

/// Whom to ask for credentials.
struct Source {
    options: AwsOptions,
    /// Made when it is first asked.
    provider: OnceCell<SharedCredentialsProvider>,
}

impl Source {
    fn new(options: AwsOptions) -> Self {
        Self {
            options,
            provider: OnceCell::new(),
        }
    }

    #[cfg(test)]
    fn of(provider: impl ProvideCredentials + 'static) -> Self {
        Self {
            options: AwsOptions::default(),
            provider: OnceCell::from(SharedCredentialsProvider::new(provider)),
        }
    }

    fn is_switched_off(&self) -> bool {
        self.options.credentials == CredentialsSource::None
    }

    /// Asks for fresh credentials.
    async fn ask(&self) -> Result<AwsCredentials, NoCredentials> {
        let provider = self.provider.get_or_init(|| provider(&self.options)).await;
        let asked = provider.provide_credentials().await;
        asked.map_err(|error| self.explain(causes(&error)))
    }

    fn explain(&self, reason: String) -> NoCredentials {
        match (&self.options.role, &self.options.credentials) {
            (Some(role), _) => NoCredentials::Role {
                role: role.arn.clone(),
                reason: clock::hint(reason),
            },
            (None, CredentialsSource::Iot(_)) => NoCredentials::Iot(reason),
            (None, _) => NoCredentials::NotFound(reason),
        }
    }
}

async fn provider(options: &AwsOptions) -> SharedCredentialsProvider {
    let base = match &options.credentials {
        CredentialsSource::Iot(iot) => {
            SharedCredentialsProvider::new(IotProvider::new(iot.clone()))
        }
        CredentialsSource::DefaultChain | CredentialsSource::None => chain::provider(options).await,
    };
    match &options.role {
        Some(role) => role::provider(role, base, options).await,
        None => base,
    }
}

/// What is behind an error, on one line; the error's own text names only the kind of the failure.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let first = error.source().unwrap_or(error);
    let mut texts: Vec<_> = std::iter::successors(Some(first), |error| error.source())
        .map(ToString::to_string)
        .collect();
    texts.dedup();
    let text = texts.join(": ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
