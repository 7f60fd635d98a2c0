//! From the JSON object that the host hands over to a plugin's own type.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::ConfigError;

/// Reads a configuration. An error names the field as a path, such as `rotation.maxBytes`, and for a
/// key that does not exist the nearest one that does.
///
/// # Errors
///
/// The text is not a JSON object, or does not fit `T`.
pub fn parse<T: DeserializeOwned>(config: &str) -> Result<T, ConfigError> {
    let value: Value = serde_json::from_str(config)
        .map_err(|error| ConfigError::whole(format!("The configuration is not JSON: {error}.")))?;
    if !value.is_object() {
        return Err(ConfigError::whole(
            "The configuration must be a JSON object.",
        ));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        explain(&path, &error.into_inner().to_string())
    })
}

/// The keys that a configuration may have, in alphabetical order: so the test of a plugin holds its schema
/// to its type. None if `T` takes any.
pub fn keys<T: DeserializeOwned>() -> Vec<String> {
    /// No name of a key, nor like one.
    const UNKNOWN: &str = "?";
    let config = serde_json::json!({ UNKNOWN: null });
    let Err(error) = T::deserialize(config) else {
        return Vec::new();
    };
    let message = error.to_string();
    let names = message.split('`').skip(1).step_by(2);
    let mut keys: Vec<String> = names
        .filter(|name| *name != UNKNOWN)
        .map(str::to_owned)
        .collect();
    keys.sort_unstable();
    keys
}

/// Turns the message of a deserialisation error, found at `path` (`.` for the whole), into a sentence
/// for operators. serde offers no other way to tell these cases apart than its text.
fn explain(path: &str, message: &str) -> ConfigError {
    let mut names = message.split('`').skip(1).step_by(2);
    if message.starts_with("missing field") {
        let name = names.next().unwrap_or_default();
        return ConfigError::field(
            join(path, name),
            format!("The key `{name}` is missing and has no default; set it."),
        );
    }
    if message.starts_with("unknown field") {
        let name = names.next().unwrap_or_default();
        let known: Vec<&str> = names.collect();
        let parent = path
            .strip_suffix(name)
            .unwrap_or(path)
            .trim_end_matches('.');
        return ConfigError::field(join(parent, name), unknown(name, &known));
    }
    let field = (path != ".").then(|| path.to_owned());
    ConfigError {
        field,
        message: format!("The value does not fit: {message}."),
    }
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" | "." => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min();
    match nearest {
        Some((_, candidate)) => format!("There is no key `{name}`; did you mean `{candidate}`?"),
        None => format!(
            "There is no key `{name}`; the keys are {}.",
            known.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Config {
        stream_name: String,
        #[serde(default)]
        rotation: Rotation,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Rotation {
        max_bytes: Option<u64>,
        #[serde(default)]
        keep: u32,
    }

    fn error(config: &str) -> (Option<String>, String) {
        let error = parse::<Config>(config).unwrap_err();
        (error.field, error.message)
    }

    #[test]
    fn a_fitting_object_is_taken() {
        let config: Config =
            parse(r#"{"streamName": "x", "rotation": {"maxBytes": 5, "keep": 2}}"#).unwrap();
        assert_eq!(config.stream_name, "x");
        assert_eq!(
            (config.rotation.max_bytes, config.rotation.keep),
            (Some(5), 2)
        );
    }

    #[test]
    fn a_missing_key_is_named() {
        let (field, message) = error("{}");
        assert_eq!(field.as_deref(), Some("streamName"));
        assert_eq!(
            message,
            "The key `streamName` is missing and has no default; set it."
        );
    }

    #[test]
    fn a_misspelt_key_comes_with_the_nearest_one() {
        let (field, message) = error(r#"{"steamName": "x"}"#);
        assert_eq!(field.as_deref(), Some("steamName"));
        assert_eq!(
            message,
            "There is no key `steamName`; did you mean `streamName`?"
        );
    }

    #[test]
    fn a_key_like_no_other_comes_with_all_of_them() {
        let (_, message) = error(r#"{"colour": "x"}"#);
        assert_eq!(
            message,
            "There is no key `colour`; the keys are streamName, rotation."
        );
    }

    #[test]
    fn the_keys_of_a_type_are_known() {
        assert_eq!(keys::<Config>(), ["rotation", "streamName"]);
        assert_eq!(keys::<Rotation>(), ["keep", "maxBytes"]);
        assert!(keys::<Value>().is_empty());
    }

    #[test]
    fn a_fault_inside_is_named_by_its_path() {
        let (field, message) = error(r#"{"streamName": "x", "rotation": {"maxByte": 5}}"#);
        assert_eq!(field.as_deref(), Some("rotation.maxByte"));
        assert!(message.contains("`maxBytes`"), "{message}");

        let (field, message) = error(r#"{"streamName": "x", "rotation": {"maxBytes": "many"}}"#);
        assert_eq!(field.as_deref(), Some("rotation.maxBytes"));
        assert!(message.contains("\"many\""), "{message}");
    }

    #[test]
    fn what_is_no_object_is_refused_as_a_whole() {
        for text in ["", "[1]", "7", "{"] {
            let (field, _) = error(text);
            assert_eq!(field, None, "{text}");
        }
    }
}
