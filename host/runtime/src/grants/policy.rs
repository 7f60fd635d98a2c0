//! The policy of the sandbox on one page: what each grant opens. Everything that is not granted is denied.
//!
//! | a component wants to | it may, if | without that | asked in |
//! | --- | --- | --- | --- |
//! | send a request | `hosts` covers scheme, name and port; the name stands for an address of the internet, or `private-hosts` covers it | error `HTTP-request-denied`, `destination-IP-prohibited` | `http` |
//! | have a request signed for AWS | `aws-services` names the service | error `HTTP-request-denied` | `http` |
//! | have a secret set in a request | `secrets` names it, and its own `hosts` cover the destination | the host answers 403 | `http` |
//! | read a secret | `readable-secrets` names it | `not-granted` | `secrets` |
//! | look a name up | `addresses` names it | `access-denied` | `sockets` |
//! | connect, or send a datagram | `addresses` names the address, or a name that stands for it, and the port; for an address of the own network, `private-addresses` | `access-denied` | `sockets` |
//! | listen, or take a port of its choice | never | `access-denied` | `sockets` |
//! | show a certificate of the device | `tls-identities` has one for the server | none is shown | `tls` |
//! | open a file | it lies in one of `folders`, links included; to change it, with `write` | `not-permitted` | `files` |
//! | append to a stream, read one | `append`, `read` fit its name | `not-granted` | `streams` |
//!
//! Every component has clocks, random numbers, the log, and what it remembers of its own work. None has
//! the host's arguments, variables, working folder, input, or processes. Arguments and variables of a
//! producer are those that the configuration writes down for it.
//!
//! What is denied is said in the log (`PluginLog::refuse`). How much of everything a component may take
//! is not a matter of grants: see [`Limits`](crate::Limits) and [`crate::sandbox`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::{AddressGrant, Grants, HostGrant, Scheme};
use crate::http::Reach;
use crate::secrets::SecretName;
use crate::tls::TlsIdentity;

impl Grants {
    /// Which addresses this host may stand for in a request; none if there may be no request.
    pub(crate) fn requests(&self, scheme: Scheme, host: &str, port: u16) -> Option<Reach> {
        let hosts = self.hosts.iter();
        let covering = hosts.filter(|grant| grant.covers(scheme, host, port));
        covering.map(HostGrant::reach).max()
    }

    /// Whether requests are signed for an AWS service.
    pub(crate) fn signs_for(&self, service: &str) -> bool {
        self.aws_services.iter().any(|granted| granted == service)
    }

    /// Whether the host sets a secret in requests; where it may go, the secret itself says.
    pub(crate) fn sends_secret(&self, name: &SecretName) -> bool {
        self.secrets.contains(name)
    }

    /// The secret of this name, if the component may read it.
    pub(crate) fn reads_secret(&self, name: &str) -> Option<&SecretName> {
        self.readable_secrets
            .iter()
            .find(|granted| granted.as_str() == name)
    }

    /// Whether there may be sockets at all.
    pub(crate) fn makes_sockets(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// Which addresses a name may stand for; none if it may not be looked up.
    pub(crate) fn looks_up(&self, name: &str) -> Option<Reach> {
        let grants = self.addresses.iter().filter(|grant| grant.is_named(name));
        grants.map(AddressGrant::reach).max()
    }

    /// Whether a socket may connect or send to an address; `stands_for` says what names stand for.
    pub(crate) fn connects(
        &self,
        address: SocketAddr,
        stands_for: impl Fn(&str, IpAddr) -> bool,
    ) -> bool {
        self.addresses.iter().any(|grant| match grant.name() {
            None => grant.matches(address),
            Some(name) => {
                grant.covers_port(address.port())
                    && grant.reach().allows(address.ip())
                    && stands_for(name, address.ip())
            }
        })
    }

    /// Whether a socket may be bound: only to where the system puts it anyway.
    pub(crate) fn binds(address: SocketAddr) -> bool {
        address.ip().is_unspecified() && address.port() == 0
    }

    /// The certificate that is shown to a server.
    pub(crate) fn shows(&self, server: &str) -> Option<&Arc<TlsIdentity>> {
        self.tls_identities
            .iter()
            .find(|identity| identity.servers.iter().any(|name| name.matches(server)))
    }

    /// Whether a stream may be appended to.
    pub(crate) fn appends_to(&self, stream: &str) -> bool {
        self.append.iter().any(|granted| granted.matches(stream))
    }

    /// Whether a stream may be read.
    pub(crate) fn reads(&self, stream: &str) -> bool {
        self.read.iter().any(|granted| granted.matches(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_grants_everything_is_denied() {
        let none = Grants::default();
        let address = "1.1.1.1:443".parse().unwrap();
        assert_eq!(none.requests(Scheme::Https, "a.example", 443), None);
        assert!(!none.signs_for("kinesis"));
        assert!(!none.sends_secret(&"token".parse().unwrap()));
        assert_eq!(none.reads_secret("token"), None);
        assert_eq!(none.looks_up("a.example"), None);
        assert!(!none.makes_sockets());
        assert!(!none.connects(address, |_, _| true));
        assert!(!Grants::binds(address));
        assert!(none.shows("a.example").is_none());
        assert!(none.folders.is_empty());
        assert!(!none.appends_to("s"));
        assert!(!none.reads("s"));
    }

    #[test]
    fn each_grant_opens_its_own_door_alone() {
        let name: SecretName = "token".parse().unwrap();
        let sent = Grants {
            secrets: vec![name.clone()],
            ..Grants::default()
        };
        assert!(sent.sends_secret(&name));
        assert_eq!(sent.reads_secret("token"), None);
        let read = Grants {
            readable_secrets: vec![name.clone()],
            ..Grants::default()
        };
        assert!(!read.sends_secret(&name));
        assert_eq!(read.reads_secret("token"), Some(&name));
        assert_eq!(read.reads_secret("Token"), None);
        let appending = Grants {
            append: vec![crate::StreamPattern::new("s")],
            ..Grants::default()
        };
        assert!(appending.appends_to("s"));
        assert!(!appending.reads("s"));
        let hosts = Grants {
            hosts: vec!["a.example".parse().unwrap()],
            ..Grants::default()
        };
        assert!(hosts.requests(Scheme::Http, "a.example", 80).is_some());
        assert_eq!(hosts.looks_up("a.example"), None);
        assert!(!hosts.connects("1.1.1.1:80".parse().unwrap(), |_, _| true));
    }
}
