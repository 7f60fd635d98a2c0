//! What the kit knows of JSON Schema: whether a schema is well formed, and whether a value fits one as
//! far as its kind goes. Patterns and formats are left to the component.

use serde_json::{Map, Value};

use crate::journal::{Finding, fails, holds};

/// The names of kinds of values.
const TYPES: [&str; 7] = [
    "object", "array", "string", "integer", "number", "boolean", "null",
];
/// Deeper than any configuration; a schema may come from anybody.
const DEEPEST: usize = 32;

/// What is wrong with a schema of a configuration, each with its place.
pub(crate) fn problems(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if schema.get("type") != Some(&Value::from("object")) {
        found.push("`type` at the top level is not \"object\", as a configuration is".into());
    }
    look("the schema", schema, 0, &mut found);
    found
}

/// A component's schema is one.
pub(crate) fn finding(schema: &Value) -> Finding {
    let problems = problems(schema);
    if !problems.is_empty() {
        return fails(format!("{}.", problems.join("; ")));
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let keys: Vec<_> = properties
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect();
    holds(match keys.as_slice() {
        [] => "It is well formed, and has no keys.".into(),
        keys => format!("It is well formed; its keys are {}.", keys.join(", ")),
    })
}

fn look(place: &str, schema: &Value, depth: usize, found: &mut Vec<String>) {
    let mut wrong = |what: &str| found.push(format!("{place}: {what}"));
    if depth > DEEPEST {
        return wrong("it goes deeper than 32 levels");
    }
    let Value::Object(keys) = schema else {
        if !schema.is_boolean() {
            wrong("a schema is an object, true or false");
        }
        return;
    };
    look_at_kind(keys, &mut wrong);
    look_at_bounds(keys, &mut wrong);
    for key in ["default", "const"] {
        if let Some(value) = keys.get(key)
            && !fits(value, schema)
        {
            wrong(&format!("`{key}` is {value}, which does not fit itself"));
        }
    }
    look_at_properties(keys, &mut wrong);
    for (name, inner) in below(keys) {
        look(&format!("{place}, {name}"), inner, depth + 1, found);
    }
}

fn look_at_kind(keys: &Map<String, Value>, wrong: &mut impl FnMut(&str)) {
    let known = |name: &Value| name.as_str().is_some_and(|name| TYPES.contains(&name));
    match keys.get("type") {
        None => {}
        Some(Value::Array(names)) if !names.is_empty() && names.iter().all(known) => {}
        Some(name) if known(name) => {}
        Some(other) => wrong(&format!("`type` is {other}, which is no kind of value")),
    }
    match keys.get("enum") {
        None => {}
        Some(Value::Array(values)) if !values.is_empty() => {}
        Some(_) => wrong("`enum` is not a list of values"),
    }
}

fn look_at_bounds(keys: &Map<String, Value>, wrong: &mut impl FnMut(&str)) {
    for key in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
        if keys.get(key).is_some_and(|bound| !bound.is_number()) {
            wrong(&format!("`{key}` is not a number"));
        }
    }
    let counts = [
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
    ];
    for key in counts {
        if keys.get(key).is_some_and(|bound| !bound.is_u64()) {
            wrong(&format!("`{key}` is not a number from 0"));
        }
    }
    for key in ["description", "title", "pattern", "format", "$ref"] {
        if keys.get(key).is_some_and(|text| !text.is_string()) {
            wrong(&format!("`{key}` is not a text"));
        }
    }
}

fn look_at_properties(keys: &Map<String, Value>, wrong: &mut impl FnMut(&str)) {
    let properties = keys.get("properties");
    if properties.is_some_and(|properties| !properties.is_object()) {
        wrong("`properties` is not an object");
    }
    match keys.get("required") {
        None => {}
        Some(Value::Array(names)) if names.iter().all(Value::is_string) => {
            for name in names.iter().filter_map(Value::as_str) {
                if properties.is_none_or(|properties| properties.get(name).is_none()) {
                    wrong(&format!(
                        "`required` names `{name}`, which is not among `properties`"
                    ));
                }
            }
        }
        Some(_) => wrong("`required` is not a list of names"),
    }
}

