//! Signatures of webhooks: how a receiver knows that a request comes from whoever knows the secret.
//!
//! All are an HMAC-SHA256 of the body and of what stands before it. The host computes it
//! (`x-millstream-hmac`, `wit/exporter.wit`); here is only which header it goes into and what it covers.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use millstream_plugin::ConfigError;
use millstream_plugin::http::headers::{Text, ask_for_signature, settable};
use millstream_plugin::http::{HeaderMap, HeaderName, HeaderValue};
use millstream_plugin::secrets::SecretName;
use serde::Deserialize;

/// The keys under `signature`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Keys {
    style: Style,
    secret: Option<SecretName>,
    header: Option<Text>,
    template: Option<Text>,
    id_header: Option<Text>,
    timestamp_header: Option<Text>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Style {
    /// `x-hub-signature-256: sha256=HEX`, over the body.
    Github,
    /// `x-signature: t=SECONDS,v1=HEX`, over `SECONDS.BODY`, as Stripe does.
    Timestamp,
    /// Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp` and `webhook-signature: v1,BASE64`, over
    /// `ID.SECONDS.BODY`.
    StandardWebhooks,
    /// As `header` and `template` say.
    Custom,
}

/// How requests are signed. `{id}` and `{timestamp}` in the template are filled in here, the rest by the
/// host.
#[derive(Debug)]
pub(crate) struct Signature {
    header: HeaderName,
    template: String,
    id_header: Option<HeaderName>,
    timestamp_header: Option<HeaderName>,
}

impl Keys {
    /// Checks them against the style.
    ///
    /// # Errors
    ///
    /// The key that is missing, wrong or without meaning, by its path.
    pub(crate) fn resolve(self) -> Result<Signature, ConfigError> {
        let field = |key: &str, message: &str| {
            ConfigError::field(format!("signature.{key}"), message.to_owned())
        };
        let name = |key: &str, text: Text| settable(&text.0).map_err(|why| field(key, &why));
        let optional = |key: &str, text: Option<Text>| text.map(|text| name(key, text)).transpose();

        if self.style == Style::Custom {
            if self.secret.is_some() {
                return Err(field(
                    "secret",
                    "The style `custom` names it in `template`.",
                ));
            }
            let header = self.header.ok_or_else(|| {
                field("header", "The style `custom` needs the header that is set.")
            })?;
            let template = self.template.ok_or_else(|| {
                field(
                    "template",
                    "The style `custom` needs it, such as `sha256={hex:NAME}`.",
                )
            })?;
            let signature = Signature {
                header: name("header", header)?,
                template: template.0,
                id_header: optional("idHeader", self.id_header)?,
                timestamp_header: optional("timestampHeader", self.timestamp_header)?,
            };
            // What cannot be a header shows now and not at the first message.
            let mut trial = HeaderMap::new();
            signature
                .add_to(&mut trial, "id", SystemTime::UNIX_EPOCH)
                .map_err(|why| field("template", &why))?;
            return Ok(signature);
        }
        for (key, given) in [
            ("template", self.template.is_some()),
            ("idHeader", self.id_header.is_some()),
            ("timestampHeader", self.timestamp_header.is_some()),
        ] {
            if given {
                return Err(field(key, "Only the style `custom` has it."));
            }
        }
        let secret = self.secret.ok_or_else(|| {
            field(
                "secret",
                "This style needs the name of the secret that is the key.",
            )
        })?;
        let fixed = |name| Some(HeaderName::from_static(name));
        let (header, template, id_header, timestamp_header) = match self.style {
            Style::Github => (
                "x-hub-signature-256",
                format!("sha256={{hex:{secret}}}"),
                None,
                None,
            ),
            Style::Timestamp => (
                "x-signature",
                format!("t={{timestamp}},v1={{hex:{secret}:{{timestamp}}.}}"),
                None,
                None,
            ),
            Style::StandardWebhooks | Style::Custom => (
                "webhook-signature",
                format!("v1,{{base64:whsec({secret}):{{id}}.{{timestamp}}.}}"),
                fixed("webhook-id"),
                fixed("webhook-timestamp"),
            ),
        };
        Ok(Signature {
            header: match self.header {
                Some(header) => name("header", header)?,
                None => HeaderName::from_static(header),
            },
            template,
            id_header,
            timestamp_header,
        })
    }
}

