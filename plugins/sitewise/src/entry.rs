//! An entry: what a message has to be (protocol specification, section 5.3).
//!
//! Where the service has become more generous than the protocol's own model, its API reference counts:
//! integers below zero, empty texts, and `nullValue`. What is in doubt is left to the service, which
//! answers for each entry.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

/// The largest message, in bytes: more than ten texts of 1,024 characters and an alias of 2,048 take,
/// even if JSON escapes each.
pub(crate) const MAX_ENTRY_BYTES: u64 = 256 << 10;

/// The most values of an entry.
const MAX_VALUES: usize = 10;
/// The longest `entryId`, in characters.
const MAX_ID: usize = 64;
/// The longest `propertyAlias`, in characters.
const MAX_ALIAS: usize = 2048;
/// The longest `stringValue`, in characters.
const MAX_TEXT: usize = 1024;
/// The latest second that the service knows. The protocol's own bound is beyond it.
const MAX_SECONDS: i64 = 9_223_372_036_854_774;
const MAX_NANOS: i64 = 999_999_999;

/// What can stand as a value.
const KINDS: [&str; 5] = [
    "stringValue",
    "integerValue",
    "doubleValue",
    "booleanValue",
    "nullValue",
];

/// A message that is an entry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The whole of it, as it came and is sent: a number that is read and written anew may be another.
    pub(crate) json: Vec<u8>,
    pub(crate) id: String,
    property: Property,
    times: Vec<Time>,
}

/// Which property an entry's values belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Property {
    Id { asset: String, property: String },
    Alias(String),
}

/// Seconds since the epoch, and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Time(i64, i64);

