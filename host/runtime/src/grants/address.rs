//! Addresses that sockets may connect or send to.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::{InvalidGrant, is_name_pattern, split_port};
use crate::http::Reach;

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
        /// [`HostGrant::private`](super::HostGrant::private).
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

    /// Which addresses it may mean.
    pub(crate) fn reach(&self) -> Reach {
        match &self.target {
            AddressTarget::Address(_) | AddressTarget::Name { private: true, .. } => Reach::Private,
            AddressTarget::Name { name, .. } if name == "localhost" => Reach::Loopback,
            AddressTarget::Name { .. } => Reach::Public,
        }
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

    #[test]
    fn a_grant_is_written_as_it_is_read() {
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
    fn what_is_no_address_is_refused_with_a_reason() {
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
