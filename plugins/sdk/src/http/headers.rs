//! The headers of a configuration: those that are sent as they stand, and those with secrets, which the
//! host fills in.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Deserialize;
use serde_json::Value;

use crate::ConfigError;
use crate::secrets::SecretName;

/// What an exporter and the host say about a request begins so.
const OURS: &str = "x-millstream-";
/// Asks the host for a header with a secret (`wit/exporter.wit`).
const SECRET: HeaderName = HeaderName::from_static("x-millstream-secret");
/// Asks the host for a header with a signature of the body (`wit/exporter.wit`).
const HMAC: HeaderName = HeaderName::from_static("x-millstream-hmac");

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

/// A text. In an address such as `plugin:http?headers.x-id=17` a number is easily meant as one, so the
/// error says how to write it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub struct Text(pub String);

impl TryFrom<Value> for Text {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(Self(text)),
            other => Err(format!(
                "{other} is no text; put it in quotation marks (%22 in a `plugin:` address)"
            )),
        }
    }
}

/// The name of a header that a plugin or its configuration may set.
///
/// # Errors
///
/// It is no name, or not one to be set; a sentence says why.
pub fn settable(name: &str) -> Result<HeaderName, String> {
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
    Ok(name)
}

/// The headers that stand in a configuration under the key `headers`.
///
/// # Errors
///
/// One cannot be sent, by its name.
pub fn configured(headers: &BTreeMap<String, Text>) -> Result<HeaderMap, ConfigError> {
    let mut checked = HeaderMap::new();
    let mut bytes = 0;
    for (name, Text(value)) in headers {
        let wrong = |message: String| ConfigError::field(format!("headers.{name}"), message);
        let name = settable(name).map_err(wrong)?;
        let value: HeaderValue = value.parse().map_err(|_| {
            wrong(format!(
                "The value of `{name}` has characters that a header cannot have."
            ))
        })?;
        bytes += name.as_str().len() + value.len();
        if checked.insert(&name, value).is_some() {
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
    Ok(checked)
}

/// Adds what stands in a configuration under the keys `bearer`, the name of a secret, and
/// `secretHeaders`, texts with secrets in braces.
///
/// # Errors
///
/// One cannot be asked for, by its name.
pub fn add_secrets(
    headers: &mut HeaderMap,
    bearer: Option<&SecretName>,
    secret_headers: &BTreeMap<String, Text>,
) -> Result<(), ConfigError> {
    let mut asked = Vec::new();
    if let Some(secret) = bearer {
        ask_for_secret(
            headers,
            &header::AUTHORIZATION,
            &format!("Bearer {{{secret}}}"),
        )
        .map_err(|message| ConfigError::field("bearer", message))?;
        asked.push(header::AUTHORIZATION);
    }
    for (name, Text(template)) in secret_headers {
        let wrong = |message: String| ConfigError::field(format!("secretHeaders.{name}"), message);
        let name = settable(name).map_err(wrong)?;
        if headers.contains_key(&name) || asked.contains(&name) {
            return Err(wrong(format!(
                "The header `{name}` is set in another place too; keep one."
            )));
        }
        if !template.contains('{') {
            return Err(wrong(format!(
                "`{name}` has no place for a secret, such as {{NAME}}; a header without one belongs \
                 into `headers`."
            )));
        }
        ask_for_secret(headers, &name, template).map_err(wrong)?;
        asked.push(name);
    }
    Ok(())
}

/// Asks the host to set a header to a text with the places `{NAME}` and `{basic:USER:NAME}`.
///
/// # Errors
///
/// The text has characters that a header cannot have.
pub fn ask_for_secret(
    headers: &mut HeaderMap,
    header: &HeaderName,
    template: &str,
) -> Result<(), String> {
    ask(headers, SECRET, header, template)
}

/// Asks the host to set a header to a text with the place `{ENCODING:KEY:PREFIX}`, a signature of the
/// prefix and the body.
///
/// # Errors
///
/// The text has characters that a header cannot have.
pub fn ask_for_signature(
    headers: &mut HeaderMap,
    header: &HeaderName,
    template: &str,
) -> Result<(), String> {
    ask(headers, HMAC, header, template)
}

fn ask(
    headers: &mut HeaderMap,
    kind: HeaderName,
    header: &HeaderName,
    template: &str,
) -> Result<(), String> {
    let plain = template.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let value = HeaderValue::try_from(format!("{header} {template}"));
    match value {
        Ok(value) if plain => {
            headers.append(kind, value);
            Ok(())
        }
        _ => Err(format!("The text of `{header}` must be plain ASCII.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, Text> {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), Text((*value).to_owned()));
        pairs.iter().map(text).collect()
    }

    #[test]
    fn headers_are_taken_as_they_stand() {
        let headers = configured(&texts(&[("X-Key", "a b"), ("Content-Type", "text/plain")]));
        let headers = headers.unwrap();
        assert_eq!(headers["x-key"], "a b");
        assert_eq!(headers["content-type"], "text/plain");
        assert_eq!(headers.len(), 2);
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
            let error = configured(&texts(&[(name, value)])).unwrap_err();
            assert_eq!(error.field.unwrap(), format!("headers.{name}"));
        }
        let error = configured(&texts(&[("X-A", "1"), ("x-a", "2")])).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("headers.x-a"));
    }

    #[test]
    fn more_headers_than_a_server_takes_are_refused() {
        let long = "x".repeat(MAX_BYTES - 3);
        assert!(configured(&texts(&[("x-a", &long)])).is_ok());
        let error = configured(&texts(&[("x-a", &long), ("b", "")])).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("headers"));
    }

    #[test]
    fn secrets_are_asked_for_by_name() {
        let mut headers = HeaderMap::new();
        let token: SecretName = "token".to_owned().try_into().unwrap();
        let more = texts(&[("X-Api-Key", "{key}"), ("x-b", "Basic {basic:me:pass}")]);
        add_secrets(&mut headers, Some(&token), &more).unwrap();
        let asked: Vec<_> = headers.get_all(SECRET).iter().collect();
        assert_eq!(
            asked,
            [
                "authorization Bearer {token}",
                "x-api-key {key}",
                "x-b Basic {basic:me:pass}"
            ]
        );
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn a_secret_header_that_cannot_be_is_named() {
        let token: SecretName = "token".to_owned().try_into().unwrap();
        let plain = texts(&[("X-Plain", "a")]);
        for (name, template) in [
            ("Authorization", "Token {token}"),
            ("x-plain", "{token}"),
            ("x-a", "no place"),
            ("host", "{token}"),
            ("x-a", "{token}\r\nhost: evil"),
            ("x-a", "{tökn}"),
        ] {
            let mut headers = configured(&plain).unwrap();
            let more = texts(&[(name, template)]);
            let error = add_secrets(&mut headers, Some(&token), &more).unwrap_err();
            assert_eq!(error.field.unwrap(), format!("secretHeaders.{name}"));
        }
    }
}
