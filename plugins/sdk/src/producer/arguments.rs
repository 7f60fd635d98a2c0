//! Arguments of a producer: names with values behind them.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::End;

/// The arguments of a program, each a name and a value. Wrong ones end it with a sentence that says what
/// would be right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments(Vec<(String, String)>);

impl Arguments {
    /// Reads arguments, without the program's name, of which these are known.
    ///
    /// # Errors
    ///
    /// [`End::Wrong`] for an unknown one, and for one without a value.
    pub fn parse(known: &[&str], given: impl IntoIterator<Item = String>) -> Result<Self, End> {
        let mut given = given.into_iter();
        let mut found = Vec::new();
        while let Some(name) = given.next() {
            if !known.contains(&name.as_str()) {
                let known = known.join(", ");
                return wrong(format!("There is no argument `{name}`; there are {known}."));
            }
            match given.next() {
                Some(value) => found.push((name, value)),
                None => return wrong(format!("`{name}` needs a value behind it.")),
            }
        }
        Ok(Self(found))
    }

    /// All values of an argument that may be given several times.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(given, _)| given == name);
        named.map(|(_, value)| value.as_str())
    }

    /// The value of an argument that may be left out.
    ///
    /// # Errors
    ///
    /// [`End::Wrong`] if it is given more than once.
    pub fn text(&self, name: &str) -> Result<Option<&str>, End> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => wrong(format!("`{name}` is given more than once.")),
        }
    }

    /// The value of an argument that is needed, and not empty.
    ///
    /// # Errors
    ///
    /// [`End::Wrong`]
    pub fn required(&self, name: &str) -> Result<&str, End> {
        match self.text(name)? {
            Some(value) if !value.is_empty() => Ok(value),
            _ => wrong(format!(
                "`{name}` is missing; give it with a value behind it."
            )),
        }
    }

    /// A time above zero, such as `100ms`, `10s`, `5m` or `1h`.
    ///
    /// # Errors
    ///
    /// [`End::Wrong`]
    pub fn time(&self, name: &str, default: Duration) -> Result<Duration, End> {
        let Some(text) = self.text(name)? else {
            return Ok(default);
        };
        match parse_time(text) {
            Some(time) => Ok(time),
            None => wrong(format!(
                "`{name} {text}` is no time; give one such as `100ms`, `10s`, `5m` or `1h`."
            )),
        }
    }

    /// A whole number within bounds.
    ///
    /// # Errors
    ///
    /// [`End::Wrong`]
    pub fn number(
        &self,
        name: &str,
        default: u64,
        bounds: RangeInclusive<u64>,
    ) -> Result<u64, End> {
        let Some(text) = self.text(name)? else {
            return Ok(default);
        };
        match text.parse() {
            Ok(number) if bounds.contains(&number) => Ok(number),
            _ => wrong(format!(
                "`{name} {text}` is not a whole number from {} to {}.",
                bounds.start(),
                bounds.end()
            )),
        }
    }
}

fn wrong<T>(sentence: String) -> Result<T, End> {
    Err(End::Wrong(sentence))
}

fn parse_time(text: &str) -> Option<Duration> {
    let split = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        _ => return None,
    };
    let milliseconds = number.parse::<u64>().ok()?.checked_mul(milliseconds)?;
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, End> {
        let known = ["--stream", "--interval", "--max", "--header"];
        Arguments::parse(&known, line.split_whitespace().map(str::to_owned))
    }

    fn sentence<T: std::fmt::Debug>(outcome: Result<T, End>) -> String {
        match outcome {
            Err(End::Wrong(sentence)) => sentence,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_are_found_behind_their_names() {
        let line = "--stream s --interval 2m --header a --max 7 --header b";
        let arguments = parse(line).unwrap();
        assert_eq!(arguments.required("--stream"), Ok("s"));
        let time = arguments.time("--interval", Duration::ZERO);
        assert_eq!(time, Ok(Duration::from_secs(120)));
        assert_eq!(arguments.number("--max", 1, 1..=9), Ok(7));
        assert!(arguments.all("--header").eq(["a", "b"]));
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let arguments = parse("").unwrap();
        assert_eq!(arguments.text("--stream"), Ok(None));
        let second = Duration::from_secs(1);
        assert_eq!(arguments.time("--interval", second), Ok(second));
        assert_eq!(arguments.number("--max", 3, 1..=9), Ok(3));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for line in ["--strem s", "s", "--stream"] {
            let word = line.split(' ').next().unwrap();
            assert!(sentence(parse(line)).contains(&format!("`{word}`")));
        }
        let line = "--interval 5 --max 10 --header a --header b";
        let arguments = parse(line).unwrap();
        assert!(sentence(arguments.required("--stream")).contains("`--stream` is missing"));
        for text in ["5", "0s", "-1s", "1d", "s", "99999999999999999999h"] {
            let given = ["--interval".to_owned(), text.to_owned()];
            let arguments = Arguments::parse(&["--interval"], given).unwrap();
            let time = arguments.time("--interval", Duration::ZERO);
            assert!(sentence(time).contains(&format!("`--interval {text}`")));
        }
        assert!(sentence(arguments.number("--max", 1, 1..=9)).contains("from 1 to 9"));
        assert!(sentence(arguments.text("--header")).contains("more than once"));
    }
}
