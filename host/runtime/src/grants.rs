//! What a component may reach. Nothing is there that is not named here.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use crate::secrets::SecretName;
use crate::tls::TlsIdentity;

use crate::stream_pattern::StreamPattern;

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

/// How a host may be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// Hosts that HTTP requests may go to, written `[scheme://]host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostGrant {
    /// The only scheme allowed; none allows `http` and `https`.
    pub scheme: Option<Scheme>,
    /// The host or hosts.
    pub host: HostPattern,
    /// The only port allowed; none allows every port.
    pub port: Option<u16>,
    /// Whether the name may stand for a private, loopback or link-local address. Without it such
    /// addresses are refused, so that a name server cannot point a component at the device's own
    /// network.
    pub private: bool,
}

/// Which hosts a grant means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// A name whose labels are text or `*`, which stands for exactly one label. In lower case.
    Name(String),
    /// One address, written as such in the URL. It may be a private one.
    Address(IpAddr),
}

impl HostPattern {
    fn parse(host: &str) -> Option<Self> {
        match host.parse() {
            Ok(address) => Some(Self::Address(address)),
            Err(_) if is_name_pattern(host) => Some(Self::Name(host.to_ascii_lowercase())),
            Err(_) => None,
        }
    }

    /// Whether a host as it stands in a URL is meant; IPv6 addresses without brackets.
    pub(crate) fn matches(&self, host: &str) -> bool {
        match (self, host.parse::<IpAddr>()) {
            (Self::Address(granted), Ok(address)) => *granted == address,
            (Self::Name(pattern), Err(_)) => {
                let mut labels = host.split('.');
                let all = pattern.split('.').all(|wanted| {
                    labels.next().is_some_and(|label| {
                        wanted.eq_ignore_ascii_case(label) || (wanted == "*" && !label.is_empty())
                    })
                });
                all && labels.next().is_none()
            }
            _ => false,
        }
    }
}

impl FromStr for HostPattern {
    type Err = InvalidGrant;

    fn from_str(text: &str) -> Result<Self, InvalidGrant> {
        Self::parse(text).ok_or_else(|| {
            InvalidGrant::new(
                text,
                "is not a server: write a name such as `broker.example.com`, where `*` may stand for a \
                 whole label, or an address",
            )
        })
    }
}

impl FromStr for HostGrant {
    type Err = InvalidGrant;

    fn from_str(text: &str) -> Result<Self, InvalidGrant> {
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some(("http", rest)) => (Some(Scheme::Http), rest),
            Some(("https", rest)) => (Some(Scheme::Https), rest),
            Some(_) => {
                return Err(InvalidGrant::new(
                    text,
                    "has a scheme other than http or https",
                ));
            }
        };
        let (host, port) = split_port(rest)
            .ok_or_else(|| InvalidGrant::new(text, "has a port that is not 1 to 65535"))?;
        let host = HostPattern::parse(host).ok_or_else(|| {
            InvalidGrant::new(
                text,
                "is not a host: write a name such as `kinesis.*.amazonaws.com`, where `*` is one \
                 whole label, or an address, and nothing behind the port",
            )
        })?;
        Ok(Self {
            scheme,
            host,
            port,
            private: false,
        })
    }
}

impl fmt::Display for HostGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Some(Scheme::Http) => f.write_str("http://")?,
            Some(Scheme::Https) => f.write_str("https://")?,
            None => {}
        }
        match &self.host {
            HostPattern::Name(name) => f.write_str(name)?,
            HostPattern::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            HostPattern::Address(address) => write!(f, "{address}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
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

/// What sockets may connect or send to, written `host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressGrant {
    /// The address or addresses.
    pub target: AddressTarget,
    /// The only port allowed; none allows every port.
    pub port: Option<u16>,
}

/// Which addresses a grant means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressTarget {
    /// This one. It may be a private one.
    Address(IpAddr),
    /// Those that a name stands for.
    Name {
        /// In lower case.
        name: String,
        /// Whether the name may stand for a private, loopback or link-local address, as with
        /// [`HostGrant::private`].
        private: bool,
    },
}

impl AddressGrant {
    /// The same, and a name may stand for a private, loopback or link-local address too.
    #[must_use]
    pub fn privately(self) -> Self {
        let target = match self.target {
            AddressTarget::Name { name, .. } => AddressTarget::Name {
                name,
                private: true,
            },
            address @ AddressTarget::Address(_) => address,
        };
        Self { target, ..self }
    }

    /// Whether the grant names this very address.
    pub(crate) fn matches(&self, address: SocketAddr) -> bool {
        matches!(self.target, AddressTarget::Address(granted)
            if granted.to_canonical() == address.ip().to_canonical())
            && self.covers_port(address.port())
    }

