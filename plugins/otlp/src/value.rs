//! JSON as the protocol's values.

use serde_json::Value;

use crate::proto::{Any, AnyValue, KeyValue, List, Map};

/// A value of JSON; `null` is the value without a kind.
pub(crate) fn of_json(value: Value) -> AnyValue {
    let value = match value {
        Value::Null => None,
        Value::Bool(truth) => Some(Any::Truth(truth)),
        Value::Number(number) => Some(match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Any::Integer(integer),
            (None, Some(float)) => Any::Float(float),
            (None, None) => Any::Text(number.to_string()),
        }),
        Value::String(text) => Some(Any::Text(text)),
        Value::Array(values) => Some(Any::List(List {
            values: values.into_iter().map(of_json).collect(),
        })),
        Value::Object(values) => Some(Any::Map(Map {
            values: values
                .into_iter()
                .map(|(key, value)| attribute(key, of_json(value)))
                .collect(),
        })),
    };
    AnyValue { value }
}

/// A text.
pub(crate) fn text(text: impl Into<String>) -> AnyValue {
    any(Any::Text(text.into()))
}

/// A value of one kind.
pub(crate) fn any(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

/// A value with a name.
pub(crate) fn attribute(key: impl Into<String>, value: AnyValue) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_json_has_a_kind_of_value() {
        let of = |json: &str| of_json(serde_json::from_str(json).unwrap()).value;
        assert_eq!(of("null"), None);
        assert_eq!(of("true"), Some(Any::Truth(true)));
        assert_eq!(of("-7"), Some(Any::Integer(-7)));
        assert_eq!(of("1.5"), Some(Any::Float(1.5)));
        // Beyond 64 bits with a sign.
        assert_eq!(
            of("18446744073709551615"),
            Some(Any::Float(18_446_744_073_709_551_615.0))
        );
        assert_eq!(of("\"a\""), Some(Any::Text("a".into())));
        let Some(Any::List(list)) = of("[1, [null]]") else {
            panic!("no list");
        };
        assert_eq!(list.values.len(), 2);
        let Some(Any::Map(map)) = of(r#"{"a": {"b": 1}}"#) else {
            panic!("no map");
        };
        assert_eq!(map.values[0].key, "a");
    }
}
