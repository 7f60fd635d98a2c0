//! Names of streams with places left open.

use std::fmt;

/// A stream's name in which `*` stands for any run of characters, none included. No stream's name has a
/// star in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPattern(String);

impl StreamPattern {
    /// A pattern; any text is one, though some can fit no stream.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether a stream of this name is meant.
    pub fn matches(&self, name: &str) -> bool {
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

impl fmt::Display for StreamPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        StreamPattern::new(pattern).matches(name)
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
}
