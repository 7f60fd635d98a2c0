//! Wrong configurations: each has to be refused with the name of the field that is wrong.
//!
//! Whoever is opened with a configuration, exporter or transform, is to these checks a closure that tries
//! to open it.

use millstream_runtime::RuntimeError;
use serde_json::{Value, json};

use crate::journal::{Finding, Journal, fails, holds, not_applicable};
use crate::schema::{fits, resolve};
use crate::words::{count, quoted};

/// The checks of this module, in their order.
pub(crate) const CHECKS: [&str; 3] = ["unknown-key", "missing-key", "wrong-type"];

/// A key that no component has.
const UNKNOWN: &str = "millstreamKitUnknownKey";

/// Does the checks: `config` is a configuration that the component takes, `open` tries to open it with
/// another one.
pub(crate) async fn run(
    journal: &mut Journal<'_>,
    schema: &Value,
    config: &Value,
    open: impl AsyncFn(Value) -> Result<(), RuntimeError>,
) {
    journal
        .check("unknown-key", unknown_key(config, &open))
        .await;
    journal
        .check("missing-key", missing_key(schema, config, &open))
        .await;
    journal
        .check("wrong-type", wrong_type(schema, config, &open))
        .await;
}

async fn unknown_key(
    config: &Value,
    open: &impl AsyncFn(Value) -> Result<(), RuntimeError>,
) -> Finding {
    let mut config = config.clone();
    set(&mut config, UNKNOWN, json!(1));
    match refusal(open(config).await, UNKNOWN) {
        Ok(message) => holds(format!("It says {}.", quoted(&message))),
        Err(problem) => fails(format!(
            "With the key `{UNKNOWN}` added, {problem}. A misspelt key that is taken is a setting that \
             somebody believes in."
        )),
    }
}

async fn missing_key(
    schema: &Value,
    config: &Value,
    open: &impl AsyncFn(Value) -> Result<(), RuntimeError>,
) -> Finding {
    let required = schema.get("required").and_then(Value::as_array);
    let required: Vec<_> = required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if required.is_empty() {
        return not_applicable("Its schema requires no key.");
    }
    let mut problems = Vec::new();
    for key in &required {
        let mut config = config.clone();
        if let Some(fields) = config.as_object_mut() {
            fields.remove(*key);
        }
        if let Err(problem) = refusal(open(config).await, key) {
            problems.push(format!("without `{key}` {problem}"));
        }
    }
    verdict(&required, &problems)
}

async fn wrong_type(
    schema: &Value,
    config: &Value,
    open: &impl AsyncFn(Value) -> Result<(), RuntimeError>,
) -> Finding {
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut tried = Vec::new();
    let mut problems = Vec::new();
    for (key, property) in properties.into_iter().flatten() {
        let property = resolve(schema, property);
        let Some(wrong) = wrong_value(property) else {
            continue;
        };
        let mut config = config.clone();
        set(&mut config, key, wrong.clone());
        if let Err(problem) = refusal(open(config).await, key) {
            problems.push(format!("with {wrong} for `{key}` {problem}"));
        }
        tried.push(key.as_str());
    }
    if tried.is_empty() {
        return not_applicable("Its schema says of no key what kind of value it takes.");
    }
    verdict(&tried, &problems)
}

fn verdict(tried: &[&str], problems: &[String]) -> Finding {
    if problems.is_empty() {
        let keys = count(tried.len() as u64, "key");
        return holds(format!(
            "It names the field, for {keys}: {}.",
            tried.join(", ")
        ));
    }
    fails(format!(
        "{}. Return a `config-error` whose `field` is the key.",
        problems.join("; ")
    ))
}

fn set(config: &mut Value, key: &str, value: Value) {
    if let Some(fields) = config.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

/// A value of a kind that the schema of a key does not allow.
fn wrong_value(property: &Value) -> Option<Value> {
    let candidates = [
        json!(17),
        json!("millstream-kit"),
        json!({ "millstream-kit": true }),
        json!(["millstream-kit"]),
        json!(true),
    ];
    candidates.into_iter().find(|value| !fits(value, property))
}

/// The message with which a configuration is refused for a key, or what happens instead.
fn refusal(opened: Result<(), RuntimeError>, key: &str) -> Result<String, String> {
    match opened {
        Ok(()) => Err("the configuration is taken".into()),
        Err(RuntimeError::Config {
            field: Some(field),
            message,
            ..
        }) if names(&field, key) => Ok(message),
        Err(RuntimeError::Config {
            field: Some(field), ..
        }) => Err(format!("it is refused for the field `{field}` instead")),
        Err(RuntimeError::Config { message, .. }) => Err(format!(
            "it is refused without the name of the field: {}",
            quoted(&message)
        )),
        Err(error) => Err(error.to_string().trim_end_matches('.').to_owned()),
    }
}

/// Whether a path leads to a key of the top level, or into it.
fn names(path: &str, key: &str) -> bool {
    let path = path.trim_start_matches(['.', '/', '$']);
    path.strip_prefix(key)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[', '/']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_by_its_path() {
        for path in ["url", "url.host", "url[0]", "/url", "$.url", "/url/0"] {
            assert!(names(path, "url"), "{path}");
        }
        for path in ["", "uri", "url2", "to.url"] {
            assert!(!names(path, "url"), "{path}");
        }
    }

    #[test]
    fn a_wrong_value_is_one_that_the_schema_does_not_allow() {
        for (schema, expected) in [
            (json!({ "type": "string" }), Some(json!(17))),
            (json!({ "type": "integer" }), Some(json!("millstream-kit"))),
            (
                json!({ "type": ["integer", "string"] }),
                Some(json!({ "millstream-kit": true })),
            ),
            (json!({ "enum": ["a", 17] }), Some(json!("millstream-kit"))),
            (json!({}), None),
        ] {
            assert_eq!(wrong_value(&schema), expected, "{schema}");
        }
    }
}
