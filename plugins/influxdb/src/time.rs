//! The times of points. What is sent is always in nanoseconds since the Unix epoch, which is what
//! InfluxDB keeps.

use std::time::Duration;

use jiff::Timestamp;
use millstream_plugin::Message;
use serde::Deserialize;
use serde_json::Value;

/// The unit of the times that stand in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) enum Precision {
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "us")]
    Microseconds,
    #[default]
    #[serde(rename = "ns")]
    Nanoseconds,
}

impl Precision {
    /// Digits behind the point when one of these is written in nanoseconds.
    fn digits(self) -> usize {
        match self {
            Self::Seconds => 9,
            Self::Milliseconds => 6,
            Self::Microseconds => 3,
            Self::Nanoseconds => 0,
        }
    }

    /// A number of this unit, perhaps with a fraction, in nanoseconds; none if it is no such number, or
    /// lies outside of what InfluxDB keeps. Digits beyond the nanosecond are cut off.
    pub(crate) fn nanoseconds(self, number: &str) -> Option<i64> {
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let (sign, digits) = match whole.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", whole),
        };
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if digits.is_empty() || !plain(digits) || !plain(fraction) {
            return None;
        }
        let fraction = fraction.get(..self.digits()).unwrap_or(fraction);
        let padded = format!("{sign}{digits}{fraction:0<width$}", width = self.digits());
        padded.parse().ok().filter(|&time| is_kept(time))
    }

    /// A time in JSON: a number of this unit, or a text as RFC 3339 has it.
    pub(crate) fn of_json(self, value: &Value) -> Option<i64> {
        match value {
            Value::Number(number) => self.nanoseconds(&number.to_string()),
            Value::String(text) => {
                let time: Timestamp = text.parse().ok()?;
                i64::try_from(time.as_nanosecond())
                    .ok()
                    .filter(|&time| is_kept(time))
            }
            _ => None,
        }
    }
}

/// InfluxDB keeps two values at each end for itself (`models.MinNanoTime`, `models.MaxNanoTime`).
fn is_kept(time: i64) -> bool {
    (i64::MIN + 2..=i64::MAX - 1).contains(&time)
}

/// The time of a message that says none: when the host took it, in milliseconds, and behind that its
/// number. So two messages of the same millisecond do not overwrite each other, and a message that comes
/// again has the same time.
pub(crate) fn of_message(message: &Message) -> i64 {
    const MILLISECOND: u64 = 1_000_000;
    let milliseconds = Duration::from_millis(message.ingest_time).as_nanos();
    let order = u128::from(message.sequence_number % MILLISECOND);
    i64::try_from(milliseconds + order).unwrap_or(i64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_taken_in_its_unit() {
        for (precision, number, expected) in [
            (
                Precision::Seconds,
                "1700000000",
                Some(1_700_000_000_000_000_000),
            ),
            (
                Precision::Seconds,
                "1700000000.5",
                Some(1_700_000_000_500_000_000),
            ),
            (Precision::Seconds, "-1.25", Some(-1_250_000_000)),
            (Precision::Milliseconds, "17", Some(17_000_000)),
            (Precision::Microseconds, "17.0009", Some(17_000)),
            (Precision::Nanoseconds, "17.9", Some(17)),
            (Precision::Nanoseconds, "-9223372036854775807", None),
            (
                Precision::Nanoseconds,
                "9223372036854775806",
                Some(i64::MAX - 1),
            ),
            (Precision::Seconds, "9223372037", None),
            (Precision::Seconds, "", None),
            (Precision::Seconds, "-", None),
            (Precision::Seconds, "1e9", None),
            (Precision::Seconds, "+1", None),
        ] {
            assert_eq!(precision.nanoseconds(number), expected, "{number}");
        }
    }

    #[test]
    fn json_has_numbers_and_texts() {
        let time = |text: &str| Precision::Seconds.of_json(&serde_json::from_str(text).unwrap());
        assert_eq!(time("1700000000.25"), Some(1_700_000_000_250_000_000));
        assert_eq!(
            time("\"2023-11-14T22:13:20.25Z\""),
            Some(1_700_000_000_250_000_000)
        );
        assert_eq!(
            time("\"2023-11-14T23:13:20+01:00\""),
            Some(1_700_000_000_000_000_000)
        );
        for wrong in [
            "\"yesterday\"",
            "true",
            "null",
            "1e300",
            "\"9999-01-01T00:00:00Z\"",
        ] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn messages_of_one_millisecond_have_times_of_their_own() {
        let time = |sequence_number| {
            of_message(&Message {
                sequence_number,
                ingest_time: 1_700_000_000_123,
                payload: Vec::new(),
            })
        };
        assert_eq!(time(0), 1_700_000_000_123_000_000);
        assert_eq!(time(999_999), 1_700_000_000_123_999_999);
        assert_eq!(time(7), time(7));
    }
}
