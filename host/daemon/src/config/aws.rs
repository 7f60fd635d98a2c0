//! `[aws]`: what all plugins that use AWS have in common. What a key means is written in
//! `sample.toml`.
//!
//! Whatever becomes a part of a host name, a path or a header is checked for its shape here, by the
//! API references of STS and AWS IoT.

use std::path::{Path, PathBuf};

use millstream_runtime as runtime;
use serde::Deserialize;

use super::units::Span;

/// Where a region comes from that the file does not name, the first that is set.
const REGION_VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// `[aws]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Aws {
    pub(crate) region: Option<Region>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) use_fips: bool,
    pub(crate) use_dual_stack: bool,
    pub(crate) assume_role: Option<AssumeRole>,
    pub(crate) iot_credentials: Option<IotCredentials>,
}

/// `[aws.assume-role]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct AssumeRole {
    pub(crate) role_arn: String,
    #[serde(default = "default_session_name")]
    pub(crate) session_name: String,
    pub(crate) external_id: Option<String>,
    #[serde(default = "default_duration")]
    pub(crate) duration: Span,
}

fn default_session_name() -> String {
    "millstream".into()
}

fn default_duration() -> Span {
    Span::seconds(3600)
}

/// `[aws.iot-credentials]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct IotCredentials {
    pub(crate) endpoint: String,
    pub(crate) role_alias: String,
    pub(crate) thing_name: Option<String>,
    pub(crate) certificate: PathBuf,
    pub(crate) private_key: PathBuf,
    pub(crate) ca: Option<PathBuf>,
}

/// An AWS Region, by its shape.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Region(String);

impl Region {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Region {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=63).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            Err(format!(
                "\"{text}\" is not an AWS Region; one looks like \"eu-central-1\""
            ))
        }
    }
}

/// The URL of whatever stands for the services of AWS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Endpoint(String);

impl Endpoint {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Endpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let uri = text.parse::<hyper::Uri>().ok();
        let is_fit = uri.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none()
        });
        if is_fit && !text.contains(['@', '#']) {
            Ok(Self(text))
        } else {
            Err(format!(
                "\"{text}\" is not the address of a server; one looks like \"https://host\" or \
                 \"http://host:port\""
            ))
        }
    }
}

