//! The file of clients.
//!
//! ```toml
//! [[client]]
//! name = "line-4"
//! token = "sha256:…"
//! create = []
//! append = ["line-4", "alarms-*"]
//! read = []
//! administer = []
//! ```

use std::collections::BTreeSet;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use millstream_protocol::Name;
use serde::Deserialize;
use toml::Spanned;

use super::token::TokenHash;
use super::{NamePattern, Rights};
use crate::config::{Config, ConfigProblem};

/// Where clients are kept.
#[derive(Debug, Clone)]
pub(crate) struct ClientsFile {
    path: PathBuf,
}

/// A client of the file.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: Name,
    pub(super) token: TokenHash,
    pub(crate) rights: Rights,
    /// Where it begins in the text, and where its token stands.
    pub(super) start: usize,
    pub(super) token_place: Range<usize>,
}

/// What tells one state of a file from another; the default is no file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stamp(Option<(u64, u64, SystemTime)>);

/// What a look at the file has found.
pub(super) enum Snapshot {
    Same,
    /// It is another, and may be half written: what is cut off or not yet written can be a valid file of
    /// fewer clients. The next look tells.
    Unsettled(Stamp),
    Changed(Stamp, Result<Vec<Entry>, ConfigProblem>),
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Tables {
    client: Vec<Spanned<Table>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: String,
    token: Spanned<TokenHash>,
    #[serde(default)]
    create: Vec<NamePattern>,
    #[serde(default)]
    append: Vec<NamePattern>,
    #[serde(default)]
    read: Vec<NamePattern>,
    #[serde(default)]
    administer: Vec<NamePattern>,
}

impl ClientsFile {
    /// The file that a configuration names.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            path: config.path(&config.server.clients),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads all clients.
    ///
    /// # Errors
    ///
    /// [`ConfigProblem`], if the file is missing or wrong. It never shows a token.
    pub(crate) fn load(&self) -> Result<Vec<Entry>, ConfigProblem> {
        self.parse(&self.read()?)
    }

    pub(super) fn read(&self) -> Result<String, ConfigProblem> {
        std::fs::read_to_string(&self.path).map_err(|error| {
            let what_to_do = match error.kind() {
                std::io::ErrorKind::NotFound => {
                    "`millstream client add` makes it, or server.clients names another"
                }
                _ => "give the user of the host the permission to read it",
            };
            let reason = format!("the file of clients cannot be read: {error}; {what_to_do}");
            ConfigProblem::invalid(&self.path, reason)
        })
    }

    pub(super) fn parse(&self, text: &str) -> Result<Vec<Entry>, ConfigProblem> {
        let tables: Tables =
            toml::from_str(text).map_err(|error| ConfigProblem::toml(&self.path, text, &error))?;
        let mut entries: Vec<Entry> = Vec::new();
        let mut names = BTreeSet::new();
        for table in tables.client {
            let entry =
                read_table(table).map_err(|reason| ConfigProblem::invalid(&self.path, reason))?;
            let twice = if !names.insert(entry.name.clone()) {
                "the name"
            } else if entries.iter().any(|other| other.token == entry.token) {
                "the token"
            } else {
                entries.push(entry);
                continue;
            };
            let reason = format!(
                "[[client]] \"{}\": {twice} is used twice; each client needs its own",
                entry.name
            );
            return Err(ConfigProblem::invalid(&self.path, reason));
        }
        Ok(entries)
    }

    /// Reads the file if it is not as it was `taken` and has stayed as it was `seen` last. It blocks on the
    /// disk.
    pub(super) fn look(&self, taken: Stamp, seen: Stamp) -> Snapshot {
        // Before the reading: what changes behind it is seen by the next look.
        let now = self.stamp();
        if now == taken {
            return Snapshot::Same;
        }
        if now != seen {
            return Snapshot::Unsettled(now);
        }
        Snapshot::Changed(now, self.load())
    }

    fn stamp(&self) -> Stamp {
        let found = std::fs::metadata(&self.path).ok();
        Stamp(found.and_then(|found| Some((found.ino(), found.len(), found.modified().ok()?))))
    }
}

fn read_table(table: Spanned<Table>) -> Result<Entry, String> {
    let start = table.span().start;
    let table = table.into_inner();
    let name = table.name.parse().map_err(|_| {
        format!(
            "[[client]] \"{}\": a name has 1 to 255 letters, digits or _ , . - and space",
            table.name.escape_debug()
        )
    })?;
    Ok(Entry {
        name,
        start,
        token_place: table.token.span(),
        token: table.token.into_inner(),
        rights: Rights {
            create: table.create,
            append: table.append,
            read: table.read,
            administer: table.administer,
        },
    })
}
