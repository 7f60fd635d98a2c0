//! The standard chain of the AWS SDKs.

use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider as TlsProvider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::AwsOptions;

pub(super) async fn provider(options: &AwsOptions) -> SharedCredentialsProvider {
    // What is not set here is left to the environment.
    let config = ProviderConfig::default()
        .with_http_client(http_client())
        .with_use_fips(options.use_fips.then_some(true))
        .with_use_dual_stack(options.use_dual_stack.then_some(true));
    let chain = DefaultCredentialsChain::builder()
        .region(region(options))
        .configure(config)
        .build()
        .await;
    SharedCredentialsProvider::new(chain)
}

/// The client for credentials. It has nothing in common with that of components: no grant covers it,
/// and no proxy.
pub(super) fn http_client() -> SharedHttpClient {
    Builder::new()
        .tls_provider(TlsProvider::Rustls(CryptoMode::Ring))
        .build_https()
}

/// Only a role that is assumed over STS needs a region, and not from anywhere but the configuration,
/// the environment or a profile: without this, the chain would ask the metadata service of a cloud
/// machine for one, and a device without network would wait for the answer.
pub(super) fn region(options: &AwsOptions) -> RegionProviderChain {
    RegionProviderChain::first_try(options.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new())
        .or_else(Region::from_static("us-east-1"))
}
