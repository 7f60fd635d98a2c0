//! What a component was granted, as configurations write it. What each grant opens: [`policy`].

mod address;
mod host;
mod policy;

use std::path::PathBuf;
use std::sync::Arc;

use crate::secrets::SecretName;
use crate::stream_pattern::StreamPattern;
use crate::tls::TlsIdentity;

pub use address::{AddressGrant, AddressTarget};
pub use host::{HostGrant, HostPattern, Scheme};

/// Everything that one instance was granted; the default is nothing at all.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// Hosts for HTTP.
    pub hosts: Vec<HostGrant>,
    /// AWS services whose requests the host signs, by the name used in signatures, such as
    /// `kinesis`.
    pub aws_services: Vec<String>,
    /// Folders of the device.
    pub folders: Vec<FolderGrant>,
    /// Streams to append to.
    pub append: Vec<StreamPattern>,
    /// Streams to read from.
    pub read: Vec<StreamPattern>,
    /// Addresses, and names of such, to connect sockets to.
    pub addresses: Vec<AddressGrant>,
    /// Secrets that the host sets in headers and signs with, without showing them.
    pub secrets: Vec<SecretName>,
    /// Secrets that the component itself may read.
    pub readable_secrets: Vec<SecretName>,
    /// Certificates that the host shows for the component, to the servers that each of them is for.
    pub tls_identities: Vec<Arc<TlsIdentity>>,
}

/// A grant that cannot be understood; the text says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` {problem}")]
pub struct InvalidGrant {
    text: String,
    problem: &'static str,
}

impl InvalidGrant {
    fn new(text: &str, problem: &'static str) -> Self {
        Self {
            text: text.into(),
            problem,
        }
    }
}

/// What may be done in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderAccess {
    /// Read files and list folders.
    ReadOnly,
    /// Everything, creating and deleting included.
    ReadWrite,
}

/// A folder of the device that a component sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderGrant {
    /// The folder on the device; it must exist.
    pub host: PathBuf,
    /// The path under which the component opens it, such as `/out`.
    pub guest: String,
    /// What the component may do there.
    pub access: FolderAccess,
}

/// Splits `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address; none for a bad port.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(parse_port(port)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        return Some((address, port));
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => Some((host, Some(parse_port(port)?))),
        _ => Some((text, None)),
    }
}

fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|&port| port != 0)
}

fn is_name_pattern(host: &str) -> bool {
    host.len() <= 253
        && host.split('.').all(|label| {
            label == "*"
                || (!label.is_empty()
                    && label
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')))
        })
}