impl Signature {
    /// Asks the host to sign a request that has this id, at this time.
    ///
    /// # Errors
    ///
    /// The template has characters that no header has.
    pub(crate) fn add_to(
        &self,
        headers: &mut HeaderMap,
        id: &str,
        now: SystemTime,
    ) -> Result<(), String> {
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since.unwrap_or(Duration::ZERO).as_secs();
        if let Some(header) = &self.timestamp_header {
            headers.insert(header, HeaderValue::from(seconds));
        }
        if let Some(header) = &self.id_header {
            let value = HeaderValue::try_from(id).map_err(|error| error.to_string())?;
            headers.insert(header, value);
        }
        let template = self
            .template
            .replace("{timestamp}", &seconds.to_string())
            .replace("{id}", id);
        ask_for_signature(headers, &self.header, &template)
    }
}

/// The id of the request that carries these messages of a stream: the same whenever they are sent. What
/// is no letter, digit, `-` or `_` in the stream's name is percent-encoded, so that an id has no character
/// that means something in a signature.
pub(crate) fn id(stream_name: &str, first: u64, last: u64) -> String {
    let mut id = String::new();
    for byte in stream_name.bytes() {
        match byte {
            b'-' | b'_' => id.push(byte.into()),
            byte if byte.is_ascii_alphanumeric() => id.push(byte.into()),
            // Writing to a text does not fail.
            byte => _ = write!(id, "%{byte:02X}"),
        }
    }
    match first == last {
        true => format!("{id}-{first}"),
        false => format!("{id}-{first}-{last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(json: &str) -> Result<Signature, ConfigError> {
        serde_json::from_str::<Keys>(json).unwrap().resolve()
    }

    fn asked(json: &str) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_999);
        let signature = signature(json).unwrap();
        signature.add_to(&mut headers, "s-7", now).unwrap();
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let mut all: Vec<_> = headers.iter().map(text).collect();
        all.sort();
        all
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn each_style_asks_for_what_its_receivers_expect() {
        assert_eq!(
            asked(r#"{"style": "github", "secret": "hook"}"#),
            pairs(&[("x-millstream-hmac", "x-hub-signature-256 sha256={hex:hook}")])
        );
        assert_eq!(
            asked(r#"{"style": "timestamp", "secret": "hook", "header": "Stripe-Signature"}"#),
            pairs(&[(
                "x-millstream-hmac",
                "stripe-signature t=1700000000,v1={hex:hook:1700000000.}"
            )])
        );
        assert_eq!(
            asked(r#"{"style": "standard-webhooks", "secret": "hook"}"#),
            pairs(&[
                ("webhook-id", "s-7"),
                ("webhook-timestamp", "1700000000"),
                (
                    "x-millstream-hmac",
                    "webhook-signature v1,{base64:whsec(hook):s-7.1700000000.}"
                ),
            ])
        );
        assert_eq!(
            asked(
                r#"{"style": "custom", "header": "x-slack-signature", "timestampHeader":
                "x-slack-request-timestamp", "template": "v0={hex:hook:v0:{timestamp}:}"}"#
            ),
            pairs(&[
                (
                    "x-millstream-hmac",
                    "x-slack-signature v0={hex:hook:v0:1700000000:}"
                ),
                ("x-slack-request-timestamp", "1700000000"),
            ])
        );
    }

    #[test]
    fn keys_that_do_not_fit_the_style_are_named() {
        for (json, key) in [
            (r#"{"style": "github"}"#, "secret"),
            (
                r#"{"style": "github", "secret": "a", "template": "b"}"#,
                "template",
            ),
            (
                r#"{"style": "timestamp", "secret": "a", "idHeader": "b"}"#,
                "idHeader",
            ),
            (
                r#"{"style": "timestamp", "secret": "a", "header": "host"}"#,
                "header",
            ),
            (r#"{"style": "custom", "header": "a"}"#, "template"),
            (r#"{"style": "custom", "template": "{hex:a}"}"#, "header"),
            (
                r#"{"style": "custom", "secret": "a", "header": "b", "template": "{hex:a}"}"#,
                "secret",
            ),
            (
                r#"{"style": "custom", "header": "b", "template": "\n{hex:a}"}"#,
                "template",
            ),
        ] {
            let error = signature(json).unwrap_err();
            assert_eq!(error.field.unwrap(), format!("signature.{key}"), "{json}");
        }
    }

    #[test]
    fn an_id_is_the_same_for_the_same_messages_and_has_no_odd_characters() {
        assert_eq!(id("press_4", 7, 7), "press_4-7");
        assert_eq!(id("a.b c", 7, 9), "a%2Eb%20c-7-9");
    }
}