/// The schemas within one, each with its name.
fn below(keys: &Map<String, Value>) -> Vec<(String, &Value)> {
    let mut inner = Vec::new();
    for key in ["properties", "$defs", "patternProperties"] {
        let named = keys.get(key).and_then(Value::as_object);
        let named = named.into_iter().flatten();
        inner.extend(named.map(|(name, schema)| (format!("`{name}`"), schema)));
    }
    for key in ["items", "additionalProperties", "not"] {
        inner.extend(keys.get(key).map(|schema| (format!("`{key}`"), schema)));
    }
    for key in ["anyOf", "oneOf", "allOf", "prefixItems"] {
        let listed = keys.get(key).and_then(Value::as_array);
        inner.extend(
            listed
                .into_iter()
                .flatten()
                .map(|schema| (format!("`{key}`"), schema)),
        );
    }
    inner
}

/// Whether a value fits a schema by kind, `enum` and `const`.
pub(crate) fn fits(value: &Value, schema: &Value) -> bool {
    let any = |key: &str| {
        let listed = schema.get(key).and_then(Value::as_array);
        listed.is_none_or(|listed| listed.iter().any(|one| fits(value, one)))
    };
    let all = schema.get("allOf").and_then(Value::as_array);
    fits_kind(value, schema.get("type"))
        && schema.get("const").is_none_or(|only| only == value)
        && schema
            .get("enum")
            .and_then(Value::as_array)
            .is_none_or(|values| values.contains(value))
        && any("anyOf")
        && any("oneOf")
        && all.is_none_or(|all| all.iter().all(|one| fits(value, one)))
}

fn fits_kind(value: &Value, kind: Option<&Value>) -> bool {
    match kind {
        Some(Value::String(kind)) => is(value, kind),
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .any(|kind| is(value, kind)),
        _ => true,
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        // It is not known; `problems` says so.
        _ => true,
    }
}

/// Follows `$ref` within the same schema.
pub(crate) fn resolve<'a>(whole: &'a Value, mut schema: &'a Value) -> &'a Value {
    for _ in 0..DEEPEST {
        let pointer = schema.get("$ref").and_then(Value::as_str);
        let Some(target) = pointer
            .and_then(|pointer| pointer.strip_prefix('#'))
            .and_then(|pointer| whole.pointer(pointer))
        else {
            break;
        };
        schema = target;
    }
    schema
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_that_is_well_formed_has_no_problems() {
        let schema = json!({
            "type": "object",
            "required": ["url"],
            "properties": {
                "url": { "type": "string", "format": "uri" },
                "mode": { "enum": ["a", "b", 0], "default": "a" },
                "age": { "type": ["integer", "string"], "minimum": 1 },
                "list": { "type": "array", "items": { "type": "integer" }, "default": [1] },
            },
            "additionalProperties": false,
        });
        assert_eq!(problems(&schema), Vec::<String>::new());
    }

    #[test]
    fn each_problem_is_named_with_its_place() {
        for (schema, expected) in [
            (json!({}), "`type` at the top level"),
            (
                json!({ "type": "object", "properties": [] }),
                "the schema: `properties` is not an object",
            ),
            (
                json!({ "type": "object", "required": ["a"] }),
                "`required` names `a`",
            ),
            (
                json!({ "type": "object", "properties": { "a": { "type": "text" } } }),
                "the schema, `a`: `type` is \"text\"",
            ),
            (
                json!({ "type": "object", "properties": { "a": { "type": "integer", "default": "1" } } }),
                "`a`: `default` is \"1\"",
            ),
            (
                json!({ "type": "object", "properties": { "a": { "enum": [] } } }),
                "`enum` is not a list",
            ),
            (
                json!({ "type": "object", "properties": { "a": { "anyOf": [{ "minimum": "x" }] } } }),
                "`a`, `anyOf`: `minimum` is not a number",
            ),
        ] {
            let problems = problems(&schema).join("; ");
            assert!(problems.contains(expected), "{problems}");
        }
    }

    #[test]
    fn a_value_fits_by_its_kind() {
        assert!(fits(&json!(1.0), &json!({ "type": "integer" })));
        assert!(!fits(&json!(1.5), &json!({ "type": "integer" })));
        assert!(fits(
            &json!("1h"),
            &json!({ "type": ["integer", "string"] })
        ));
        assert!(!fits(&json!({}), &json!({ "enum": ["a"] })));
        assert!(!fits(
            &json!(1),
            &json!({ "anyOf": [{ "type": "string" }, { "const": 2 }] })
        ));
    }
}
