//! Secrets in headers, and signatures with them (`wit/exporter.wit`).
//!
//! A guest says where a secret belongs, in headers that the host takes out of the request:
//! `x-millstream-secret: HEADER TEMPLATE` and `x-millstream-hmac: HEADER TEMPLATE`. A secret is used only
//! if the guest was granted it, and only towards the hosts that stand with the secret itself; so neither
//! a guest nor a mistake in its configuration can send it elsewhere. A request that asks for anything
//! else is not sent. The guest gets an answer in the place of the destination's, so that the reason
//! arrives where an operator looks: in the state of the export.

mod template;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use sha2::Sha256;
use wasmtime_wasi_http::{Error, WasiBody};
use zeroize::Zeroizing;

use super::destination::Destination;
use super::exchange::collect;
use crate::grants::Grants;
use crate::secrets::{SecretName, SecretValue, Secrets};
use template::{Encoding, KeyForm, Piece, Template};

const SECRET: HeaderName = HeaderName::from_static("x-millstream-secret");
const HMAC: HeaderName = HeaderName::from_static("x-millstream-hmac");
/// Marks an answer that this host gives in the place of the destination.
const REFUSED: HeaderName = HeaderName::from_static("x-millstream-refused");

/// Headers that one request may ask for, of both kinds together.
const MAX_ASKED: usize = 8;

/// Who asks, and where the request goes.
pub(super) struct Keeper<'a> {
    /// The table of the configuration that has its grants.
    pub(super) section: &'a str,
    pub(super) grants: &'a Grants,
    pub(super) secrets: &'a Secrets,
    pub(super) destination: &'a Destination,
}

/// Why a request is not sent.
#[derive(Debug)]
pub(super) enum Problem {
    /// Its body did not come, or is too long to be signed.
    Body(Error),
    /// It asks for what it may not have, or cannot have now; a sentence for the operator.
    Refused(String),
}

/// One header that the host is to set.
struct Asked {
    header: HeaderName,
    template: Template,
}

