//! The configuration that an exporter is opened with: what its author gives, or one made from its schema.

use serde_json::{Map, Value, json};

use crate::schema::resolve;

/// Stands for the URL of the kit's HTTP server in a configuration.
const SINK: &str = "{{sink}}";
/// Deeper than any configuration.
const DEEPEST: usize = 16;

/// Puts the URL of the sink where `{{sink}}` stands in a text.
pub(crate) fn with_sink(value: &Value, sink: &str) -> Value {
    match value {
        Value::String(text) => text.replace(SINK, sink).into(),
        Value::Array(items) => items.iter().map(|item| with_sink(item, sink)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), with_sink(value, sink)))
            .collect(),
        other => other.clone(),
    }
}

/// Makes the smallest configuration that a schema allows: the fields that are required, and addresses,
/// which become the URL of the sink. The error names the fields for which no value was found.
pub(crate) fn from_schema(schema: &Value, sink: &str) -> Result<Map<String, Value>, Vec<String>> {
    let mut maker = Maker {
        whole: schema,
        sink,
        unmade: Vec::new(),
    };
    let made = maker.object(schema, "", 0);
    if maker.unmade.is_empty() {
        Ok(made)
    } else {
        Err(maker.unmade)
    }
}

struct Maker<'a> {
    whole: &'a Value,
    sink: &'a str,
    unmade: Vec<String>,
}

impl Maker<'_> {
    fn object(&mut self, schema: &Value, path: &str, depth: usize) -> Map<String, Value> {
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|one| one == name));
        let mut made = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let property = resolve(self.whole, property);
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            if is_address(name, property) {
                made.insert(name.clone(), self.sink.into());
            } else if is_required(name) {
                match self.value(property, &path, depth + 1) {
                    Some(value) => {
                        made.insert(name.clone(), value);
                    }
                    None => self.unmade.push(path),
                }
            }
        }
        made
    }

    fn value(&mut self, schema: &Value, path: &str, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        let listed = |key: &str| schema.get(key).and_then(Value::as_array);
        let given = ["const", "default"].iter().find_map(|key| schema.get(*key));
        let given = given.or_else(|| {
            ["examples", "enum"]
                .iter()
                .find_map(|key| listed(key)?.first())
        });
        if let Some(given) = given {
            return Some(given.clone());
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(first) = listed(key).and_then(|list| list.first()) {
                return self.value(resolve(self.whole, first), path, depth + 1);
            }
        }
        let least =
            |key: &str, usual: u64| schema.get(key).and_then(Value::as_u64).unwrap_or(usual);
        Some(match kind(schema)? {
            "object" => Value::Object(self.object(schema, path, depth)),
            "array" => {
                let items = schema.get("items").unwrap_or(&Value::Null);
                let item = || format!("{path}[0]");
                let mut made = Vec::new();
                for _ in 0..least("minItems", 0).min(16) {
                    made.push(self.value(resolve(self.whole, items), &item(), depth + 1)?);
                }
                made.into()
            }
            "string" => {
                let length = usize::try_from(least("minLength", 0)).ok()?.min(1024);
                let mut text = String::from("kit");
                text.extend(std::iter::repeat_n('x', length.saturating_sub(text.len())));
                text.into()
            }
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
            "boolean" => false.into(),
            "null" => Value::Null,
            _ => return None,
        })
    }
}

/// The first kind that a schema allows.
fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => kinds.first()?.as_str(),
        _ => None,
    }
}

/// Whether a field is the address of a server that speaks HTTP: its format says so, or its name.
fn is_address(name: &str, schema: &Value) -> bool {
    if kind(schema) != Some("string") {
        return false;
    }
    match schema.get("format").and_then(Value::as_str) {
        Some(format) => matches!(format, "uri" | "url" | "iri"),
        None => {
            let name = name.to_ascii_lowercase();
            ["uri", "url", "endpoint"]
                .iter()
                .any(|word| name.ends_with(word))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_fields_are_made_and_others_left_out() {
        let schema = json!({
            "type": "object",
            "required": ["target", "mode", "size", "inner", "list", "long", "shared"],
            "properties": {
                "target": { "type": "string", "format": "uri" },
                "endpoint": { "type": "string" },
                "mode": { "enum": ["a", "b"] },
                "size": { "type": "integer", "minimum": 7 },
                "inner": {
                    "type": "object",
                    "required": ["on"],
                    "properties": { "on": { "type": "boolean" }, "off": { "type": "boolean" } },
                },
                "list": { "type": "array", "minItems": 2, "items": { "type": "string", "examples": ["x"] } },
                "long": { "type": "string", "minLength": 5 },
                "shared": { "$ref": "#/$defs/one" },
                "optional": { "type": "string" },
            },
            "$defs": { "one": { "const": 1 } },
        });
        let made = from_schema(&schema, "http://sink").unwrap();
        let expected = json!({
            "target": "http://sink",
            "endpoint": "http://sink",
            "mode": "a",
            "size": 7,
            "inner": { "on": false },
            "list": ["x", "x"],
            "long": "kitxx",
            "shared": 1,
        });
        assert_eq!(Value::Object(made), expected);
    }

    #[test]
    fn what_cannot_be_made_is_named_by_its_path() {
        let schema = json!({
            "required": ["a", "b"],
            "properties": {
                "a": {},
                "b": { "type": "object", "required": ["c"], "properties": { "c": {} } },
            },
        });
        assert_eq!(
            from_schema(&schema, ""),
            Err(vec!["a".into(), "b.c".into()])
        );
    }

    #[test]
    fn the_sink_stands_wherever_it_is_named() {
        let config = json!({ "a": ["{{sink}}/x"], "b": { "c": "{{sink}}" }, "d": 1 });
        let expected = json!({ "a": ["http://s/x"], "b": { "c": "http://s" }, "d": 1 });
        assert_eq!(with_sink(&config, "http://s"), expected);
    }
}
