//! Where a broker is.

use std::fmt;

use millstream_plugin::tcp::Server;

/// A host and a port, as a configuration or a broker names them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    /// A name or an address; an IPv6 address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// Reads `HOST:PORT`; none if it is something else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = match host.strip_prefix('[') {
            Some(address) => address.strip_suffix(']')?,
            None if host.contains(':') => return None,
            None => host,
        };
        let port = port.parse().ok().filter(|port| *port > 0)?;
        let is_host = !host.is_empty()
            && host
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || ".-_:".contains(letter));
        is_host.then(|| Self {
            host: host.to_owned(),
            port,
        })
    }

    /// What to connect to.
    pub(crate) fn server(&self, tls: bool) -> Server {
        Server {
            host: self.host.clone(),
            port: self.port,
            tls,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_an_address() {
        for text in [
            "broker-1.example.com:9092",
            "192.0.2.7:1",
            "[2001:db8::1]:9093",
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Address::parse("[::1]:9092").unwrap().host, "::1");
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "broker",
            ":9092",
            "broker:",
            "broker:0",
            "broker:65536",
            "kafka://broker:9092",
            "::1:9092",
            "[::1:9092",
            "a b:9092",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }
}
