//! A transform for messages that are JSON objects: it selects them by their fields, and keeps, drops, renames
//! and adds fields, in this order. What is no JSON object is rejected.

use std::collections::{BTreeMap, BTreeSet};

use millstream_plugin::transform::{
    ConfigError, Description, Output, Rejection, Transform, TransformContext, Transformed,
};
use millstream_plugin::{Message, export_transform};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The keys of the configuration.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    r#where: Map<String, Value>,
    keep: Option<BTreeSet<String>>,
    #[serde(default)]
    drop: BTreeSet<String>,
    #[serde(default)]
    rename: BTreeMap<String, String>,
    #[serde(default)]
    add: Map<String, Value>,
}

/// The transform of one export.
#[derive(Debug)]
pub struct JsonFields(Config);

impl Transform for JsonFields {
    type Config = Config;

    fn describe() -> Description {
        Description {
            name: "json-fields".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Selects messages by their fields in JSON, and changes the fields.".to_owned(),
            config_schema: include_str!("config.schema.json").to_owned(),
            most_outputs: 1,
        }
    }

    fn open(_context: TransformContext, config: Config) -> Result<Self, ConfigError> {
        let is_deep = |value: &Value| value.is_object() || value.is_array();
        if let Some((field, _)) = config.r#where.iter().find(|(_, value)| is_deep(value)) {
            return Err(ConfigError::field(
                format!("where.{field}"),
                "A field is compared with a string, a number, a boolean or null.",
            ));
        }
        let mut names = BTreeSet::new();
        for (from, to) in &config.rename {
            if !names.insert(to) {
                return Err(ConfigError::field(
                    format!("rename.{from}"),
                    format!("Another field is renamed to `{to}` too."),
                ));
            }
        }
        Ok(Self(config))
    }

    fn transform(&mut self, batch: Vec<Message>) -> Result<Transformed, String> {
        let mut transformed = Transformed {
            outputs: Vec::with_capacity(batch.len()),
            rejected: Vec::new(),
        };
        for (index, message) in batch.into_iter().enumerate() {
            match serde_json::from_slice(&message.payload) {
                Ok(fields) if self.selects(&fields) => {
                    let payload = Value::Object(self.change(fields)).to_string();
                    transformed.outputs.push(Output::of(index, payload));
                }
                Ok(_) => {}
                Err(error) => {
                    let reason = format!("The payload is no JSON object: {error}.");
                    transformed.rejected.push(Rejection::new(index, reason));
                }
            }
        }
        Ok(transformed)
    }
}

impl JsonFields {
    fn selects(&self, fields: &Map<String, Value>) -> bool {
        let mut wanted = self.0.r#where.iter();
        wanted.all(|(name, value)| fields.get(name) == Some(value))
    }

    fn change(&self, fields: Map<String, Value>) -> Map<String, Value> {
        let config = &self.0;
        let stays = |name: &String| {
            let is_kept = config.keep.as_ref().is_none_or(|keep| keep.contains(name));
            is_kept && !config.drop.contains(name)
        };
        let mut changed: Map<_, _> = fields
            .into_iter()
            .filter(|(name, _)| stays(name))
            .map(|(name, value)| match config.rename.get(&name) {
                Some(other) => (other.clone(), value),
                None => (name, value),
            })
            .collect();
        changed.extend(config.add.clone());
        changed
    }
}

export_transform!(JsonFields);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn open(config: Value) -> Result<JsonFields, ConfigError> {
        let context = TransformContext {
            stream_name: "s".into(),
            export_identifier: "e".into(),
        };
        let config = millstream_plugin::config::parse(&config.to_string())?;
        JsonFields::open(context, config)
    }

    fn transformed(config: Value, payloads: &[&str]) -> Transformed {
        let batch = (0..)
            .zip(payloads)
            .map(|(sequence_number, payload)| Message {
                sequence_number,
                ingest_time: 0,
                payload: payload.as_bytes().to_vec(),
            })
            .collect();
        open(config).unwrap().transform(batch).unwrap()
    }

    fn outputs(transformed: &Transformed) -> Vec<(Vec<u32>, Value)> {
        let outputs = transformed.outputs.iter();
        outputs
            .map(|it| {
                (
                    it.sources.clone(),
                    serde_json::from_slice(&it.payload).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn without_a_configuration_an_object_keeps_its_fields() {
        let payload = r#"{"t":21.5,"deep":{"a":[1]}}"#;
        let expected = json!({ "t": 21.5, "deep": { "a": [1] } });
        assert_eq!(
            outputs(&transformed(json!({}), &[payload])),
            [(vec![0], expected)]
        );
    }

    #[test]
    fn fields_are_kept_dropped_renamed_and_added_in_this_order() {
        let config = json!({
            "keep": ["t", "p", "unit"], "drop": ["p"], "rename": { "t": "temperature" },
            "add": { "unit": "C", "line": 7 },
        });
        let found = transformed(config, &[r#"{"t":1,"p":2,"unit":"F","other":3}"#]);
        let expected = json!({ "temperature": 1, "unit": "C", "line": 7 });
        assert_eq!(outputs(&found), [(vec![0], expected)]);
    }

    #[test]
    fn only_messages_with_the_wanted_values_go_on() {
        let config = json!({ "where": { "kind": "alarm", "acknowledged": false } });
        let found = transformed(
            config,
            &[
                r#"{"kind":"alarm","acknowledged":false}"#,
                r#"{"kind":"alarm"}"#,
                r#"{"kind":"alarm","acknowledged":0}"#,
                r#"{"kind":"alarm","acknowledged":false,"n":4}"#,
            ],
        );
        let sources: Vec<_> = outputs(&found).into_iter().map(|(from, _)| from).collect();
        assert_eq!(sources, [vec![0], vec![3]]);
        assert!(found.rejected.is_empty());
    }

    #[test]
    fn what_is_no_object_is_rejected_with_a_reason_and_its_neighbours_go_on() {
        let found = transformed(json!({}), &["{}", "[1]", "\u{0}", "{}"]);
        let rejected: Vec<_> = found.rejected.iter().map(|it| it.index).collect();
        assert_eq!(rejected, [1, 2]);
        assert!(found.rejected[0].reason.contains("no JSON object"));
        assert_eq!(found.outputs.len(), 2);
    }

    #[test]
    fn a_wrong_configuration_is_refused_with_its_field() {
        for (config, field) in [
            (json!({ "wher": {} }), "wher"),
            (json!({ "where": { "a": [1] } }), "where.a"),
            (json!({ "rename": { "a": "x", "b": "x" } }), "rename.b"),
            (json!({ "keep": "a" }), "keep"),
        ] {
            assert_eq!(open(config).unwrap_err().field.as_deref(), Some(field));
        }
    }
}
