//! What is wrong with a configuration, in one sentence that says what to change.

use std::fmt;
use std::path::Path;

/// A configuration that cannot be used.
#[derive(Debug)]
pub(crate) struct ConfigProblem(String);

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigProblem {}

impl ConfigProblem {
    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self(format!(
            "the configuration {} cannot be read: {error}; `millstream init` writes one",
            path.display()
        ))
    }

    pub(super) fn variable(name: &str, reason: impl std::fmt::Display) -> Self {
        Self(format!("the environment variable {name}: {reason}"))
    }

    /// A file that can be read, and says something that cannot be.
    pub(crate) fn invalid(path: &Path, reason: String) -> Self {
        Self(format!("{}: {reason}", path.display()))
    }

    /// A file that is no TOML, or has a key or a value that it may not have.
    pub(crate) fn toml(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let place = match error.span() {
            Some(span) => {
                let before = text.get(..span.start).unwrap_or(text);
                format!(
                    "{}, line {}",
                    path.display(),
                    before.matches('\n').count() + 1
                )
            }
            None => path.display().to_string(),
        };
        Self(format!("{place}: {}", explain(error.message())))
    }
}

/// Puts the nearest known key first where serde lists them all.
fn explain(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field")
        && let Some(unknown) = quoted.next()
    {
        let known: Vec<_> = quoted.collect();
        return match nearest(unknown, &known) {
            Some(near) => format!("unknown key \"{unknown}\"; did you mean \"{near}\"?"),
            None => format!(
                "unknown key \"{unknown}\"; the keys here are {}",
                known.join(", ")
            ),
        };
    }
    message.trim_end().replace('\n', " ").replace('`', "\"")
}

/// The known word that is most like an unknown one, if any is much like it.
pub(crate) fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|known| (strsim::jaro_winkler(unknown, known), *known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}