    pub(crate) fn covers_port(&self, port: u16) -> bool {
        self.port.is_none_or(|granted| granted == port)
    }

    /// The name, if it is one.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.target {
            AddressTarget::Address(_) => None,
            AddressTarget::Name { name, .. } => Some(name),
        }
    }

    /// Whether the grant is for a host of this name.
    pub(crate) fn is_named(&self, host: &str) -> bool {
        self.name()
            .is_some_and(|name| name.eq_ignore_ascii_case(host))
    }
}

impl FromStr for AddressGrant {
    type Err = InvalidGrant;

    fn from_str(text: &str) -> Result<Self, InvalidGrant> {
        let (host, port) = split_port(text)
            .ok_or_else(|| InvalidGrant::new(text, "has a port that is not 1 to 65535"))?;
        let target = if let Ok(address) = host.parse() {
            AddressTarget::Address(address)
        } else if is_name(host) {
            AddressTarget::Name {
                name: host.to_ascii_lowercase(),
                private: false,
            }
        } else {
            return Err(InvalidGrant::new(
                text,
                "is not an address for sockets: write one such as `10.0.0.5:1883`, or a whole name \
                 such as `broker.example.com:1883`, without a scheme and without `*`",
            ));
        };
        Ok(Self { target, port })
    }
}

impl fmt::Display for AddressGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            AddressTarget::Name { name, .. } => f.write_str(name)?,
            AddressTarget::Address(IpAddr::V6(address)) if self.port.is_some() => {
                write!(f, "[{address}]")?;
            }
            AddressTarget::Address(address) => write!(f, "{address}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// A name of a host, without stars. One that ends in a number is a mistyped address.
fn is_name(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    is_name_pattern(host) && !host.contains('*') && !last.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> HostGrant {
        text.parse().unwrap()
    }

    #[test]
    fn a_star_stands_for_exactly_one_label() {
        let grant = host("kinesis.*.amazonaws.com").host;
        assert!(grant.matches("kinesis.eu-west-1.amazonaws.com"));
        assert!(grant.matches("KINESIS.eu-west-1.AmazonAWS.com"));
        for other in [
            "kinesis.amazonaws.com",
            "kinesis..amazonaws.com",
            "kinesis.a.b.amazonaws.com",
            "kinesis.eu-west-1.amazonaws.com.evil.net",
            "x.kinesis.eu-west-1.amazonaws.com",
            "s3.eu-west-1.amazonaws.com",
        ] {
            assert!(!grant.matches(other), "{other}");
        }
    }

    #[test]
    fn a_pattern_of_names_never_means_an_address() {
        assert!(!host("*.*.*.*").host.matches("169.254.169.254"));
        assert!(host("169.254.169.254").host.matches("169.254.169.254"));
        assert!(host("[::1]:80").host.matches("::1"));
        assert!(!host("::1").host.matches("::2"));
    }

    #[test]
    fn grants_are_written_as_they_are_read() {
        for text in [
            "https://a.b:8443",
            "http://localhost",
            "*.x",
            "[::1]:80",
            "10.0.0.1:1",
        ] {
            assert_eq!(host(text).to_string(), text);
        }
        for text in [
            "[::1]:5",
            "::1",
            "10.0.0.1",
            "10.0.0.1:1",
            "broker.lan:1883",
            "a",
        ] {
            let grant: AddressGrant = text.parse().unwrap();
            assert_eq!(grant.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_host_is_refused_with_a_reason() {
        for text in [
            "",
            "ftp://a",
            "a:0",
            "a:70000",
            "a/b",
            "a b",
            "s3-*.amazonaws.com",
            "a..b",
            "u@h",
            "[::1]x",
            "a:",
        ] {
            assert!(text.parse::<HostGrant>().is_err(), "{text}");
        }
        for text in [
            "",
            "*.example.com:80",
            "tcp://a:1",
            "10.0.0.256:1",
            "a b",
            "a:0",
            "a/b",
        ] {
            assert!(text.parse::<AddressGrant>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_grant_sees_through_mapped_addresses() {
        let grant: AddressGrant = "10.0.0.5:1883".parse().unwrap();
        assert!(grant.matches("[::ffff:10.0.0.5]:1883".parse().unwrap()));
        assert!(!grant.matches("10.0.0.5:1884".parse().unwrap()));
        assert!(!grant.matches("10.0.0.6:1883".parse().unwrap()));
    }

    #[test]
    fn a_name_for_sockets_is_compared_without_case() {
        let grant: AddressGrant = "Broker.Example.com".parse().unwrap();
        assert!(grant.is_named("broker.example.COM"));
        assert!(!grant.is_named("example.com"));
        assert!(grant.covers_port(1));
    }
}
