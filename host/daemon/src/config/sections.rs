//! The tables of the file. What a key means is written in `sample.toml`, which is what users read.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_protocol::Name;
use millstream_runtime as runtime;
use serde::Deserialize;

use super::tls_identity::TlsIdentity;
use super::transforms::TransformStep;
use super::trust::{Pin, TrustedKey};
use super::units::{Rate, Size, Span};

/// The longest time that makes sense for one call, or for shutting down.
const LONGEST: Span = Span::seconds(3600);

/// `[http]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Http {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) allow_remote: bool,
}

impl Http {
    pub(super) fn check(&self) -> Result<(), String> {
        match self.listen {
            Some(listen) if !listen.ip().is_loopback() && !self.allow_remote => Err(format!(
                "http.listen = \"{listen}\" would let other machines read the names and the state \
                 of all streams; listen on 127.0.0.1, or set http.allow-remote = true"
            )),
            _ => Ok(()),
        }
    }
}

/// `[storage]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Storage {
    pub(crate) folder: PathBuf,
    pub(crate) queue: Size,
    pub(crate) write_buffer: Size,
    pub(crate) cache: Size,
    pub(crate) memory_streams: Size,
    pub(crate) min_free_disk: Size,
    pub(crate) startup_timeout: Option<Span>,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            folder: "millstream-data".into(),
            queue: Size::mebibytes(4),
            write_buffer: Size::mebibytes(8),
            cache: Size::mebibytes(4),
            memory_streams: Size::mebibytes(32),
            min_free_disk: Size::mebibytes(64),
            startup_timeout: None,
        }
    }
}

/// `[plugins]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Plugins {
    pub(crate) folder: PathBuf,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) memory: Size,
    pub(crate) call_deadline: Span,
    pub(crate) rest_after: Span,
    pub(crate) pins: Option<BTreeMap<String, Pin>>,
    pub(crate) trusted_keys: Option<Vec<TrustedKey>>,
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
            folder: "plugins".into(),
            cache: None,
            memory: Size::mebibytes(128),
            call_deadline: Span::seconds(60),
            rest_after: Span::seconds(30),
            pins: None,
            trusted_keys: None,
        }
    }
}

