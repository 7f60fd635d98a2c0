//! Names of streams with places left open.

use std::fmt;
use std::str::FromStr;

use millstream_protocol::Name;
use serde::Deserialize;

/// A stream's name in which `*` stands for any run of characters, none included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamePattern(String);

impl NamePattern {
    /// Whether a stream of this name is meant.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let (mut pattern, mut rest) = (self.0.as_bytes(), name.as_bytes());
        // Behind the last star: where to go on if what follows it does not fit here.
        let mut star: Option<(&[u8], &[u8])> = None;
        loop {
            match (pattern.split_first(), rest.split_first()) {
                (Some((b'*', behind)), _) => {
                    star = Some((behind, rest));
                    pattern = behind;
                }
                (Some((wanted, behind)), Some((found, left))) if wanted == found => {
                    (pattern, rest) = (behind, left);
                }
                (None, None) => return true,
                _ => match star {
                    // Only the last star is worth another try: what came before it fits already.
                    Some((behind, [_, left @ ..])) => {
                        star = Some((behind, left));
                        (pattern, rest) = (behind, left);
                    }
                    _ => return false,
                },
            }
        }
    }
}

impl FromStr for NamePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A star in the place of a letter leaves a name a name.
        match text.replace('*', "x").parse::<Name>() {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(format!(
                "\"{}\" can be no stream's name: write 1 to 255 letters, digits or _ , . - and \
                 space, with * for any run of them",
                text.escape_debug()
            )),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for NamePattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        pattern.parse::<NamePattern>().unwrap().matches(name)
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name) in [
            ("telemetry", "telemetry"),
            ("*", "telemetry"),
            ("tele*", "telemetry"),
            ("tele*", "tele"),
            ("*try", "telemetry"),
            ("t*m*y", "telemetry"),
            ("**", "x"),
            ("*aab", "aaaab"),
            ("a*b*c", "a-b-b-c"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("telemetry", "telemetry2"),
            ("telemetry", "telemetr"),
            ("tele*", "xtele"),
            ("*try", "tryx"),
            ("t*z*y", "telemetry"),
            ("a*b*c", "a-c-b"),
            ("Tele*", "telemetry"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_that_no_name_can_fit_is_refused() {
        for pattern in ["", "a/b", "é*", "?", &"*".repeat(256)] {
            let refused = pattern.parse::<NamePattern>().unwrap_err();
            assert!(refused.contains("no stream's name"), "{refused}");
        }
    }
}