impl Aws {
    /// Takes the region from the environment if the file names none.
    ///
    /// # Errors
    ///
    /// The variable, and what is wrong with it.
    pub(super) fn complete(
        &mut self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(), (&'static str, String)> {
        if self.region.is_some() {
            return Ok(());
        }
        let found = REGION_VARIABLES.iter().find_map(|name| {
            let value = variable(name).filter(|value| !value.is_empty())?;
            Some((*name, value))
        });
        if let Some((name, value)) = found {
            let region = Region::try_from(value).map_err(|problem| (name, problem))?;
            self.region = Some(region);
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.endpoint.is_some() && (self.use_fips || self.use_dual_stack) {
            return Err(
                "aws.endpoint is an address, and aws.use-fips and aws.use-dual-stack choose \
                 another one; set either"
                    .into(),
            );
        }
        self.assume_role.iter().try_for_each(AssumeRole::check)?;
        let is_chained = self.iot_credentials.is_some();
        let mut roles = self.assume_role.iter();
        if is_chained && roles.any(|role| role.duration > default_duration()) {
            return Err(
                "aws.assume-role.duration must be at most 1h with [aws.iot-credentials]: AWS \
                 allows no more where one role assumes another"
                    .into(),
            );
        }
        let mut iot = self.iot_credentials.iter();
        iot.try_for_each(IotCredentials::check)
    }

    /// What the runtime needs to know; relative paths start from `base`.
    pub(crate) fn options(&self, base: &Path) -> runtime::AwsOptions {
        runtime::AwsOptions {
            credentials: match &self.iot_credentials {
                Some(iot) => runtime::CredentialsSource::Iot(iot.resolve(base)),
                None => runtime::CredentialsSource::DefaultChain,
            },
            role: self.assume_role.as_ref().map(|role| runtime::AssumedRole {
                arn: role.role_arn.clone(),
                session_name: role.session_name.clone(),
                external_id: role.external_id.clone(),
                duration: Some(role.duration.0),
            }),
            region: self.region.as_ref().map(|region| region.0.clone()),
            endpoint: self.endpoint.as_ref().map(|endpoint| endpoint.0.clone()),
            use_fips: self.use_fips,
            use_dual_stack: self.use_dual_stack,
        }
    }
}

impl AssumeRole {
    fn check(&self) -> Result<(), String> {
        let wrong = |key: &str, what: &str| Err(format!("aws.assume-role.{key} {what}"));
        let parts: Vec<_> = self.role_arn.splitn(6, ':').collect();
        let is_role = matches!(
            parts.as_slice(),
            ["arn", _, "iam", "", account, role]
                if account.bytes().all(|b| b.is_ascii_digit()) && role.starts_with("role/")
        );
        if !is_role {
            return wrong(
                "role-arn",
                "must look like \"arn:aws:iam::123456789012:role/NAME\"",
            );
        }
        if !is_word(&self.session_name, 2..=64, "+=,.@-_") {
            return wrong(
                "session-name",
                "must be 2 to 64 letters, digits or + = , . @ - _",
            );
        }
        let external_id = self.external_id.as_deref();
        if external_id.is_some_and(|id| !is_word(id, 2..=1224, "+=,.@-_:/")) {
            return wrong(
                "external-id",
                "must be 2 to 1224 letters, digits or + = , . @ - _ : /",
            );
        }
        if !(Span::seconds(900)..=Span::seconds(43_200)).contains(&self.duration) {
            return wrong("duration", "must lie between 15m and 12h");
        }
        Ok(())
    }
}

impl IotCredentials {
    fn check(&self) -> Result<(), String> {
        let wrong = |key: &str, what: String| Err(format!("aws.iot-credentials.{key} {what}"));
        let endpoint = &self.endpoint;
        let (host, port) = match endpoint.split_once(':') {
            Some((host, port)) => (host, port.parse::<u16>().ok()),
            None => (endpoint.as_str(), Some(443)),
        };
        if !is_word(host, 1..=253, "-.") || port.is_none_or(|port| port == 0) {
            return wrong(
                "endpoint",
                format!(
                    "is \"{endpoint}\", and must be a host name such as \
                     \"abc123.credentials.iot.eu-central-1.amazonaws.com\", without https:// and \
                     without a path"
                ),
            );
        }
        if host.contains(".amazonaws.com") && !host.contains(".credentials.iot.") {
            return wrong(
                "endpoint",
                format!(
                    "is \"{endpoint}\", which is another endpoint of the account; `aws iot \
                     describe-endpoint --endpoint-type iot:CredentialProvider` names the right \
                     one"
                ),
            );
        }
        if !is_word(&self.role_alias, 1..=128, "_=,@-") {
            return wrong(
                "role-alias",
                "must be 1 to 128 letters, digits or _ = , @ -, and is not an ARN".into(),
            );
        }
        let name = self.thing_name.as_deref();
        if name.is_some_and(|name| !is_word(name, 1..=128, ":_-")) {
            return wrong(
                "thing-name",
                "must be 1 to 128 letters, digits or : _ -".into(),
            );
        }
        Ok(())
    }

    /// The same with paths that the program can open.
    pub(crate) fn resolve(&self, base: &Path) -> runtime::IotCredentials {
        runtime::IotCredentials {
            endpoint: self.endpoint.clone(),
            role_alias: self.role_alias.clone(),
            thing_name: self.thing_name.clone(),
            certificate: base.join(&self.certificate),
            private_key: base.join(&self.private_key),
            ca: self.ca.as_ref().map(|ca| base.join(ca)),
        }
    }
}

fn is_word(text: &str, length: std::ops::RangeInclusive<usize>, signs: &str) -> bool {
    length.contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
}

#[cfg(test)]
mod tests;
