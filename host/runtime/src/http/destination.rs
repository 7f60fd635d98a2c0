//! Where a request goes, and whether a grant covers it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use http::Uri;
use http::uri::{Authority, PathAndQuery};
use wasmtime_wasi_http::Error;

use super::address::Reach;
use crate::grants::{Grants, HostGrant, Scheme};

/// A request's destination in one spelling, so that what is checked, signed and connected to is the
/// same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    scheme: Scheme,
    /// In lower case; an IPv6 address without brackets.
    host: String,
    port: u16,
}

impl Destination {
    /// Takes the destination from an absolute URI. One that names a user is refused, since its host could
    /// be misread, and one with brackets around anything but an address, such as one with a zone.
    pub(super) fn of(uri: &Uri) -> Result<Self, Error> {
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(Error::HttpProtocolError),
        };
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(Error::HttpRequestUriInvalid);
        }
        let host = authority.host().to_ascii_lowercase();
        let host = match host.strip_prefix('[') {
            None => host.as_str(),
            Some(host) => host
                .strip_suffix(']')
                .filter(|address| address.parse::<Ipv6Addr>().is_ok())
                .ok_or(Error::HttpRequestUriInvalid)?,
        };
        // `Authority::port` is none for a missing port and for one out of range alike.
        let port = match authority.as_str().get(authority.host().len()..) {
            Some("") => default_port(scheme),
            Some(port) => port
                .strip_prefix(':')
                .and_then(|port| port.parse().ok())
                .filter(|&port| port != 0)
                .ok_or(Error::HttpRequestUriInvalid)?,
            None => return Err(Error::HttpRequestUriInvalid),
        };
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port,
        })
    }

    /// Which addresses it may stand for; none if there is no grant for it.
    pub(super) fn reach(&self, grants: &Grants) -> Option<Reach> {
        grants.requests(self.scheme, &self.host, self.port)
    }

    /// Whether nobody on the way can change what is sent: over TLS, or within this device.
    pub(super) fn is_protected(&self) -> bool {
        let within = match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host == "localhost",
        };
        self.scheme == Scheme::Https || within
    }

    /// Whether one of these patterns means it, however far it is.
    pub(super) fn is_within(&self, hosts: &[HostGrant]) -> bool {
        let mut hosts = hosts.iter();
        hosts.any(|host| host.covers(self.scheme, &self.host, self.port))
    }

    /// The same URI with the destination spelled in the one way.
    pub(super) fn normalize(&self, uri: Uri) -> Result<Uri, Error> {
        let mut parts = uri.into_parts();
        let authority = Authority::try_from(self.authority());
        parts.authority = Some(authority.map_err(|_| Error::HttpRequestUriInvalid)?);
        parts
            .path_and_query
            .get_or_insert(PathAndQuery::from_static("/"));
        Uri::from_parts(parts).map_err(|_| Error::HttpRequestUriInvalid)
    }

    /// The host, in brackets if it is an IPv6 address, and the port if it is not the usual one.
    pub(super) fn authority(&self) -> String {
        let host = match self.host.parse() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host.clone(),
        };
        if self.port == default_port(self.scheme) {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}

fn default_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(uri: &str) -> Destination {
        Destination::of(&uri.parse().unwrap()).unwrap()
    }

    fn reach(uri: &str, grants: &[&str]) -> Option<Reach> {
        destination(uri).reach(&Grants {
            hosts: grants.iter().map(|text| text.parse().unwrap()).collect(),
            ..Grants::default()
        })
    }

    #[test]
    fn a_destination_has_one_spelling() {
        let uri: Uri = "https://Example.COM:443?q=1".parse().unwrap();
        let normal = Destination::of(&uri).unwrap().normalize(uri).unwrap();
        assert_eq!(normal.to_string(), "https://example.com/?q=1");
        assert_eq!(
            destination("http://[0:0::1]:8080/x").authority(),
            "[::1]:8080"
        );
        assert_eq!(destination("http://a:443").to_string(), "http://a:443");
    }

    #[test]
    fn a_user_in_the_uri_impossible_ports_and_brackets_around_no_address_are_refused() {
        for uri in [
            "https://granted.com@evil.net/",
            "http://[::1%25lo]/",
            "http://[v1.granted]/",
            "http://a:0/",
            "http://a:65536/",
        ] {
            let Ok(uri) = uri.parse() else { continue };
            assert!(Destination::of(&uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn scheme_and_port_of_a_grant_hold_where_they_are_given() {
        assert_eq!(reach("http://a.b:81", &["a.b"]), Some(Reach::Public));
        assert_eq!(reach("http://a.b", &["https://a.b"]), None);
        assert_eq!(
            reach("https://a.b:8443", &["https://a.b:8443"]),
            Some(Reach::Public)
        );
        assert_eq!(reach("https://a.b", &["https://a.b:8443"]), None);
        assert_eq!(reach("https://a.b", &["c.d"]), None);
        assert_eq!(reach("https://a.b", &[]), None);
    }

    #[test]
    fn only_grants_that_say_so_reach_further_than_the_internet() {
        assert_eq!(
            reach("http://localhost:9", &["localhost"]),
            Some(Reach::Loopback)
        );
        assert_eq!(reach("http://localhost:9", &["*"]), Some(Reach::Public));
        assert_eq!(
            reach("http://127.0.0.1:9", &["127.0.0.1"]),
            Some(Reach::Private)
        );
        assert_eq!(reach("http://127.0.0.1:9", &["*.*.*.*"]), None);
        let mut grant: HostGrant = "broker.lan".parse().unwrap();
        grant.private = true;
        assert_eq!(
            destination("http://broker.lan").reach(&Grants {
                hosts: vec![grant],
                ..Grants::default()
            }),
            Some(Reach::Private)
        );
    }
}
