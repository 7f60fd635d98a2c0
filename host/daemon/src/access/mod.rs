//! Who may connect, and what they may do.
//!
//! [`Access`] is the door: it knows whether clients have to show a token, and which client a token
//! belongs to. What it lets in is a [`Client`], the only thing that says whether a call is allowed:
//! [`Client::may`] for one right on one stream, [`Client::sees`] for any.
//!
//! Clients are kept in a file of their own ([`file`]), which `millstream client` writes and people
//! may edit. A running host looks at it again and again ([`Access::follow`]). Clients that are in it
//! as before keep their connections and get their new rights at once; the connections of those that
//! were removed, or got another token, end. A file that has become wrong changes nothing.
//!
//! A token has 256 bits of randomness and is kept as its SHA-256 only ([`token`]).

mod client;
mod edit;
mod file;
mod pattern;
mod right;
mod token;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millstream_protocol::request::AuthToken;

pub(crate) use client::{Client, Forbidden};
pub(crate) use edit::EditProblem;
pub(crate) use file::{ClientsFile, Entry};
pub(crate) use pattern::NamePattern;
pub(crate) use right::{Right, Rights};
pub(crate) use token::Token;

use crate::config::{Authentication, Config, ConfigProblem};
use client::Known;
use file::{Snapshot, Stamp};
use token::TokenHash;

/// How often the file of clients is looked at. A change counts with the second look that finds it, so within
/// the two seconds that are promised.
const LOOK: Duration = Duration::from_millis(750);

/// The door.
pub(crate) enum Access {
    /// Whoever reaches the port may do everything.
    Open,
    /// Clients show a token.
    Tokens(Gate),
}

/// The clients that are let in, as their file said when it was last right.
pub(crate) struct Gate {
    file: ClientsFile,
    known: Mutex<Vec<Arc<Known>>>,
}

impl Access {
    /// What the configuration says, with the file of clients read.
    ///
    /// # Errors
    ///
    /// [`ConfigProblem`], if that file is missing or wrong.
    pub(crate) fn load(config: &Config) -> Result<Self, ConfigProblem> {
        match config.server.authentication {
            Authentication::Off => Ok(Self::Open),
            Authentication::Tokens => {
                let file = ClientsFile::of(config);
                let entries = file.load()?;
                Ok(Self::Tokens(Gate {
                    file,
                    known: Mutex::new(entries.into_iter().map(Known::shared).collect()),
                }))
            }
        }
    }

    /// The client that a token belongs to; none, if it belongs to nobody.
    pub(crate) fn admit(&self, token: Option<&AuthToken>) -> Option<Client> {
        match self {
            Self::Open => Some(Client::Anyone),
            Self::Tokens(gate) => gate.find(&TokenHash::of(token?.reveal())),
        }
    }

    /// Follows the file of clients, without end.
    pub(crate) async fn follow(&self) {
        let Self::Tokens(gate) = self else {
            return std::future::pending().await;
        };
        // What was read at the start may have changed since: the first look reads again.
        let (mut taken, mut seen) = (Stamp::default(), Stamp::default());
        loop {
            tokio::time::sleep(LOOK).await;
            let file = gate.file.clone();
            let looked = tokio::task::spawn_blocking(move || file.look(taken, seen)).await;
            match looked {
                Ok(Snapshot::Same) | Err(_) => {}
                Ok(Snapshot::Unsettled(now)) => seen = now,
                Ok(Snapshot::Changed(now, Ok(entries))) => {
                    taken = now;
                    gate.take(entries);
                }
                Ok(Snapshot::Changed(now, Err(problem))) => {
                    taken = now;
                    tracing::error!(
                        %problem,
                        "the file of clients is wrong; the clients known so far stay in force"
                    );
                }
            }
        }
    }
}

impl Gate {
    fn find(&self, token: &TokenHash) -> Option<Client> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        // All are compared, so that the time does not tell which one it was, if any.
        for client in known.iter() {
            if client.has(token) {
                found = Some(client);
            }
        }
        found.map(|client| Client::Known(Arc::clone(client)))
    }

    /// Makes the clients what the file says now.
    fn take(&self, entries: Vec<Entry>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *known);
        let mut changes = 0;
        for entry in entries {
            match before.iter().position(|client| client.is(&entry)) {
                Some(place) => {
                    let client = before.swap_remove(place);
                    changes += usize::from(client.grant(entry.rights));
                    known.push(client);
                }
                None => {
                    changes += 1;
                    known.push(Known::shared(entry));
                }
            }
        }
        for client in &before {
            changes += 1;
            client.revoke();
        }
        if changes > 0 {
            tracing::info!(
                file = %self.file.path().display(),
                clients = known.len(),
                "the file of clients has changed and was taken up"
            );
        }
    }
}

#[cfg(test)]
mod tests;
