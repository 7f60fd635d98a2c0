//! The text of a header with places for secrets: `Bearer {token}`.
//!
//! In the header `x-millstream-secret` a place is `{NAME}`, the secret as it is, or `{basic:USER:NAME}`,
//! the base64 of `USER:secret` (RFC 7617). In `x-millstream-hmac` it is `{ENCODING:KEY:PREFIX}`: the
//! HMAC-SHA256 of the prefix and the body, as `hex` in lower case or in `base64`. The key is `NAME`, the
//! bytes of a secret, or `whsec(NAME)`, a secret that has its bytes in base64 behind `whsec_`, as Standard
//! Webhooks have it. `:PREFIX` may be left out.
//!
//! Braces stand for nothing else, and every text has at least one place.

use crate::secrets::SecretName;

/// A parsed text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template(pub(super) Vec<Piece>);

/// A part of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Secret(SecretName),
    Basic {
        user: String,
        name: SecretName,
    },
    Signature {
        encoding: Encoding,
        form: KeyForm,
        name: SecretName,
        prefix: String,
    },
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Hex,
    Base64,
}

/// How a secret stands for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyForm {
    /// Its bytes are the key.
    Plain,
    /// It is the key in base64, behind `whsec_`.
    Whsec,
}

impl Template {
    /// Parses the text of `x-millstream-secret`; the error says what is wrong.
    pub(super) fn of_secrets(text: &str) -> Result<Self, String> {
        Self::parse(text, |place| match place.strip_prefix("basic:") {
            None => Ok(Piece::Secret(name(place)?)),
            Some(pair) => {
                let (user, secret) = pair.rsplit_once(':').ok_or("write {basic:USER:NAME}")?;
                if user.contains(':') {
                    return Err("the user of {basic:USER:NAME} has no colon (RFC 7617)".into());
                }
                Ok(Piece::Basic {
                    user: user.to_owned(),
                    name: name(secret)?,
                })
            }
        })
    }

    /// Parses the text of `x-millstream-hmac`; the error says what is wrong.
    pub(super) fn of_signatures(text: &str) -> Result<Self, String> {
        Self::parse(text, |place| {
            let (encoding, rest) = place.split_once(':').unwrap_or((place, ""));
            let encoding = match encoding {
                "hex" => Encoding::Hex,
                "base64" => Encoding::Base64,
                _ => return Err("write {hex:NAME} or {base64:NAME}".into()),
            };
            let (key, prefix) = rest.split_once(':').unwrap_or((rest, ""));
            let whsec = key.strip_prefix("whsec(");
            let (form, key) = match whsec.and_then(|key| key.strip_suffix(')')) {
                Some(key) => (KeyForm::Whsec, key),
                None => (KeyForm::Plain, key),
            };
            Ok(Piece::Signature {
                encoding,
                form,
                name: name(key)?,
                prefix: prefix.to_owned(),
            })
        })
    }

    /// The names of the secrets in it.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Secret(name) | Piece::Basic { name, .. } | Piece::Signature { name, .. } => {
                Some(name)
            }
        })
    }

    fn parse(text: &str, place: impl Fn(&str) -> Result<Piece, String>) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (inside, after) = behind.split_once('}').ok_or("a `{` is not closed")?;
            if !before.is_empty() {
                pieces.push(plain(before)?);
            }
            pieces.push(place(inside)?);
            rest = after;
        }
        if pieces.is_empty() {
            return Err("it has no place for a secret, such as {NAME}".into());
        }
        if !rest.is_empty() {
            pieces.push(plain(rest)?);
        }
        Ok(Self(pieces))
    }
}

fn plain(text: &str) -> Result<Piece, String> {
    match text.contains('}') {
        true => Err("a `}` closes nothing".into()),
        false => Ok(Piece::Text(text.to_owned())),
    }
}

fn name(text: &str) -> Result<SecretName, String> {
    text.parse()
        .map_err(|error: crate::secrets::InvalidSecretName| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretName {
        text.parse().unwrap()
    }

    #[test]
    fn secrets_stand_in_braces_and_the_rest_is_text() {
        let bearer = Template::of_secrets("Bearer {token}").unwrap();
        let expected = [
            Piece::Text("Bearer ".into()),
            Piece::Secret(secret("token")),
        ];
        assert_eq!(bearer.0, expected);
        let basic = Template::of_secrets("Basic {basic:me@x y:pass}").unwrap();
        let pair = Piece::Basic {
            user: "me@x y".into(),
            name: secret("pass"),
        };
        assert_eq!(basic.0[1], pair);
        let two = Template::of_secrets("{a}, {b} end").unwrap();
        let names: Vec<_> = two.secrets().map(ToString::to_string).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(two.0.last(), Some(&Piece::Text(" end".into())));
    }

    #[test]
    fn a_signature_has_an_encoding_a_key_and_perhaps_a_prefix() {
        let piece = |encoding, form, prefix: &str| Piece::Signature {
            encoding,
            form,
            name: secret("k"),
            prefix: prefix.into(),
        };
        for (text, expected) in [
            ("{hex:k}", piece(Encoding::Hex, KeyForm::Plain, "")),
            ("{hex:k:}", piece(Encoding::Hex, KeyForm::Plain, "")),
            ("{hex:k:17.}", piece(Encoding::Hex, KeyForm::Plain, "17.")),
            (
                "{base64:whsec(k):id:1.17.}",
                piece(Encoding::Base64, KeyForm::Whsec, "id:1.17."),
            ),
        ] {
            assert_eq!(Template::of_signatures(text).unwrap().0, [expected]);
        }
    }

    #[test]
    fn what_is_not_of_these_forms_is_refused() {
        for text in [
            "",
            "Bearer token",
            "{",
            "{a",
            "a}",
            "{a}}",
            "{}",
            "{a b}",
            "{{a}}",
            "{basic:a}",
            "{basic:a:b:c}",
            "{hex:a}",
        ] {
            assert!(Template::of_secrets(text).is_err(), "{text}");
        }
        for text in [
            "",
            "{a}",
            "{hex}",
            "{hex:}",
            "{md5:a}",
            "{hex:whsec(a}",
            "{hex:a b}",
        ] {
            assert!(Template::of_signatures(text).is_err(), "{text}");
        }
    }
}
