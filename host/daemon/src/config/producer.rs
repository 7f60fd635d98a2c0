//! `[[producer]]`

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::sections::ComponentGrants;
use super::units::{Size, Span};

/// The longest line and the longest body; an append carries no more.
const LARGEST: Size = Size::mebibytes(16);
/// The longest time for a request: its connection ends at five minutes.
const LONGEST_REQUEST: Span = Span::seconds(240);
/// Paths that the host serves itself, or keeps for itself.
const TAKEN: [&str; 4] = ["/metrics", "/status", "/health", "/exports"];

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Producer {
    pub(crate) name: String,
    pub(crate) component: String,
    #[serde(default)]
    pub(crate) args: Vec<String>,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) stdout: Option<String>,
    #[serde(default = "default_longest_line")]
    pub(crate) longest_line: Size,
    #[serde(default)]
    pub(crate) restart: Restart,
    /// None if there is no limit.
    pub(crate) restart_limit: Option<u32>,
    #[serde(default = "default_stop_timeout")]
    pub(crate) stop_timeout: Span,
    /// Where a webhook is mounted; none for a command.
    pub(crate) path: Option<String>,
    pub(crate) requests: Option<Requests>,
    #[serde(default)]
    pub(crate) grants: ComponentGrants,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Restart {
    #[default]
    OnFailure,
    Always,
    Never,
}

/// What a webhook takes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Requests {
    pub(crate) max_body: Size,
    pub(crate) parallel: usize,
    pub(crate) timeout: Span,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            max_body: Size::mebibytes(1),
            parallel: 4,
            timeout: Span::seconds(30),
        }
    }
}

fn default_longest_line() -> Size {
    Size::mebibytes(1)
}

fn default_stop_timeout() -> Span {
    Span::seconds(10)
}

impl Producer {
    pub(super) fn check(&self, http_is_on: bool) -> Result<(), String> {
        self.grants
            .resolve(Path::new(""))
            .map(drop)
            .and_then(|()| self.check_command())
            .and_then(|()| self.check_webhook(http_is_on))
            .map_err(|reason| format!("[[producer]] \"{}\": {reason}", self.name))
    }

    fn check_command(&self) -> Result<(), String> {
        if !(Size(1)..=LARGEST).contains(&self.longest_line) {
            return Err("longest-line must lie between 1 B and 16 MiB".into());
        }
        if self.stop_timeout > Span::seconds(3600) {
            return Err("stop-timeout must be at most an hour".into());
        }
        Ok(())
    }

    fn check_webhook(&self, http_is_on: bool) -> Result<(), String> {
        let Some(path) = &self.path else {
            return match self.requests {
                Some(_) => Err("requests says what a webhook takes, and there is no path".into()),
                None => Ok(()),
            };
        };
        check_path(path)?;
        if !http_is_on {
            return Err(format!(
                "path = \"{path}\" is one of the host's HTTP address, and there is none; set \
                 http.listen"
            ));
        }
        if self.stdout.is_some() || self.restart_limit.is_some() {
            return Err(
                "a webhook, which has a path, is not started: it has neither stdout nor \
                 restart-limit"
                    .into(),
            );
        }
        let requests = self.requests.unwrap_or_default();
        if !(Size(1)..=LARGEST).contains(&requests.max_body) {
            return Err("requests.max-body must lie between 1 B and 16 MiB".into());
        }
        if !(1..=64).contains(&requests.parallel) {
            return Err("requests.parallel must lie between 1 and 64".into());
        }
        if !(Span::millis(1)..=LONGEST_REQUEST).contains(&requests.timeout) {
            return Err("requests.timeout must lie between 1ms and 4m".into());
        }
        Ok(())
    }
}

/// A path as it stands in a request, so that the two can be compared as they are.
fn check_path(path: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let is_segment = |segment: &str| {
        !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(plain)
    };
    let right = path
        .strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(is_segment));
    if !right {
        return Err(format!(
            "path = \"{path}\" must look like \"/hooks/press\": letters, digits and - _ . ~ between \
             single slashes"
        ));
    }
    if TAKEN.iter().any(|taken| is_under(path, taken)) {
        return Err(format!(
            "path = \"{path}\" is the host's own; take one such as \"/hooks/press\""
        ));
    }
    Ok(())
}

/// Whether a path is another or lies under it.
pub(crate) fn is_under(path: &str, mount: &str) -> bool {
    path.strip_prefix(mount)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
