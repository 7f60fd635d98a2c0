//! The configuration, as `config.schema.json` describes it.

use serde_json::Value;

/// What an operator sets for an export.
#[derive(Debug, PartialEq)]
pub struct Config {
    pub url: String,
}

/// What is wrong, and where: the name of the field, or none for the whole.
#[derive(Debug, PartialEq)]
pub struct Wrong {
    pub field: Option<String>,
    pub message: String,
}

impl Wrong {
    fn field(field: &str, message: &str) -> Self {
        Self { field: Some(field.into()), message: message.into() }
    }
}

impl Config {
    /// Reads a JSON object.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let whole = |message: String| Wrong { field: None, message };
        let value: Value = serde_json::from_str(text).map_err(|error| whole(error.to_string()))?;
        let fields = value.as_object().ok_or_else(|| whole("It is no JSON object.".into()))?;
        if let Some(unknown) = fields.keys().find(|key| *key != "url") {
            return Err(Wrong::field(unknown, "There is no such key; there is `url`."));
        }
        let url = fields.get("url").and_then(Value::as_str).unwrap_or_default();
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Wrong::field("url", "Set it to an address such as https://example.com/ingest."));
        }
        Ok(Self { url: url.into() })
    }

    /// Scheme, host and port of the address: what an operator grants.
    pub fn origin(&self) -> &str {
        let host = self.url.find("://").map_or(0, |at| at + "://".len());
        let end = self.url[host..].find(['/', '?', '#']);
        end.map_or(&self.url, |end| &self.url[..host + end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken() {
        let config = Config::parse(r#"{"url": "https://example.com/in"}"#).unwrap();
        assert_eq!(config.url, "https://example.com/in");
        assert_eq!(config.origin(), "https://example.com");
    }

    #[test]
    fn a_mistake_is_named_by_its_field() {
        for (text, field) in [
            ("{}", Some("url")),
            (r#"{"url": 1}"#, Some("url")),
            (r#"{"url": "ftp://a"}"#, Some("url")),
            (r#"{"url": "http://a", "uri": "b"}"#, Some("uri")),
            ("[]", None),
            ("{", None),
        ] {
            let wrong = Config::parse(text).unwrap_err();
            assert_eq!(wrong.field.as_deref(), field, "{text}: {}", wrong.message);
        }
    }
}
