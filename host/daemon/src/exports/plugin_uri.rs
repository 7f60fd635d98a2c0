//! `plugin:NAME?KEY=VALUE&…`: how an SDK that knows only Greengrass' destinations names a plugin.
//!
//! Keys are paths (`rotation.maxBytes`); values are JSON where they can be read as such, and text
//! otherwise.

use serde_json::{Map, Value, json};

const SCHEME: &str = "plugin:";
/// A plugin's name and its configuration.
pub(super) type Named = (String, Map<String, Value>);

/// The longest address, in bytes.
const LONGEST: usize = 16 << 10;
/// The most parts of a key's path: configuration is read, written and dropped by recursion.
const DEEPEST: usize = 16;

/// Takes an address apart into the plugin's name and its configuration; none if it is of another
/// kind.
///
/// # Errors
///
/// A sentence, if it is too long or too deep.
pub(super) fn read(uri: &str) -> Result<Option<Named>, String> {
    let Some(rest) = uri.strip_prefix(SCHEME) else {
        return Ok(None);
    };
    if uri.len() > LONGEST {
        return Err(format!(
            "a plugin: address has at most {LONGEST} bytes, this one {}",
            uri.len()
        ));
    }
    let (plugin, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut config = Map::new();
    for (path, text) in form_urlencoded::parse(query.as_bytes()) {
        if path.split('.').count() > DEEPEST {
            return Err(format!(
                "a key in a plugin: address has at most {DEEPEST} parts"
            ));
        }
        let value = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text.as_ref()));
        put(&mut config, &path, value);
    }
    Ok(Some((plugin.to_owned(), config)))
}

/// The address that [`read`] takes apart into the same.
pub(super) fn write(plugin: &str, config: &Map<String, Value>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let mut rest: Vec<(String, &Value)> = config
        .iter()
        .rev()
        .map(|(key, value)| (key.clone(), value))
        .collect();
    while let Some((path, value)) = rest.pop() {
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                rest.extend(
                    inner
                        .iter()
                        .rev()
                        .map(|(key, value)| (format!("{path}.{key}"), value)),
                );
            }
            // Text that would read as something else keeps its quotation marks.
            Value::String(text) if serde_json::from_str::<Value>(text).is_err() => {
                query.append_pair(&path, text);
            }
            other => {
                query.append_pair(&path, &other.to_string());
            }
        }
    }
    let query = query.finish();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{SCHEME}{plugin}{mark}{query}")
}

/// Puts a value where a path of keys leads.
fn put(config: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            config.insert(path.to_owned(), value);
        }
        Some((key, rest)) => {
            let inner = config.entry(key).or_insert_with(|| json!({}));
            if !inner.is_object() {
                *inner = json!({});
            }
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_address_carries_nested_and_typed_configuration() {
        let (plugin, config) = read("plugin:file?folder=%2Fout&rotation.maxBytes=1000&a.b=x%20y")
            .unwrap()
            .unwrap();
        assert_eq!(plugin, "file");
        assert_eq!(
            Value::Object(config.clone()),
            json!({ "folder": "/out", "rotation": { "maxBytes": 1000 }, "a": { "b": "x y" } })
        );
        assert_eq!(read(&write(&plugin, &config)), Ok(Some((plugin, config))));
    }

    #[test]
    fn text_that_looks_like_a_number_stays_text() {
        let Value::Object(config) = json!({ "id": "0017", "n": "17", "list": [1, "a"], "e": {} })
        else {
            unreachable!()
        };
        let again = read(&write("p", &config));
        assert_eq!(again, Ok(Some(("p".to_owned(), config))));
        assert_eq!(write("p", &Map::new()), "plugin:p");
        assert_eq!(read("http://host/"), Ok(None));
    }

    #[test]
    fn an_address_that_would_nest_without_end_is_refused() {
        let deep = format!("plugin:x?{}=1", vec!["a"; 100_000].join("."));
        assert!(read(&deep).unwrap_err().contains("at most"));
        let deep = format!("plugin:x?{}=1", vec!["a"; 17].join("."));
        assert!(read(&deep).unwrap_err().contains("16 parts"));
    }
}
