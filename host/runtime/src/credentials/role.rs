//! Roles, assumed with AWS STS.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
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
    let mut builder = AssumeRoleProvider::builder(&role.arn)
        .session_name(&role.session_name)
        .configure(&config.load().await);
    if let Some(external_id) = &role.external_id {
        builder = builder.external_id(external_id);
    }
    if let Some(duration) = role.duration {
        builder = builder.session_length(duration);
    }
    SharedCredentialsProvider::new(builder.build().await)
}
