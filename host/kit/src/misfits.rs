//! What of a configuration does not fit the schema of its component, told without asking the component.
//!
//! It finds what people mistype: keys that are not there, keys that are missing, values of another kind.
//! Bounds, patterns and what hangs together are left to the component, which says so when it is opened.

use std::fmt;

use serde_json::{Map, Value};

use crate::schema::{fits, resolve};

/// Deeper than any configuration.
const DEEPEST: usize = 16;

/// A key of a configuration that does not fit, with what would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// The schema has no such key where it allows no others.
    Unknown {
        /// Its path, such as `rotation.bytes`.
        path: String,
        /// The last part of the path.
        key: String,
        /// The keys that are known in its place.
        known: Vec<String>,
    },
    /// A key without which the component cannot work.
    Missing {
        /// Its path.
        path: String,
    },
    /// A value that is none of those the schema allows.
    Value {
        /// The path of its key.
        path: String,
        /// What would fit, such as `a string` or `one of "a", "b"`; none if the schema does not say it in
        /// a word.
        wanted: Option<String>,
    },
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { path, known, .. } if known.is_empty() => {
                write!(f, "`{path}` is unknown; there are no keys here")
            }
            Self::Unknown { path, known, .. } => {
                let known = known.join(", ");
                write!(f, "`{path}` is unknown; the keys here are {known}")
            }
            Self::Missing { path } => write!(f, "`{path}` is missing"),
            Self::Value { path, wanted } => match wanted {
                Some(wanted) => write!(f, "`{path}` has to be {wanted}"),
                None => write!(f, "`{path}` is nothing that the schema allows"),
            },
        }
    }
}

/// Everything of a configuration that does not fit the schema, in the order of the configuration, what is
/// missing last.
pub fn misfits(config: &Value, schema: &Value) -> Vec<Misfit> {
    let mut search = Search {
        whole: schema,
        found: Vec::new(),
    };
    search.value("", config, schema, 0);
    search.found
}

struct Search<'a> {
    whole: &'a Value,
    found: Vec<Misfit>,
}

impl Search<'_> {
    fn value(&mut self, path: &str, value: &Value, schema: &Value, depth: usize) {
        let schema = resolve(self.whole, schema);
        if depth > DEEPEST {
            return;
        }
        if !fits(value, schema) {
            self.found.push(Misfit::Value {
                path: path.to_owned(),
                wanted: wanted(schema),
            });
            return;
        }
        match value {
            Value::Object(fields) => self.object(path, fields, schema, depth),
            Value::Array(items) => {
                let Some(inner) = schema.get("items") else {
                    return;
                };
                for (index, item) in items.iter().enumerate() {
                    self.value(&format!("{path}[{index}]"), item, inner, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn object(&mut self, path: &str, fields: &Map<String, Value>, schema: &Value, depth: usize) {
        let below = |key: &str| match path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        // A schema that says more of its keys than this knows is taken to allow them.
        let is_closed =
            others == Some(&Value::Bool(false)) && schema.get("patternProperties").is_none();
        for (key, value) in fields {
            match (properties.and_then(|known| known.get(key)), others) {
                (Some(inner), _) => self.value(&below(key), value, inner, depth + 1),
                (None, _) if is_closed => self.found.push(Misfit::Unknown {
                    path: below(key),
                    key: key.clone(),
                    known: properties
                        .into_iter()
                        .flatten()
                        .map(|(key, _)| key.clone())
                        .collect(),
                }),
                (None, Some(inner)) => self.value(&below(key), value, inner, depth + 1),
                (None, None) => {}
            }
        }
        let required = schema.get("required").and_then(Value::as_array);
        for key in required.into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(key) {
                self.found.push(Misfit::Missing { path: below(key) });
            }
        }
    }
}

/// What a schema wants, if it can be said in a few words.
fn wanted(schema: &Value) -> Option<String> {
    let listed = |key: &str| schema.get(key).and_then(Value::as_array);
    if let Some(values) = listed("enum") {
        let values: Vec<_> = values.iter().map(Value::to_string).collect();
        return Some(match values.as_slice() {
            [only] => only.clone(),
            values => format!("one of {}", values.join(", ")),
        });
    }
    if let Some(only) = schema.get("const") {
        return Some(only.to_string());
    }
    let kinds: Vec<&str> = match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => {
            let forms = listed("anyOf").or_else(|| listed("oneOf"))?;
            let forms: Option<Vec<_>> = forms.iter().map(wanted).collect();
            return Some(forms?.join(" or "));
        }
    };
    let named = kinds.iter().map(|kind| match *kind {
        "object" => "a table",
        "array" => "a list",
        "string" => "a string",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        other => other,
    });
    Some(named.collect::<Vec<_>>().join(" or "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(config: Value) -> Vec<String> {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["url"],
            "properties": {
                "url": { "type": "string" },
                "mode": { "enum": ["a", "b", 0] },
                "age": { "type": ["integer", "string"] },
                "headers": { "type": "object", "additionalProperties": { "type": "string" } },
                "list": { "type": "array", "items": { "$ref": "#/$defs/entry" } },
                "form": { "oneOf": [{ "type": "boolean" }, { "const": "auto" }] },
                "free": {},
            },
            "$defs": {
                "entry": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["name"],
                    "properties": { "name": { "type": "string" } },
                },
            },
        });
        misfits(&config, &schema)
            .iter()
            .map(Misfit::to_string)
            .collect()
    }

    #[test]
    fn a_configuration_that_fits_has_no_misfits() {
        for config in [
            json!({ "url": "u" }),
            json!({
                "url": "u", "mode": 0, "age": 3.0, "headers": { "a": "b" }, "list": [{ "name": "n" }],
                "form": "auto", "free": { "x": [1] },
            }),
        ] {
            assert_eq!(said(config), Vec::<String>::new());
        }
        assert_eq!(
            misfits(&json!({ "any": 1 }), &json!({ "type": "object" })),
            []
        );
        assert_eq!(misfits(&json!({ "any": 1 }), &json!(true)), []);
    }

    #[test]
    fn each_misfit_is_named_by_its_path() {
        for (config, expected) in [
            (
                json!({ "url": "u", "mod": "a" }),
                "`mod` is unknown; the keys here are age, form, free, headers, list, mode, url",
            ),
            (json!({}), "`url` is missing"),
            (json!({ "url": 1 }), "`url` has to be a string"),
            (
                json!({ "url": "u", "mode": 1 }),
                "`mode` has to be one of \"a\", \"b\", 0",
            ),
            (
                json!({ "url": "u", "age": 1.5 }),
                "`age` has to be a whole number or a string",
            ),
            (
                json!({ "url": "u", "headers": { "a": 1 } }),
                "`headers.a` has to be a string",
            ),
            (
                json!({ "url": "u", "list": [{ "name": "n" }, { "nam": "n" }] }),
                "`list[1].nam` is unknown; the keys here are name|`list[1].name` is missing",
            ),
            (
                json!({ "url": "u", "form": "x" }),
                "`form` has to be true or false or \"auto\"",
            ),
        ] {
            assert_eq!(said(config).join("|"), expected);
        }
    }
}
