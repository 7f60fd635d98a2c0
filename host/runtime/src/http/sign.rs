//! Signatures for AWS (Signature Version 4).
//!
//! A guest asks for one with the header `x-millstream-aws-sign: SERVICE/REGION` (`wit/exporter.wit`).
//! Usually the hash of the body is signed with the rest; `payload` tells the cases where it is not.

mod payload;

use std::borrow::Cow;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign as sign_request,
};
use aws_sigv4::sign::v4;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};

pub(super) use payload::Payload;

const ASK: HeaderName = HeaderName::from_static("x-millstream-aws-sign");

/// Headers that carry credentials or belong to a signature: a guest's own are removed.
const OWNED_BY_HOST: [HeaderName; 4] = [
    header::AUTHORIZATION,
    HeaderName::from_static("x-amz-security-token"),
    HeaderName::from_static("x-amz-date"),
    payload::CONTENT_SHA256,
];

/// Headers that a proxy may change or take away, so they are not signed; those that botocore leaves
/// out too.
const UNSIGNED: [&str; 14] = [
    "baggage",
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
];

/// What a guest asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) scope: SigningScope,
    pub(super) payload: Payload,
}

impl Wish {
    /// Takes the headers of the wish out of a request. None if the request does not ask for a
    /// signature; the error says what is wrong with them.
    pub(super) fn take(headers: &mut HeaderMap) -> Result<Option<Self>, String> {
        let scope = SigningScope::take(headers);
        let payload = Payload::take(headers);
        Ok(match scope? {
            Some(scope) => Some(Self {
                scope,
                payload: payload?,
            }),
            None => None,
        })
    }
}

/// What a request is to be signed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SigningScope {
    /// The service's name in signatures.
    pub(super) service: String,
    /// The service's region.
    pub(super) region: String,
}

impl SigningScope {
    /// Takes the header out of a request. None if the request does not ask for a signature; the
    /// error says what is wrong with the header.
    fn take(headers: &mut HeaderMap) -> Result<Option<Self>, String> {
        let asked: Vec<HeaderValue> = headers.get_all(ASK).iter().cloned().collect();
        headers.remove(ASK);
        let value = match asked.as_slice() {
            [] => return Ok(None),
            [value] => value.to_str().ok(),
            _ => None,
        };
        value
            .and_then(|value| value.split_once('/'))
            .filter(|(service, region)| is_scope_part(service) && is_scope_part(region))
            .map(|(service, region)| {
                Some(Self {
                    service: service.into(),
                    region: region.into(),
                })
            })
            .ok_or_else(|| format!("its header `{ASK}` is not one value SERVICE/REGION"))
    }
}

fn is_scope_part(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Signs a request whose URI is absolute; the error says why it cannot be signed. The body does not
/// matter unless its hash is to be signed.
pub(super) fn sign(
    parts: &mut Parts,
    body: &[u8],
    wish: &Wish,
    credentials: Credentials,
    time: SystemTime,
) -> Result<(), String> {
    for name in OWNED_BY_HOST {
        parts.headers.remove(name);
    }
    if has_query_beyond_text(parts) {
        return Err("its query is not UTF-8".into());
    }
    let (scope, payload) = (&wish.scope, wish.payload);
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&scope.region)
        .name(&scope.service)
        .time(time)
        .settings(settings(&scope.service, payload))
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let uri = parts.uri.to_string();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| match value.to_str() {
            Ok(value) => Ok((name.as_str(), value)),
            Err(_) => Err(format!("its header `{name}` is not plain text")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let request = SignableRequest::new(
        parts.method.as_str(),
        uri.as_str(),
        headers.into_iter(),
        payload.signable(body),
    )
    .map_err(|error| error.to_string())?;
    let (instructions, _signature) = sign_request(request, &params)
        .map_err(|error| error.to_string())?
        .into_parts();
    let (signed, _query) = instructions.into_parts();
    for signed in signed {
        let mut value = HeaderValue::from_str(signed.value()).map_err(|error| error.to_string())?;
        value.set_sensitive(signed.sensitive());
        parts
            .headers
            .insert(HeaderName::from_static(signed.name()), value);
    }
    Ok(())
}

/// The rules of all services, and of S3, which signs the path as it is and wants to be told in a
/// header what was signed of the body. So do others if it was not the hash.
fn settings(service: &str, payload: Payload) -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.excluded_headers = Some(UNSIGNED.map(Cow::Borrowed).to_vec());
    if is_s3(service) {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    if is_s3(service) || payload != Payload::Signed {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    settings
}

/// Whether a service goes by the rules of S3.
pub(super) fn is_s3(service: &str) -> bool {
    matches!(
        service,
        "s3" | "s3-object-lambda" | "s3-outposts" | "s3express"
    )
}

/// Whether the query stands for bytes that are no text: the signer would take other ones for them, and
/// the service would refuse the signature.
fn has_query_beyond_text(parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).any(|(key, value)| {
        let replaced = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
        replaced(&key) || replaced(&value)
    })
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
