//! The configuration, as `config.schema.json` describes it.

use serde_json::Value;

/// What an operator sets for an export.
#[derive(Debug, PartialEq)]
pub struct Config {
    /// The field that names the sensor.
    pub key: String,
    /// The field with the number.
    pub value: String,
}

/// What is wrong, and where: the name of the field, or none for the whole.
#[derive(Debug, PartialEq)]
pub struct Wrong {
    pub field: Option<String>,
    pub message: String,
}

impl Config {
    /// Reads a JSON object.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let whole = |message: String| Wrong { field: None, message };
        let given: Value = serde_json::from_str(text).map_err(|error| whole(error.to_string()))?;
        let given = given.as_object().ok_or_else(|| whole("It is no JSON object.".into()))?;
        let mut config = Self { key: "sensor".into(), value: "value".into() };
        for (name, setting) in given {
            let wrong = |message: &str| Wrong { field: Some(name.clone()), message: message.into() };
            let place = match name.as_str() {
                "key" => &mut config.key,
                "value" => &mut config.value,
                _ => return Err(wrong("There is no such key; there are `key` and `value`.")),
            };
            *place = match setting.as_str() {
                Some(field) if !field.is_empty() => field.into(),
                _ => return Err(wrong("Set it to the name of a field.")),
            };
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_has_its_default() {
        let config = Config::parse(r#"{"key": "id"}"#).unwrap();
        assert_eq!((config.key.as_str(), config.value.as_str()), ("id", "value"));
    }

    #[test]
    fn a_mistake_is_named_by_its_field() {
        for (text, field) in [
            (r#"{"keys": "a"}"#, Some("keys")),
            (r#"{"key": 7}"#, Some("key")),
            (r#"{"value": ""}"#, Some("value")),
            ("[]", None),
            ("{", None),
        ] {
            let wrong = Config::parse(text).unwrap_err();
            assert_eq!(wrong.field.as_deref(), field, "{text}: {}", wrong.message);
        }
    }
}
