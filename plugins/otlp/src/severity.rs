//! How much a record matters (logs data model of OpenTelemetry, "Field: SeverityNumber").

use serde_json::Value;

/// A number from 1 to 24, and the source's own word for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Severity {
    pub(crate) number: i32,
    pub(crate) text: String,
}

/// The numbers of names, the first of each of the six ranges; names as common loggers have them.
const NAMES: [(&str, i32); 19] = [
    ("trace", 1),
    ("verbose", 1),
    ("debug", 5),
    ("info", 9),
    ("information", 9),
    ("informational", 9),
    ("notice", 10),
    ("warn", 13),
    ("warning", 13),
    ("error", 17),
    ("err", 17),
    ("severe", 17),
    ("critical", 18),
    ("crit", 18),
    ("alert", 19),
    ("fatal", 21),
    ("panic", 21),
    ("emerg", 21),
    ("emergency", 21),
];

impl Severity {
    /// The severity of a value: a name, or a number from 1 to 24. Another name keeps its text and has no
    /// number; what is neither says nothing.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => {
                let name = text.trim();
                let known = NAMES
                    .iter()
                    .find(|(known, _)| known.eq_ignore_ascii_case(name));
                Some(Self {
                    number: known.map_or(0, |(_, number)| *number),
                    text: text.clone(),
                })
            }
            Value::Number(number) => {
                let number = i32::try_from(number.as_i64()?).ok()?;
                (1..=24).contains(&number).then(|| Self {
                    number,
                    text: String::new(),
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn severity(json: &str) -> Option<(i32, String)> {
        let severity = Severity::of(&serde_json::from_str(json).unwrap());
        severity.map(|severity| (severity.number, severity.text))
    }

    #[test]
    fn names_and_numbers_are_known_and_the_rest_says_nothing() {
        assert_eq!(severity("\"WARN\""), Some((13, "WARN".into())));
        assert_eq!(severity("\"Information\""), Some((9, "Information".into())));
        assert_eq!(severity("\"odd\""), Some((0, "odd".into())));
        assert_eq!(severity("17"), Some((17, String::new())));
        for nothing in ["0", "25", "-1", "1.5", "null", "[]", "99999999999"] {
            assert_eq!(severity(nothing), None, "{nothing}");
        }
    }
}
