//! Hosts that HTTP may go to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{InvalidGrant, is_name_pattern, split_port};
use crate::http::Reach;

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

impl HostGrant {
    /// Whether it means this destination; the host as it stands in a URL, an IPv6 address without
    /// brackets.
    pub(crate) fn covers(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        self.host.matches(host)
            && self.scheme.is_none_or(|granted| granted == scheme)
            && self.port.is_none_or(|granted| granted == port)
    }

    /// Which addresses the host may stand for.
    pub(crate) fn reach(&self) -> Reach {
        match &self.host {
            HostPattern::Address(_) => Reach::Private,
            HostPattern::Name(_) if self.private => Reach::Private,
            HostPattern::Name(name) if name == "localhost" => Reach::Loopback,
            HostPattern::Name(_) => Reach::Public,
        }
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
    fn a_grant_is_written_as_it_is_read() {
        for text in [
            "https://a.b:8443",
            "http://localhost",
            "*.x",
            "[::1]:80",
            "10.0.0.1:1",
        ] {
            assert_eq!(host(text).to_string(), text);
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
    }
}
