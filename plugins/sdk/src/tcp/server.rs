//! Where connections go.

use std::fmt;
use std::net::Ipv6Addr;

/// The address of a server, checked as far as it can be without connecting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A name or an address; an IPv6 address without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    /// Whether the connection is one over TLS.
    pub tls: bool,
}

impl Server {
    /// Reads `[scheme://]host[:port]`.
    ///
    /// Each known scheme says whether it means TLS, and which port is usual; the first one is meant where
    /// there is none.
    ///
    /// # Errors
    ///
    /// What would be right, as the end of a sentence.
    pub fn parse(text: &str, schemes: &[(&str, bool, u16)]) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, text),
        };
        let known = schemes
            .iter()
            .find(|(known, ..)| scheme.is_none_or(|scheme| scheme.eq_ignore_ascii_case(known)));
        let Some((shown, tls, usual)) = known else {
            let schemes: Vec<_> = schemes.iter().map(|(scheme, ..)| *scheme).collect();
            return Err(format!(
                "an address begins with one of these schemes, or none: {}",
                schemes.join(", ")
            ));
        };
        let shape = || format!("an address looks like `{shown}://broker.example.com:{usual}`");
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(format!(
                "{}, without a user; credentials have a place of their own",
                shape()
            ));
        }
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(shape)?)),
            None if rest.parse::<Ipv6Addr>().is_ok() => (rest, None),
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = match port {
            None => *usual,
            Some(port) => port
                .parse()
                .ok()
                .filter(|&port| port != 0)
                .ok_or_else(|| format!("{}; the port lies between 1 and 65535", shape()))?,
        };
        let is_address = host.parse::<Ipv6Addr>().is_ok();
        let is_name = |host: &str| {
            !rest.starts_with('[')
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        };
        if host.is_empty() || !(is_name(host) || is_address) {
            return Err(shape());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            tls: *tls,
        })
    }
}

/// As an operator grants it: `host:port`.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}