impl Keeper<'_> {
    /// Sets the headers that a request asks for. The body is read only if it is to be signed.
    pub(super) async fn fill(
        &self,
        headers: &mut HeaderMap,
        body: WasiBody,
    ) -> Result<WasiBody, Problem> {
        let plain = take(headers, &SECRET, Template::of_secrets).map_err(Problem::Refused)?;
        let signed = take(headers, &HMAC, Template::of_signatures).map_err(Problem::Refused)?;
        if plain.len() + signed.len() > MAX_ASKED {
            return Err(Problem::Refused(format!(
                "the plugin asks for more than {MAX_ASKED} headers with secrets"
            )));
        }
        let (body, bytes) = match signed.is_empty() {
            true => (body, Bytes::new()),
            false => {
                let bytes = collect(body).await.map_err(Problem::Body)?;
                (whole(bytes.clone()), bytes)
            }
        };
        for asked in plain.into_iter().chain(signed) {
            let value = self.value(&asked.template, &bytes).await;
            headers.insert(asked.header, value.map_err(Problem::Refused)?);
        }
        Ok(body)
    }

    async fn value(&self, template: &Template, body: &[u8]) -> Result<HeaderValue, String> {
        let mut text = Zeroizing::new(Vec::new());
        for piece in &template.0 {
            match piece {
                Piece::Text(part) => text.extend_from_slice(part.as_bytes()),
                Piece::Secret(name) => text.extend_from_slice(self.secret(name).await?.bytes()),
                Piece::Basic { user, name } => {
                    let mut pair = Zeroizing::new(format!("{user}:").into_bytes());
                    pair.extend_from_slice(self.secret(name).await?.bytes());
                    let encoded = Zeroizing::new(STANDARD.encode(&*pair));
                    text.extend_from_slice(encoded.as_bytes());
                }
                Piece::Signature {
                    encoding,
                    form,
                    name,
                    prefix,
                } => {
                    let key = key(*form, name, &self.secret(name).await?)?;
                    let mut mac = Hmac::<Sha256>::new_from_slice(&key)
                        .map_err(|_| format!("the secret `{name}` is no key"))?;
                    mac.update(prefix.as_bytes());
                    mac.update(body);
                    let tag = mac.finalize().into_bytes();
                    let encoded = match encoding {
                        Encoding::Hex => tag.iter().map(|byte| format!("{byte:02x}")).collect(),
                        Encoding::Base64 => STANDARD.encode(tag),
                    };
                    text.extend_from_slice(encoded.as_bytes());
                }
            }
        }
        // The header is a copy that lives as long as the request.
        let mut value = HeaderValue::from_bytes(&text).map_err(|_| {
            let names: Vec<_> = template.secrets().map(ToString::to_string).collect();
            format!(
                "the secret `{}` has bytes that no header can carry, such as a line end",
                names.join("`, `")
            )
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// A secret that this guest may send to this destination.
    async fn secret(&self, name: &SecretName) -> Result<SecretValue, String> {
        let section = self.section;
        if !self.grants.sends_secret(name) {
            return Err(format!(
                "the secret `{name}` is not granted; to allow it, add it to \
                 `[{section}] secrets = [\"{name}\"]`"
            ));
        }
        let secret = self.secrets.find(name).ok_or_else(|| {
            format!("there is no secret `{name}`; declare it in `[secrets.{name}]`")
        })?;
        let destination = self.destination;
        if !destination.is_within(&secret.hosts) {
            return Err(format!(
                "the secret `{name}` may not be sent to {destination}; if that is right, add it to \
                 `[secrets.{name}] hosts = [\"{destination}\"]`"
            ));
        }
        let value = secret.value().await;
        value.map_err(|error| format!("the secret `{name}` is not there: {error}"))
    }
}

/// The key that a secret stands for.
fn key(
    form: KeyForm,
    name: &SecretName,
    secret: &SecretValue,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let bytes = secret.bytes();
    let key = match form {
        KeyForm::Plain => bytes.to_vec(),
        KeyForm::Whsec => {
            let encoded = bytes.strip_prefix(b"whsec_").unwrap_or(bytes);
            STANDARD.decode(encoded).map_err(|_| {
                format!("the secret `{name}` is not a key in base64 behind `whsec_`")
            })?
        }
    };
    Ok(Zeroizing::new(key))
}

/// Takes all headers of one kind out of a request; the error says what is wrong with one.
fn take(
    headers: &mut HeaderMap,
    kind: &HeaderName,
    parse: fn(&str) -> Result<Template, String>,
) -> Result<Vec<Asked>, String> {
    let values: Vec<HeaderValue> = headers.get_all(kind).iter().cloned().collect();
    headers.remove(kind);
    let asked = values.iter().map(|value| {
        let text = value.to_str().map_err(|_| "it is not plain text")?;
        let (header, template) = text
            .split_once(' ')
            .ok_or("it is not HEADER and TEMPLATE with a space between")?;
        let header: HeaderName = header
            .parse()
            .map_err(|_| format!("`{header}` is not the name of a header"))?;
        if is_reserved(&header) {
            return Err(format!("the header `{header}` is not a plugin's to set"));
        }
        let template = parse(template)?;
        Ok(Asked { header, template })
    });
    asked
        .collect::<Result<_, String>>()
        .map_err(|problem| format!("the header `{kind}` of the plugin is wrong: {problem}"))
}

/// Headers of the connection (RFC 9110, section 7.6.1), of the message's own shape, and the host's.
fn is_reserved(header: &HeaderName) -> bool {
    const RESERVED: [HeaderName; 9] = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::HOST,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    RESERVED.contains(header)
        || ["keep-alive", "proxy-connection", "http2-settings"].contains(&header.as_str())
        || header.as_str().starts_with("x-millstream-")
}

/// The answer to a request that was not sent.
pub(super) fn refusal(reason: &str) -> Response<WasiBody> {
    let text = format!("The host did not send the request: {reason}.");
    let mut answer = Response::new(whole(Bytes::from(text)));
    *answer.status_mut() = StatusCode::FORBIDDEN;
    let headers = answer.headers_mut();
    headers.insert(REFUSED, HeaderValue::from_static("secret"));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    answer
}

fn whole(bytes: Bytes) -> WasiBody {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

#[cfg(test)]
mod tests;
