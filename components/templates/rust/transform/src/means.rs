//! What becomes of a batch.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::config::Config;

/// A message that is made.
#[derive(Debug, PartialEq)]
pub struct Mean {
    /// The readings that it is made of: their places in the batch, ascending.
    pub sources: Vec<u32>,
    /// A JSON object.
    pub payload: Vec<u8>,
}

/// What is made of a batch.
#[derive(Debug, Default)]
pub struct Made {
    /// In the order of their last sources, as the host wants them.
    pub means: Vec<Mean>,
    /// What is no reading: its place in the batch, and why.
    pub rejected: Vec<(u32, String)>,
}

/// Makes one message of the readings of each sensor.
pub fn means<'a>(config: &Config, payloads: impl Iterator<Item = &'a [u8]>) -> Made {
    let mut made = Made::default();
    // Of each sensor: the places of its readings, and their numbers.
    let mut readings: BTreeMap<String, (Vec<u32>, Vec<f64>)> = BTreeMap::new();
    for (place, payload) in (0..).zip(payloads) {
        match reading(config, payload) {
            Ok((sensor, number)) => {
                let (places, numbers) = readings.entry(sensor).or_default();
                places.push(place);
                numbers.push(number);
            }
            Err(reason) => made.rejected.push((place, reason)),
        }
    }
    for (sensor, (sources, numbers)) in readings {
        let count = numbers.len();
        let mean = numbers.iter().sum::<f64>() / count as f64;
        let fields = json!({ &config.key: sensor, &config.value: mean, "count": count });
        made.means.push(Mean { sources, payload: fields.to_string().into_bytes() });
    }
    made.means.sort_by_key(|mean| mean.sources.last().copied());
    made
}

/// The sensor and the number in a message, or why there are none.
fn reading(config: &Config, payload: &[u8]) -> Result<(String, f64), String> {
    let fields: Value = serde_json::from_slice(payload)
        .map_err(|error| format!("The payload is no JSON object: {error}."))?;
    let Config { key, value } = config;
    match (fields[key].as_str(), fields[value].as_f64()) {
        (Some(sensor), Some(number)) => Ok((sensor.into(), number)),
        _ => Err(format!("The payload has no text `{key}` and no number `{value}`.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(config: &str, payloads: &[&str]) -> Made {
        let config = Config::parse(config).unwrap();
        means(&config, payloads.iter().map(|payload| payload.as_bytes()))
    }

    fn messages(made: &Made) -> Vec<(Vec<u32>, Value)> {
        let message = |mean: &Mean| {
            let fields = serde_json::from_slice(&mean.payload).unwrap();
            (mean.sources.clone(), fields)
        };
        made.means.iter().map(message).collect()
    }

    #[test]
    fn the_readings_of_each_sensor_become_one_message() {
        let found = made(
            "{}",
            &[
                r#"{"sensor":"a","value":1}"#,
                r#"{"sensor":"b","value":5}"#,
                r#"{"sensor":"a","value":2.0}"#,
            ],
        );
        assert_eq!(
            messages(&found),
            [
                (vec![1], json!({ "sensor": "b", "value": 5.0, "count": 1 })),
                (vec![0, 2], json!({ "sensor": "a", "value": 1.5, "count": 2 })),
            ]
        );
    }

    #[test]
    fn what_is_no_reading_is_rejected_and_its_neighbours_go_on() {
        let found = made("{}", &[r#"{"sensor":"a","value":1}"#, "[1]", r#"{"sensor":"a"}"#, "{"]);
        let rejected: Vec<_> = found.rejected.iter().map(|(place, _)| *place).collect();
        assert_eq!(rejected, [1, 2, 3]);
        assert_eq!(found.means[0].sources, [0]);
    }

    #[test]
    fn the_fields_are_those_of_the_configuration() {
        let found = made(r#"{"key":"id","value":"t"}"#, &[r#"{"id":"x","t":3}"#]);
        assert_eq!(messages(&found), [(vec![0], json!({ "id": "x", "t": 3.0, "count": 1 }))]);
    }
}
