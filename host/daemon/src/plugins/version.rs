//! Versions of a plugin, and how a plugin stands for those who use it.

use std::fmt;
use std::future::pending;
use std::sync::Arc;

use millstream_runtime::{Component, Description, TransformDescription};
use serde_json::Value;
use tokio::sync::watch;

/// Which version of a plugin: what it says of itself, and what its file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionId {
    /// Empty for those that make messages: they say nothing of themselves.
    pub(crate) version: Arc<str>,
    /// The SHA-256 of the file, as 64 lower-case hexadecimal digits.
    pub(crate) sha256: Arc<str>,
}

impl VersionId {
    /// Enough of the hash to tell versions apart.
    pub(crate) fn short_hash(&self) -> &str {
        short(&self.sha256)
    }
}

/// The beginning of a hash, as people are shown it.
pub(crate) fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.version {
            "" => write!(f, "sha256 {}", self.short_hash()),
            version => write!(f, "{version} (sha256 {})", self.short_hash()),
        }
    }
}

/// A version in memory.
pub(crate) struct Loaded {
    pub(crate) id: VersionId,
    pub(crate) component: Component,
    pub(crate) described: Described,
}

/// What a component says of itself.
pub(crate) enum Described {
    Exporter(Description),
    Transform(TransformDescription),
    /// Those that make messages say nothing.
    Nothing,
}

impl Described {
    /// What it says as an exporter, if it is one.
    pub(crate) fn exporter(&self) -> Option<&Description> {
        match self {
            Self::Exporter(description) => Some(description),
            Self::Transform(_) | Self::Nothing => None,
        }
    }

    /// Its own version.
    pub(crate) fn version(&self) -> Option<&str> {
        match self {
            Self::Exporter(description) => Some(&description.version),
            Self::Transform(description) => Some(&description.version),
            Self::Nothing => None,
        }
    }

    /// One sentence: what it is for.
    pub(crate) fn summary(&self) -> Option<&str> {
        match self {
            Self::Exporter(description) => Some(&description.summary),
            Self::Transform(description) => Some(&description.summary),
            Self::Nothing => None,
        }
    }

    /// The JSON Schema of its configuration.
    pub(crate) fn config_schema(&self) -> Option<&Value> {
        match self {
            Self::Exporter(description) => Some(&description.config_schema),
            Self::Transform(description) => Some(&description.config_schema),
            Self::Nothing => None,
        }
    }
}

impl Loaded {
    pub(super) fn new(component: Component, described: Described) -> Self {
        Self {
            id: VersionId {
                version: described.version().unwrap_or_default().into(),
                sha256: component.sha256().into(),
            },
            component,
            described,
        }
    }
}

/// What is to be used of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Nobody has looked yet.
    Unknown,
    /// There is none, and why; a sentence for the operator.
    Nothing(String),
    /// This version.
    Version(VersionId),
}

/// How a plugin stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) offer: Offer,
    /// Why the file in the folder is not what is to be used; none if it is, or if there is no file.
    pub(crate) problem: Option<String>,
    /// How often one version has followed another.
    pub(crate) replacements: u64,
}

impl Standing {
    pub(crate) fn new(offer: Offer) -> Self {
        Self {
            offer,
            problem: None,
            replacements: 0,
        }
    }
}

/// Waits until a plugin stands in another way than this reader has seen.
pub(crate) async fn changed(standing: &mut watch::Receiver<Standing>) {
    if standing.changed().await.is_err() {
        // Nobody looks at the folder any more, so nothing will change.
        pending().await
    }
}

/// Waits until another version than this one is to be used, or none.
pub(crate) async fn superseded(standing: &mut watch::Receiver<Standing>, id: &VersionId) {
    let is_other =
        |standing: &Standing| !matches!(&standing.offer, Offer::Version(offered) if offered == id);
    if standing.wait_for(is_other).await.is_err() {
        pending().await
    }
}
