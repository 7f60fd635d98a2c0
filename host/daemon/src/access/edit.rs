//! Changing the file of clients.
//!
//! The text is changed only where it has to be, so that what people have written stays. Before a
//! changed text replaces the file it is read back and compared with what was meant.

use std::fs::File;
use std::path::Path;

use millstream_protocol::Name;

use super::{ClientsFile, Entry, Right, Rights, Token};
use crate::config::ConfigProblem;
use crate::replace::replace;

/// What a new file begins with.
const HEAD: &str = "\
# The clients of a Millstream host, which takes up changes within two seconds. `millstream client`
# adds and removes them; names of streams may be edited here, with * for any run of characters.
";

/// Only its owner may read the file.
const MODE: u32 = 0o600;

/// Why the file of clients was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditProblem {
    /// What is there cannot be used.
    #[error(transparent)]
    File(#[from] ConfigProblem),
    /// It cannot be done to what is there.
    #[error("{0}")]
    Refused(String),
}

impl From<String> for EditProblem {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

impl ClientsFile {
    /// Adds a client with a new token, and makes the file if there is none.
    ///
    /// # Errors
    ///
    /// [`EditProblem`]; the file is then as before.
    pub(crate) fn add(&self, name: &Name, rights: &Rights) -> Result<Token, EditProblem> {
        let token = Token::random()?;
        self.edit(|text, entries| {
            if entries.iter().any(|entry| entry.name == *name) {
                return Err(format!(
                    "there is a client \"{name}\" already; `millstream client rotate` gives it another \
                     token, `millstream client remove` takes it away"
                ));
            }
            if text.is_empty() {
                text.push_str(HEAD);
            } else if !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&table(name, &token, rights));
            Ok(entries.len() + 1)
        })?;
        Ok(token)
    }

    /// Gives a client another token.
    ///
    /// # Errors
    ///
    /// [`EditProblem`]; the file is then as before.
    pub(crate) fn rotate(&self, name: &Name) -> Result<Token, EditProblem> {
        let token = Token::random()?;
        self.edit(|text, entries| {
            let entry = find(entries, name)?;
            let kept = format!("\"{}\"", token.hash().to_text());
            text.replace_range(entry.token_place.clone(), &kept);
            Ok(entries.len())
        })?;
        Ok(token)
    }

    /// Takes a client away.
    ///
    /// # Errors
    ///
    /// [`EditProblem`]; the file is then as before.
    pub(crate) fn remove(&self, name: &Name) -> Result<(), EditProblem> {
        self.edit(|text, entries| {
            let start = find(entries, name)?.start;
            let next = entries.iter().map(|entry| entry.start);
            let end = next
                .filter(|next| *next > start)
                .min()
                .unwrap_or(text.len());
            // Comments above the next client are about the next client.
            let about_it = text.get(start..end).unwrap_or_default();
            let last = about_it
                .split_inclusive('\n')
                .scan(0, |behind, line| {
                    *behind += line.len();
                    Some((*behind, line.trim_start()))
                })
                .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
                .last()
                .map_or(about_it.len(), |(behind, _)| behind);
            text.replace_range(start..start + last, "");
            Ok(entries.len() - 1)
        })
    }

    /// Changes the text with `change`, which tells how many clients there are afterwards.
    fn edit(
        &self,
        change: impl FnOnce(&mut String, &[Entry]) -> Result<usize, String>,
    ) -> Result<(), EditProblem> {
        let path = self.path();
        let unwritable = |error: std::io::Error| {
            EditProblem::Refused(format!(
                "the file of clients {} cannot be written: {error}",
                path.display()
            ))
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // Two commands at once come one after the other.
        let folder = File::open(folder).map_err(unwritable)?;
        folder.lock().map_err(unwritable)?;
        let mut text = if path.exists() {
            self.read()?
        } else {
            String::new()
        };
        let entries = self.parse(&text)?;
        let expected = change(&mut text, &entries)?;
        match self.parse(&text) {
            Ok(found) if found.len() == expected => {}
            _ => {
                return Err(EditProblem::Refused(format!(
                    "{} is written in a way that this command cannot change; edit it by hand",
                    path.display()
                )));
            }
        }
        replace(path, text.as_bytes(), MODE).map_err(unwritable)?;
        folder.sync_all().map_err(unwritable)
    }
}

fn find<'e>(entries: &'e [Entry], name: &Name) -> Result<&'e Entry, String> {
    let found = entries.iter().find(|entry| entry.name == *name);
    found.ok_or_else(|| {
        let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
        match crate::config::nearest(name.as_str(), &names) {
            Some(near) => format!("there is no client \"{name}\"; did you mean \"{near}\"?"),
            None => format!("there is no client \"{name}\"; `millstream client list` shows all"),
        }
    })
}

fn table(name: &Name, token: &Token, rights: &Rights) -> String {
    let mut text = format!(
        "\n[[client]]\nname = \"{name}\"\ntoken = \"{}\"\n",
        token.hash().to_text()
    );
    for right in Right::ALL {
        // Patterns have no character that a TOML string would need to escape.
        let patterns: Vec<_> = rights
            .on(right)
            .iter()
            .map(|pattern| format!("\"{pattern}\""))
            .collect();
        text.push_str(&format!("{} = [{}]\n", right.key(), patterns.join(", ")));
    }
    text
}
