//! Where requests go.

use std::fmt;

use http::Uri;
use serde::Deserialize;

/// The address of a server, checked as far as it can be without calling it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address {
    /// How the server is spoken to.
    pub scheme: Scheme,
    /// Host and port, without a user.
    pub authority: String,
    /// At least `/`.
    pub path_with_query: String,
}

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Address {
    /// What an operator has to grant, as it is written in `hosts`.
    pub fn grant(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        format!("{scheme}://{}", self.authority)
    }

    /// The same server with another path, which begins with `/` and may have a query.
    #[must_use]
    pub fn with_path(&self, path_with_query: impl Into<String>) -> Self {
        Self {
            scheme: self.scheme,
            authority: self.authority.clone(),
            path_with_query: path_with_query.into(),
        }
    }

    /// The whole address, query included: where keys may stand, so not for operators.
    pub fn url(&self) -> String {
        format!("{}{}", self.grant(), self.path_with_query)
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        const SHAPE: &str = "an address looks like `https://host/path` or `http://host:port/path`";
        if text.contains('#') {
            return Err(format!("{SHAPE}, without a `#`"));
        }
        if !text.is_ascii() {
            return Err(format!(
                "{SHAPE}; other letters are percent-encoded, or `xn--` names"
            ));
        }
        let uri: Uri = text
            .parse()
            .map_err(|error| format!("{SHAPE}; this one is wrong: {error}"))?;
        let scheme = match uri.scheme_str() {
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
            _ => return Err(SHAPE.to_owned()),
        };
        let authority = uri.authority().ok_or(SHAPE)?;
        if authority.as_str().contains('@') {
            return Err(format!(
                "{SHAPE}, without a user; credentials have a place of their own"
            ));
        }
        let host = authority.host();
        let port = authority.as_str().get(host.len()..).unwrap_or_default();
        let port_is_right = port.is_empty()
            || port
                .strip_prefix(':')
                .is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
        if host.is_empty() || !port_is_right {
            return Err(format!("{SHAPE}; the port lies between 1 and 65535"));
        }
        Ok(Self {
            scheme,
            authority: authority.to_string(),
            path_with_query: uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), ToString::to_string),
        })
    }
}

/// For operators: without the query, where keys and tokens stand.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path_with_query.split('?').next().unwrap_or_default();
        write!(f, "{}{path}", self.grant())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Result<Address, String> {
        Address::try_from(text.to_owned())
    }

    #[test]
    fn an_address_is_taken_apart() {
        let whole = address("https://example.com:8443/in/x?key=secret&a=b").unwrap();
        assert_eq!(whole.scheme, Scheme::Https);
        assert_eq!(whole.authority, "example.com:8443");
        assert_eq!(whole.path_with_query, "/in/x?key=secret&a=b");
        assert_eq!(whole.grant(), "https://example.com:8443");
        assert_eq!(whole.to_string(), "https://example.com:8443/in/x");

        let bare = address("HTTP://[::1]:81").unwrap();
        assert_eq!(bare.scheme, Scheme::Http);
        assert_eq!(bare.authority, "[::1]:81");
        assert_eq!(bare.path_with_query, "/");
        assert_eq!(address("http://a?b").unwrap().path_with_query, "/?b");
    }

    #[test]
    fn what_no_request_can_go_to_is_refused() {
        for text in [
            "",
            "example.com",
            "/in",
            "ftp://a",
            "plugin:http",
            "http://",
            "http:///in",
            "http://a b",
            "http://a/ü",
            "http://a/\r\nx: y",
            "http://user:word@a/",
            "http://a/#part",
            "http://a:",
            "http://a:0",
            "http://a:65536",
            "http://:80",
        ] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
