//! Signatures for AWS (Signature Version 4).
//!
//! A guest asks for one with the header `x-millstream-aws-sign: SERVICE/REGION` (`wit/exporter.wit`).

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign as sign_request,
};
use aws_sigv4::sign::v4;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};

const ASK: HeaderName = HeaderName::from_static("x-millstream-aws-sign");

/// Headers that carry credentials or belong to a signature: a guest's own are removed.
const OWNED_BY_HOST: [HeaderName; 4] = [
    header::AUTHORIZATION,
    HeaderName::from_static("x-amz-security-token"),
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-content-sha256"),
];

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
    pub(super) fn take(headers: &mut HeaderMap) -> Result<Option<Self>, String> {
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

/// Signs a request whose URI is absolute; the error says why it cannot be signed.
pub(super) fn sign(
    parts: &mut Parts,
    body: &[u8],
    scope: &SigningScope,
    credentials: Credentials,
    time: SystemTime,
) -> Result<(), String> {
    for name in OWNED_BY_HOST {
        parts.headers.remove(name);
    }
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&scope.region)
        .name(&scope.service)
        .time(time)
        .settings(settings(&scope.service))
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
        SignableBody::Bytes(body),
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

/// The rules of all services, and of S3, which signs the path as it is and wants the hash of the
/// body in a header.
fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if matches!(service, "s3" | "s3-outposts" | "s3express") {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    settings
}

#[cfg(test)]
mod tests;
