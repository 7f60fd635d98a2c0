//! A client that was let in.

use std::sync::Arc;

use millstream_protocol::Name;
use tokio::sync::watch;

use super::token::TokenHash;
use super::{Entry, Right, Rights};

/// Who is at the other end of a connection. Clones mean the same one.
#[derive(Clone)]
pub(crate) enum Client {
    /// Nobody was asked for a name; everything is allowed.
    Anyone,
    /// A client of the file of clients.
    Known(Arc<Known>),
}

/// A client of the file of clients, as all its connections share it.
pub(crate) struct Known {
    name: Name,
    token: TokenHash,
    /// None from the moment on when the client was removed or got another token.
    rights: watch::Sender<Option<Rights>>,
}

/// A client may not do what it asked for, whether or not there is such a stream.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Forbidden {
    /// The right is not given on the stream.
    #[error(
        "the client \"{client}\" may not {} the stream \"{stream}\"; whoever runs the host can put \
         the name under \"{}\" of this client in the file of clients",
        right.verb(),
        right.key()
    )]
    Right {
        /// Who asked.
        client: Name,
        /// What it takes.
        right: Right,
        /// On what.
        stream: Name,
    },
    /// There is no right on the stream at all.
    #[error(
        "the client \"{client}\" has no right on the stream \"{stream}\"; whoever runs the host can \
         give it one in the file of clients"
    )]
    Stranger {
        /// Who asked.
        client: Name,
        /// On what.
        stream: Name,
    },
}

impl Client {
    /// The name in the file of clients, if the client has one.
    pub(crate) fn name(&self) -> Option<&Name> {
        match self {
            Self::Anyone => None,
            Self::Known(known) => Some(&known.name),
        }
    }

    /// Whether the client has a right on a stream.
    ///
    /// # Errors
    ///
    /// [`Forbidden`], which is the answer.
    pub(crate) fn may(&self, right: Right, stream: &Name) -> Result<(), Forbidden> {
        match self {
            Self::Known(known) if !known.asks(|rights| rights.allow(right, stream.as_str())) => {
                Err(Forbidden::Right {
                    client: known.name.clone(),
                    right,
                    stream: stream.detached(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Whether the client has any right on a stream.
    ///
    /// # Errors
    ///
    /// [`Forbidden`], which is the answer.
    pub(crate) fn knows(&self, stream: &Name) -> Result<(), Forbidden> {
        match self {
            Self::Known(known) if !self.sees(stream.as_str()) => Err(Forbidden::Stranger {
                client: known.name.clone(),
                stream: stream.detached(),
            }),
            _ => Ok(()),
        }
    }

    /// Whether a list shows the stream to the client: whether it has any right on it.
    pub(crate) fn sees(&self, stream: &str) -> bool {
        match self {
            Self::Anyone => true,
            Self::Known(known) => known.asks(|rights| rights.touch(stream)),
        }
    }

    /// Waits until the client is no longer one: it was removed, or got another token.
    pub(crate) async fn revoked(&self) {
        match self {
            Self::Anyone => std::future::pending().await,
            Self::Known(known) => {
                let mut rights = known.rights.subscribe();
                // It cannot fail: the sender is in `known`.
                let _ = rights.wait_for(Option::is_none).await;
            }
        }
    }
}

#[cfg(test)]
impl Client {
    /// A client with these rights.
    pub(crate) fn for_test(name: &str, rights: Rights) -> Self {
        Self::Known(Known::shared(Entry {
            name: name.parse().unwrap(),
            token: TokenHash::of(name),
            rights,
            start: 0,
            token_place: 0..0,
        }))
    }
}

impl Known {
    pub(super) fn shared(entry: Entry) -> Arc<Self> {
        Arc::new(Self {
            name: entry.name,
            token: entry.token,
            rights: watch::Sender::new(Some(entry.rights)),
        })
    }

    pub(super) fn has(&self, token: &TokenHash) -> bool {
        self.token == *token
    }

    /// Whether an entry of the file means this client with this token.
    pub(super) fn is(&self, entry: &Entry) -> bool {
        self.name == entry.name && self.token == entry.token
    }

    /// Gives other rights, and tells whether they are others.
    pub(super) fn grant(&self, rights: Rights) -> bool {
        self.rights.send_if_modified(|now| {
            let changed = now.as_ref() != Some(&rights);
            *now = Some(rights);
            changed
        })
    }

    pub(super) fn revoke(&self) {
        self.rights.send_replace(None);
    }

    fn asks(&self, question: impl FnOnce(&Rights) -> bool) -> bool {
        self.rights.borrow().as_ref().is_some_and(question)
    }
}