impl Entry {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// A sentence, if the service can never take it.
    pub(crate) fn read(payload: Vec<u8>) -> Result<Self, String> {
        let json: Value = serde_json::from_slice(&payload)
            .map_err(|error| format!("The message is not JSON: {error}."))?;
        let fields = json
            .as_object()
            .ok_or("The message is no JSON object; it has to be one PutAssetPropertyValueEntry.")?;
        let id = text(fields, "entryId")?.ok_or("`entryId` is missing.")?;
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if !(1..=MAX_ID).contains(&id.len()) || !id.bytes().all(is_word) {
            return Err(format!(
                "`entryId` has 1 to {MAX_ID} letters, digits, `_` and `-`."
            ));
        }
        let id = id.to_owned();
        let property = Property::of(fields)?;
        let values = match present(fields, "propertyValues") {
            Some(Value::Array(values)) => values,
            Some(_) => return Err("`propertyValues` is no list.".to_owned()),
            None => return Err("`propertyValues` is missing.".to_owned()),
        };
        if !(1..=MAX_VALUES).contains(&values.len()) {
            return Err(format!(
                "`propertyValues` has {} values; it may have 1 to {MAX_VALUES}.",
                values.len()
            ));
        }
        let times = values
            .iter()
            .enumerate()
            .map(|(place, value)| {
                time_of(value).map_err(|why| format!("`propertyValues[{place}]`: {why}"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            json: payload,
            id,
            property,
            times,
        })
    }

    /// Whether both have a value for one property and one time, or one `entryId`: the service then
    /// refuses one of them if they share a call.
    pub(crate) fn clashes(&self, other: &Self) -> bool {
        self.id == other.id
            || (self.property == other.property
                && self.times.iter().any(|time| other.times.contains(time)))
    }

    /// Whether it has two values for one time, and so clashes with itself.
    pub(crate) fn clashes_with_itself(&self) -> bool {
        let mut times = self.times.iter();
        std::iter::from_fn(|| times.next().map(|time| times.as_slice().contains(time)))
            .any(|is_repeated| is_repeated)
    }
}

impl Property {
    fn of(fields: &Map<String, Value>) -> Result<Self, String> {
        let owned = |key| text(fields, key).map(|text| text.map(str::to_owned));
        let (asset, property) = (owned("assetId")?, owned("propertyId")?);
        let alias = owned("propertyAlias")?;
        if let Some(alias) = &alias
            && (!(1..=MAX_ALIAS).contains(&alias.chars().count()) || has_control(alias))
        {
            return Err(format!(
                "`propertyAlias` has 1 to {MAX_ALIAS} characters, without control characters."
            ));
        }
        match (asset, property, alias) {
            (Some(asset), Some(property), _) => Ok(Self::Id { asset, property }),
            (None, None, Some(alias)) => Ok(Self::Alias(alias)),
            _ => Err(
                "The property is not named: give `assetId` and `propertyId`, or `propertyAlias`."
                    .to_owned(),
            ),
        }
    }
}

/// Checks one value with its time and quality.
fn time_of(value: &Value) -> Result<Time, String> {
    let fields = value.as_object().ok_or("it is no object.")?;
    let variant = match present(fields, "value") {
        Some(Value::Object(variant)) => variant,
        Some(_) => return Err("`value` is no object.".to_owned()),
        None => return Err("`value` is missing.".to_owned()),
    };
    check_variant(variant)?;
    match text(fields, "quality")? {
        None | Some("GOOD" | "BAD" | "UNCERTAIN") => {}
        Some(_) => return Err("`quality` is `GOOD`, `BAD` or `UNCERTAIN`.".to_owned()),
    }
    let timestamp = match present(fields, "timestamp") {
        Some(Value::Object(timestamp)) => timestamp,
        Some(_) => return Err("`timestamp` is no object.".to_owned()),
        None => return Err("`timestamp` is missing.".to_owned()),
    };
    let number = |key: &str, bounds: std::ops::RangeInclusive<i64>| match present(timestamp, key) {
        None => Ok(None),
        Some(number) => match number.as_i64() {
            Some(number) if bounds.contains(&number) => Ok(Some(number)),
            _ => Err(format!(
                "`timestamp.{key}` is a whole number from {} to {}.",
                bounds.start(),
                bounds.end()
            )),
        },
    };
    let seconds =
        number("timeInSeconds", 1..=MAX_SECONDS)?.ok_or("`timestamp.timeInSeconds` is missing.")?;
    let nanos = number("offsetInNanos", 0..=MAX_NANOS)?.unwrap_or(0);
    Ok(Time(seconds, nanos))
}

fn check_variant(variant: &Map<String, Value>) -> Result<(), String> {
    let mut given = KINDS.iter().filter_map(|kind| {
        let value = present(variant, kind)?;
        Some((*kind, value))
    });
    let (Some((kind, value)), None) = (given.next(), given.next()) else {
        return Err(format!(
            "`value` has exactly one of `{}`.",
            KINDS.join("`, `")
        ));
    };
    let is_right = match kind {
        "stringValue" => value
            .as_str()
            .is_some_and(|text| text.chars().count() <= MAX_TEXT && !has_control(text)),
        "integerValue" => value
            .as_i64()
            .is_some_and(|number| i32::try_from(number).is_ok()),
        // Not-a-number is a text in JSON.
        "doubleValue" => value.is_number() || value == "NaN",
        "booleanValue" => value.is_boolean(),
        _ => value.is_object(),
    };
    if is_right {
        return Ok(());
    }
    Err(match kind {
        "stringValue" => format!(
            "`value.stringValue` is a text of at most {MAX_TEXT} characters, without control characters."
        ),
        "integerValue" => {
            format!(
                "`value.integerValue` is a whole number from {} to {}.",
                i32::MIN,
                i32::MAX
            )
        }
        "doubleValue" => "`value.doubleValue` is a number.".to_owned(),
        "booleanValue" => "`value.booleanValue` is `true` or `false`.".to_owned(),
        _ => "`value.nullValue` is an object with a `valueType`.".to_owned(),
    })
}

/// The value of a key; `null` is as good as none, here as in all services of AWS.
fn present<'a>(fields: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    fields.get(key).filter(|value| !value.is_null())
}

fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, String> {
    match present(fields, key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{key}` is no text.")),
    }
}

/// The control characters that the service refuses: those of ASCII.
fn has_control(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_control())
}
