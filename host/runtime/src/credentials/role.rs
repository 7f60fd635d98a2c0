//! Roles, assumed with AWS STS.

use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;

use super::chain::{http_client, region};
use super::{AssumedRole, AwsOptions};

/// How long STS may take for one answer; a second try still fits into what the keeper allows.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// Credentials of the role. The base is asked anew for each session: who may assume a role today may
/// have other keys tomorrow.
pub(super) async fn provider(
    role: &AssumedRole,
    base: SharedCredentialsProvider,
    options: &AwsOptions,
) -> SharedCredentialsProvider {
    let mut builder = AssumeRoleProvider::builder(&role.arn)
        .session_name(&role.session_name)
        .configure(&sts(base, options).await);
    if let Some(external_id) = &role.external_id {
        builder = builder.external_id(external_id);
    }
    if let Some(duration) = role.duration {
        builder = builder.session_length(duration);
    }
    SharedCredentialsProvider::new(builder.build().await)
}

/// How STS is asked, and where.
async fn sts(base: SharedCredentialsProvider, options: &AwsOptions) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ANSWER_TIME)
        .build();
    let mut config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .region(region(options))
        .credentials_provider(base)
        .timeout_config(timeouts);
    if options.use_fips {
        config = config.use_fips(true);
    }
    if options.use_dual_stack {
        config = config.use_dual_stack(true);
    }
    if let Some(endpoint) = &options.endpoint {
        config = config.endpoint_url(endpoint);
    }
    config.load().await
}

#[cfg(test)]
mod tests {
    use aws_config::Region;
    use aws_credential_types::Credentials;

    use super::*;

    async fn asked(options: AwsOptions) -> SdkConfig {
        let base = Credentials::new("AKIDEXAMPLE", "s3cret", None, None, "test");
        let options = AwsOptions {
            region: Some("us-east-2".to_owned()),
            ..options
        };
        sts(SharedCredentialsProvider::new(base), &options).await
    }

    #[tokio::test]
    async fn sts_is_asked_with_fips_and_ipv6_if_the_host_says_so() {
        for (use_fips, use_dual_stack) in [(true, false), (false, true), (true, true)] {
            let config = asked(AwsOptions {
                use_fips,
                use_dual_stack,
                ..AwsOptions::default()
            })
            .await;
            let chosen = (config.use_fips(), config.use_dual_stack());
            let expected = (use_fips.then_some(true), use_dual_stack.then_some(true));
            assert_eq!(chosen, expected);
            assert_eq!(config.region(), Some(&Region::from_static("us-east-2")));
            assert_eq!(config.endpoint_url(), None);
        }
    }

    #[tokio::test]
    async fn sts_is_asked_at_an_address_of_its_own_if_there_is_one() {
        let endpoint = Some("http://127.0.0.1:1".to_owned());
        let config = asked(AwsOptions {
            endpoint,
            ..AwsOptions::default()
        })
        .await;
        assert_eq!(config.endpoint_url(), Some("http://127.0.0.1:1"));
    }
}
