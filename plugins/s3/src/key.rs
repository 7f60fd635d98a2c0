//! Keys of objects, with their placeholders.
//!
//! A key of a task is a text with any number of `!{timestamp:PATTERN}` in it (specification 5.1). The
//! pattern is one of Java's ([`pattern`]), and the time is that of the first try, in UTC.

pub(crate) mod pattern;

use jiff::Timestamp;
use jiff::tz::Offset;

use pattern::Pattern;

/// The longest key of the service, in bytes of UTF-8 (Amazon S3 User Guide, "Naming Amazon S3 objects").
const MAX_KEY_BYTES: usize = 1024;
/// Characters that no key of a task has outside its placeholders (specification 5.1).
const FORBIDDEN: &str = "\\{ }%`[]\"'><~#^?|";

/// The key of a task, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Time(Pattern),
}

impl KeyTemplate {
    /// Reads a key; the error says what is wrong with it.
    pub(crate) fn parse(key: &str) -> Result<Self, String> {
        if key.is_empty() || key.chars().count() > MAX_KEY_BYTES {
            return Err(format!("a key has 1 to {MAX_KEY_BYTES} characters"));
        }
        let mut pieces = Vec::new();
        let mut rest = key;
        while let Some((before, behind)) = rest.split_once("!{") {
            pieces.push(text(before)?);
            let Some((placeholder, after)) = behind.split_once('}') else {
                return Err("a placeholder has no closing brace".to_owned());
            };
            pieces.push(time(placeholder)?);
            rest = after;
        }
        pieces.push(text(rest)?);
        Ok(Self(pieces))
    }

    /// The key at a time; the error says why there is none.
    pub(crate) fn resolve(&self, time: Timestamp) -> Result<String, String> {
        let time = Offset::UTC.to_datetime(time);
        let mut key = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => key.push_str(text),
                Piece::Time(pattern) => key.push_str(&pattern.format(time)?),
            }
        }
        match key.len() {
            1..=MAX_KEY_BYTES => Ok(key),
            length => Err(format!(
                "with its placeholders filled in it has {length} bytes, and S3 takes 1 to \
                 {MAX_KEY_BYTES}"
            )),
        }
    }
}

fn text(text: &str) -> Result<Piece, String> {
    match text
        .chars()
        .find(|&character| FORBIDDEN.contains(character))
    {
        Some(character) => Err(format!("it has the character `{character}`")),
        None => Ok(Piece::Text(text.to_owned())),
    }
}

fn time(placeholder: &str) -> Result<Piece, String> {
    match placeholder.split_once(':') {
        Some(("timestamp", pattern))
            if !pattern.is_empty()
                && pattern.chars().all(|c| c.is_ascii_alphabetic() || c == '/') =>
        {
            Ok(Piece::Time(Pattern::parse(pattern)?))
        }
        _ => Err(format!(
            "`!{{{placeholder}}}` is no placeholder; one looks like `!{{timestamp:yyyy/MM/dd}}`, with \
             letters and `/` alone"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(key: &str) -> Result<String, String> {
        KeyTemplate::parse(key)?.resolve("2026-01-02T03:04:05Z".parse().unwrap())
    }

    #[test]
    fn placeholders_are_filled_in_and_the_rest_stays() {
        assert_eq!(resolved("a/b.txt").unwrap(), "a/b.txt");
        assert_eq!(
            resolved("a!/!{timestamp:yyyy/MM/dd}/é!{timestamp:HH}.bin").unwrap(),
            "a!/2026/01/02/é03.bin"
        );
    }

    #[test]
    fn a_key_that_cannot_be_is_refused_with_the_reason() {
        for (key, expected) in [
            ("", "1 to 1024"),
            (&*"k".repeat(1025), "1 to 1024"),
            ("a b", "` `"),
            ("a%20b", "`%`"),
            ("a{b}", "`{`"),
            ("!{timestamp:yyyy-MM-dd}", "no placeholder"),
            ("!{timestamp:}", "no placeholder"),
            ("!{thing:yyyy}", "no placeholder"),
            ("!{timestamp:yyyy", "closing brace"),
            ("!{timestamp:bbb}", "no meaning"),
            (&*"é".repeat(1000), "2000 bytes"),
            (
                &*format!("{}!{{timestamp:yyyy}}", "k".repeat(1010)),
                "1 to 1024 characters",
            ),
        ] {
            let reason = resolved(key).unwrap_err();
            assert!(reason.contains(expected), "{key}: {reason}");
        }
    }
}