impl Plugins {
    pub(super) fn check(&self) -> Result<(), String> {
        if !(Span::seconds(1)..=LONGEST).contains(&self.call_deadline) {
            return Err("plugins.call-deadline must lie between 1s and 1h".into());
        }
        for (key, is_empty) in [
            ("pins", self.pins.as_ref().is_some_and(BTreeMap::is_empty)),
            (
                "trusted-keys",
                self.trusted_keys.as_ref().is_some_and(Vec::is_empty),
            ),
        ] {
            if is_empty {
                return Err(format!(
                    "plugins.{key} is empty, so no plugin could be used; fill it, or leave it out to use \
                     any plugin"
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn limits(&self) -> runtime::Limits {
        runtime::Limits {
            memory: self.memory.0,
            call_deadline: self.call_deadline.0,
            recycle_above: self.memory.0 / 4 * 3,
        }
    }
}

/// `[exports]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Exports {
    pub(crate) parallel: usize,
    pub(crate) max_bandwidth: Option<Rate>,
    pub(crate) linger: Span,
    pub(crate) retry_first: Span,
    pub(crate) retry_longest: Span,
    pub(crate) shutdown_grace: Span,
}

impl Default for Exports {
    fn default() -> Self {
        Self {
            parallel: 5,
            max_bandwidth: None,
            linger: Span::seconds(1),
            retry_first: Span::millis(500),
            retry_longest: Span::seconds(300),
            shutdown_grace: Span::seconds(10),
        }
    }
}

impl Exports {
    pub(super) fn check(&self) -> Result<(), String> {
        if !(1..=1000).contains(&self.parallel) {
            return Err("exports.parallel must lie between 1 and 1000".into());
        }
        if self.shutdown_grace > LONGEST {
            return Err("exports.shutdown-grace must be at most an hour".into());
        }
        if self.retry_first.0.is_zero() || self.retry_longest < self.retry_first {
            return Err(
                "exports.retry-first must be above 0 and at most exports.retry-longest".into(),
            );
        }
        Ok(())
    }
}

/// `[log]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Log {
    pub(crate) level: LogLevel,
    pub(crate) format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// What one component may reach: `[plugin.NAME.grants]` and `[producer.grants]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ComponentGrants {
    pub(crate) hosts: Vec<String>,
    pub(crate) private_hosts: Vec<String>,
    pub(crate) addresses: Vec<String>,
    pub(crate) private_addresses: Vec<String>,
    pub(crate) tls_identities: Vec<TlsIdentity>,
    pub(crate) aws_services: Vec<String>,
    pub(crate) folders: Vec<FolderGrant>,
    pub(crate) append: Vec<String>,
    pub(crate) read: Vec<String>,
    pub(crate) secrets: Vec<String>,
    pub(crate) readable_secrets: Vec<String>,
}

/// One entry of `folders`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FolderGrant {
    pub(crate) path: PathBuf,
    #[serde(rename = "as")]
    pub(crate) guest: String,
    #[serde(default)]
    pub(crate) write: bool,
}

impl ComponentGrants {
    /// The grants as the runtime takes them; relative folders start from `base`.
    pub(crate) fn resolve(&self, base: &Path) -> Result<runtime::Grants, String> {
        let host = |private: bool| {
            move |text: &String| {
                text.parse::<runtime::HostGrant>()
                    .map(|grant| runtime::HostGrant { private, ..grant })
                    .map_err(|error| error.to_string())
            }
        };
        let hosts = self.hosts.iter().map(host(false));
        let hosts = hosts.chain(self.private_hosts.iter().map(host(true)));
        let address = |text: &String| {
            text.parse::<runtime::AddressGrant>()
                .map_err(|error| error.to_string())
        };
        let private = self.private_addresses.iter().map(address);
        let addresses = self
            .addresses
            .iter()
            .map(address)
            .chain(private.map(|grant| grant.map(runtime::AddressGrant::privately)));
        let folders = self.folders.iter().map(|folder| runtime::FolderGrant {
            host: base.join(&folder.path),
            guest: folder.guest.clone(),
            access: if folder.write {
                runtime::FolderAccess::ReadWrite
            } else {
                runtime::FolderAccess::ReadOnly
            },
        });
        let names = |names: &[String]| -> Result<Vec<runtime::SecretName>, String> {
            let parsed = names.iter().map(|name| name.parse());
            parsed
                .collect::<Result<_, _>>()
                .map_err(|error: runtime::InvalidSecretName| error.to_string())
        };
        Ok(runtime::Grants {
            hosts: hosts.collect::<Result<_, _>>()?,
            aws_services: self.aws_services.clone(),
            folders: folders.collect(),
            append: patterns(&self.append),
            read: patterns(&self.read),
            secrets: names(&self.secrets)?,
            readable_secrets: names(&self.readable_secrets)?,
            addresses: addresses.collect::<Result<_, _>>()?,
            tls_identities: self
                .tls_identities
                .iter()
                .map(|identity| identity.resolve(base).map(Arc::new))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn patterns(names: &[String]) -> Vec<runtime::StreamPattern> {
    names.iter().map(runtime::StreamPattern::new).collect()
}

/// The least part of a multipart upload, in bytes, by default too (specification 6.7; a limit of S3).
pub(crate) const LEAST_PART: u64 = 5 << 20;

/// `[plugin.NAME]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PluginSettings {
    pub(crate) call_interval: Option<Span>,
    pub(crate) dead_letters: Option<String>,
    /// For the exports to this plugin that name no transforms themselves.
    pub(crate) transforms: Vec<TransformStep>,
    pub(crate) grants: ComponentGrants,
    pub(crate) config: serde_json::Map<String, serde_json::Value>,
}

/// `[[stream]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Stream {
    pub(crate) name: String,
    #[serde(default = "default_max_size")]
    pub(crate) max_size: Size,
    /// Not more than `max_size`; without it, what is usual and fits.
    pub(crate) segment_size: Option<Size>,
    pub(crate) time_to_live: Option<Span>,
    #[serde(default)]
    pub(crate) on_full: OnFull,
    #[serde(default)]
    pub(crate) persistence: Persistence,
    #[serde(default)]
    pub(crate) flush_on_write: bool,
    #[serde(default)]
    pub(crate) export: Vec<StreamExport>,
}

fn default_max_size() -> Size {
    Size::mebibytes(256)
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnFull {
    #[default]
    OverwriteOldest,
    RejectNew,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Persistence {
    #[default]
    File,
    Memory,
}

/// `[[stream.export]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StreamExport {
    pub(crate) identifier: String,
    pub(crate) plugin: String,
    pub(crate) batch_size: Option<u32>,
    pub(crate) batch_interval: Option<Span>,
    #[serde(default = "lowest_priority")]
    pub(crate) priority: u8,
    #[serde(default)]
    pub(crate) start: u64,
    #[serde(default)]
    pub(crate) disabled: bool,
    pub(crate) dead_letters: Option<String>,
    #[serde(default)]
    pub(crate) transforms: Vec<TransformStep>,
    #[serde(default)]
    pub(crate) config: serde_json::Map<String, serde_json::Value>,
}

fn lowest_priority() -> u8 {
    10
}

impl Stream {
    /// What is deleted at once when room is needed.
    pub(crate) fn segment_size(&self) -> Size {
        let usual = Size::mebibytes(16).min(self.max_size);
        self.segment_size.unwrap_or(usual)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let wrong = |what: String| Err(format!("[[stream]] \"{}\": {what}", self.name));
        if self.name.parse::<Name>().is_err() {
            return wrong("name must be 1 to 255 letters, digits or _ , . - and space".into());
        }
        let segment_size = self.segment_size();
        if self.max_size.0 < 1024 || segment_size.0 < 1024 {
            return wrong("max-size and segment-size must be at least 1 KiB".into());
        }
        if segment_size > self.max_size {
            return wrong("segment-size must not be more than max-size".into());
        }
        if self.flush_on_write && self.persistence == Persistence::Memory {
            return wrong("flush-on-write has no meaning with persistence = \"memory\"".into());
        }
        for (index, export) in self.export.iter().enumerate() {
            let identifier = &export.identifier;
            if self
                .export
                .iter()
                .take(index)
                .any(|other| other.identifier == *identifier)
            {
                return wrong(format!("two exports have the identifier \"{identifier}\""));
            }
            if export.batch_size == Some(0) {
                return wrong(format!(
                    "export \"{}\": batch-size must be at least 1",
                    export.identifier
                ));
            }
            if !(1..=10).contains(&export.priority) {
                return wrong(format!(
                    "export \"{}\": priority must lie between 1 and 10",
                    export.identifier
                ));
            }
            if export.identifier.parse::<Name>().is_err() {
                return wrong(
                    "an export's identifier must be 1 to 255 letters, digits or _ , . - and space"
                        .into(),
                );
            }
        }
        Ok(())
    }
}
