//! Names of streams with places left open.

use std::fmt;
use std::str::FromStr;

use millstream_protocol::Name;
use millstream_runtime::StreamPattern;
use serde::Deserialize;

/// A stream's name in which `*` stands for any run of characters, none included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamePattern(StreamPattern);

impl NamePattern {
    /// Whether a stream of this name is meant.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.0.matches(name)
    }
}

impl FromStr for NamePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A star in the place of a letter leaves a name a name.
        match text.replace('*', "x").parse::<Name>() {
            Ok(_) => Ok(Self(StreamPattern::new(text))),
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
        self.0.fmt(f)
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

    #[test]
    fn a_pattern_that_no_name_can_fit_is_refused() {
        for pattern in ["", "a/b", "é*", "?", &"*".repeat(256)] {
            let refused = pattern.parse::<NamePattern>().unwrap_err();
            assert!(refused.contains("no stream's name"), "{refused}");
        }
    }
}
