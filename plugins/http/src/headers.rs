//! The headers of every request: those of the configuration and those of this exporter.

use std::collections::BTreeMap;

use millstream_plugin::ConfigError;
use millstream_plugin::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::config::{Format, Text};

/// The stream whose messages a request carries.
const STREAM: HeaderName = HeaderName::from_static("x-millstream-stream");
/// What this exporter and the host say about a request begins so.
const OURS: &str = "x-millstream-";

/// Bytes of all names and values of the configuration; more than servers take, and less than the host
/// lets a component keep.
const MAX_BYTES: usize = 16 << 10;

/// Headers that belong to the connection (RFC 9110, section 7.6.1) or follow from the request.
const OWNED_BY_CONNECTION: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Puts together what all requests of an export have in common.
///
/// # Errors
///
/// A header of the configuration that cannot be sent, by its name.
pub(crate) fn common(
    stream_name: &str,
    format: Format,
    configured: &BTreeMap<String, Text>,
) -> Result<HeaderMap, ConfigError> {
    let mut headers = HeaderMap::new();
    let content_type = match format {
        Format::Raw => "application/octet-stream",
        Format::Json => "application/json",
    };
    let mut bytes = 0;
    for (name, Text(value)) in configured {
        let wrong = |message: String| ConfigError::field(format!("headers.{name}"), message);
        let (name, value) = checked(name, value).map_err(wrong)?;
        bytes += name.as_str().len() + value.len();
        if headers.insert(&name, value).is_some() {
            return Err(wrong(format!(
                "The header `{name}` is there twice, in two spellings; keep one."
            )));
        }
    }
    if bytes > MAX_BYTES {
        return Err(ConfigError::field(
            "headers",
            format!("All headers together have {bytes} bytes; at most {MAX_BYTES} can be sent."),
        ));
    }
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static(content_type));
    let stream = HeaderValue::from_str(stream_name).map_err(|_| {
        ConfigError::whole(format!(
            "The name of the stream, {stream_name:?}, cannot stand in the header `{STREAM}`."
        ))
    })?;
    headers.insert(STREAM, stream);
    Ok(headers)
}

fn checked(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let name: HeaderName = name
        .parse()
        .map_err(|_| format!("`{name}` cannot be the name of a header."))?;
    if OWNED_BY_CONNECTION.contains(&name.as_str()) {
        return Err(format!(
            "The header `{name}` belongs to the connection; leave it out."
        ));
    }
    if name.as_str().starts_with(OURS) {
        return Err(format!(
            "Headers that begin with `{OURS}` are set by Millstream; leave `{name}` out."
        ));
    }
    let value = value
        .parse()
        .map_err(|_| format!("The value of `{name}` has characters that a header cannot have."))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(configured: &[(&str, &str)]) -> Result<HeaderMap, ConfigError> {
        let configured = configured
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Text((*value).to_owned())))
            .collect();
        common("my stream", Format::Raw, &configured)
    }

    #[test]
    fn a_request_names_its_stream_and_the_type_of_its_body() {
        let raw = headers(&[("X-Key", "a b")]).unwrap();
        assert_eq!(raw["content-type"], "application/octet-stream");
        assert_eq!(raw["x-millstream-stream"], "my stream");
        assert_eq!(raw["x-key"], "a b");
        assert_eq!(raw.len(), 3);
        let json = common("s", Format::Json, &BTreeMap::new()).unwrap();
        assert_eq!(json["content-type"], "application/json");
    }

    #[test]
    fn the_configuration_may_say_another_type() {
        let own = headers(&[("Content-Type", "text/plain")]).unwrap();
        assert_eq!(own["content-type"], "text/plain");
        assert_eq!(own.len(), 2);
    }

    #[test]
    fn headers_that_cannot_be_sent_are_named() {
        for (name, value) in [
            ("Host", "a"),
            ("Content-Length", "1"),
            ("Connection", "close"),
            ("Transfer-Encoding", "chunked"),
            ("X-Millstream-Stream", "other"),
            ("x-millstream-aws-sign", "kinesis/eu-central-1"),
            ("a b", "c"),
            ("", "c"),
            ("x-a", "line\r\nhost: evil"),
            ("x-a", "\0"),
        ] {
            let error = headers(&[(name, value)]).unwrap_err();
            assert_eq!(error.field.unwrap(), format!("headers.{name}"));
        }
        let error = headers(&[("X-A", "1"), ("x-a", "2")]).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("headers.x-a"));
    }

    #[test]
    fn more_headers_than_a_server_takes_are_refused() {
        let long = "x".repeat(MAX_BYTES - 3);
        assert!(headers(&[("x-a", &long)]).is_ok());
        let error = headers(&[("x-a", &long), ("b", "")]).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("headers"));
    }
}
