//! The arguments: `--stream NAME [--interval-ms N]`.

use std::time::Duration;

/// What the operator's `args` say.
#[derive(Debug, PartialEq)]
pub struct Arguments {
    pub stream: String,
    /// The pause between two readings.
    pub interval: Duration,
}

impl Arguments {
    /// Reads what follows the name of the program. An error is a sentence for the operator.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut stream, mut interval) = (String::new(), Duration::from_secs(1));
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| format!("Wrong arguments: {name} has no value."))?;
            match name.as_str() {
                "--stream" => stream = value,
                "--interval-ms" => {
                    let number = value.parse().map_err(|_| format!("Wrong arguments: {name} {value}."))?;
                    interval = Duration::from_millis(number);
                }
                _ => return Err(format!("Wrong arguments: there is no {name}.")),
            }
        }
        match stream.is_empty() {
            true => Err("Wrong arguments: --stream NAME is missing.".into()),
            false => Ok(Self { stream, interval }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Arguments, String> {
        Arguments::parse(words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_stream_is_needed_and_the_interval_is_a_second_unless_it_is_given() {
        let arguments = parse("--stream a").unwrap();
        assert_eq!((arguments.stream.as_str(), arguments.interval), ("a", Duration::from_secs(1)));
        let arguments = parse("--interval-ms 20 --stream a").unwrap();
        assert_eq!(arguments.interval, Duration::from_millis(20));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, named) in [
            ("", "--stream"),
            ("--stream", "--stream"),
            ("--strem a", "--strem"),
            ("--stream a --interval-ms soon", "soon"),
        ] {
            let wrong = parse(words).unwrap_err();
            assert!(wrong.contains(named), "{wrong}");
        }
    }
}
