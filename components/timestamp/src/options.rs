//! The arguments.
//!
//! | argument | meaning |
//! | --- | --- |
//! | `--stream NAME` | the stream to append to; required |
//! | `--interval TIME` | time between two messages: `100ms`, `1s`, `5m`, `1h`; `1s` if not given |
//! | `--rate NUMBER` | messages a second instead of an interval, such as `2.5`; up to 100,000 |
//! | `--count NUMBER` | how many messages to append before the end; without end if not given |

use std::time::Duration;

/// The most messages a second that `--rate` takes.
const MAX_RATE: f64 = 100_000.0;

/// Arguments that make sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) stream: String,
    /// Time between two messages; not zero.
    pub(crate) interval: Duration,
    pub(crate) count: Option<u64>,
}

impl Options {
    /// Reads the arguments, without the program's name. The error is a sentence for operators.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut stream, mut interval, mut count) = (None, None, None);
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            if !["--stream", "--interval", "--rate", "--count"].contains(&name.as_str()) {
                return Err(format!(
                    "There is no argument `{name}`; there are --stream, --interval, --rate and --count."
                ));
            }
            let value = arguments
                .next()
                .ok_or_else(|| format!("`{name}` needs a value behind it."))?;
            let fresh = match name.as_str() {
                "--stream" => stream.replace(value).is_none(),
                "--interval" => interval.replace(parse_interval(&value)?).is_none(),
                "--rate" => interval.replace(parse_rate(&value)?).is_none(),
                _ => count.replace(parse_count(&value)?).is_none(),
            };
            if !fresh {
                return Err(format!(
                    "`{name}` says again what was said before; give each argument once, and either \
                     --interval or --rate."
                ));
            }
        }
        match stream {
            Some(stream) if !stream.is_empty() => Ok(Self {
                stream,
                interval: interval.unwrap_or(Duration::from_secs(1)),
                count,
            }),
            _ => Err("Name the stream to append to with `--stream NAME`.".to_owned()),
        }
    }
}

fn parse_interval(value: &str) -> Result<Duration, String> {
    let split = value
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(value.len());
    let (number, unit) = value.split_at(split);
    let milliseconds = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60 * 1000),
        "h" => Some(60 * 60 * 1000),
        _ => None,
    };
    let interval = milliseconds
        .zip(number.parse::<u64>().ok())
        .and_then(|(unit, number)| number.checked_mul(unit))
        .filter(|milliseconds| *milliseconds > 0);
    interval.map(Duration::from_millis).ok_or_else(|| {
        format!("`{value}` is no interval; give one such as `100ms`, `1s`, `5m` or `1h`.")
    })
}

fn parse_rate(value: &str) -> Result<Duration, String> {
    value
        .parse::<f64>()
        .ok()
        .filter(|rate| (0.0..=MAX_RATE).contains(rate))
        .and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok())
        .ok_or_else(|| {
            format!("`{value}` is no rate; give messages a second, above 0 and up to {MAX_RATE}.")
        })
}

fn parse_count(value: &str) -> Result<u64, String> {
    value
        .parse()
        .map_err(|_| format!("`{value}` is no count; give a whole number."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_stream_is_enough() {
        let options = parse("--stream readings").unwrap();
        assert_eq!(options.stream, "readings");
        assert_eq!(options.interval, Duration::from_secs(1));
        assert_eq!(options.count, None);
    }

    #[test]
    fn intervals_have_units() {
        for (text, milliseconds) in [
            ("100ms", 100),
            ("2s", 2000),
            ("5m", 300_000),
            ("1h", 3_600_000),
        ] {
            let options = parse(&format!("--interval {text} --stream s --count 3")).unwrap();
            assert_eq!(
                options.interval,
                Duration::from_millis(milliseconds),
                "{text}"
            );
            assert_eq!(options.count, Some(3));
        }
    }

    #[test]
    fn a_rate_is_messages_a_second() {
        assert_eq!(
            parse("--stream s --rate 4").unwrap().interval,
            Duration::from_millis(250)
        );
        assert_eq!(
            parse("--stream s --rate 0.5").unwrap().interval,
            Duration::from_secs(2)
        );
    }

    #[test]
    fn wrong_arguments_are_refused_with_a_sentence_that_names_them() {
        for (line, named) in [
            ("", "--stream"),
            ("--stream", "--stream"),
            ("--steam s", "--steam"),
            ("s", "`s`"),
            ("--stream s --stream t", "--stream"),
            ("--stream s --interval 1s --rate 1", "--rate"),
            ("--stream s --interval 5", "`5`"),
            ("--stream s --interval 0s", "`0s`"),
            ("--stream s --interval -1s", "`-1s`"),
            ("--stream s --interval 99999999999999999999h", "h`"),
            ("--stream s --rate 0", "`0`"),
            ("--stream s --rate NaN", "`NaN`"),
            ("--stream s --rate 1e9", "`1e9`"),
            ("--stream s --rate 1e-300", "`1e-300`"),
            ("--stream s --count many", "`many`"),
        ] {
            let message = parse(line).unwrap_err();
            assert!(
                message.contains(named) && message.ends_with('.'),
                "{line}: {message}"
            );
        }
    }
}
