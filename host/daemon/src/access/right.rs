//! What can be allowed, and on which streams it is.

use super::NamePattern;

/// A right on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Create it.
    Create,
    /// Append messages to it.
    Append,
    /// Read its messages.
    Read,
    /// Change its definition, or delete it.
    Administer,
}

impl Right {
    pub(crate) const ALL: [Self; 4] = [Self::Create, Self::Append, Self::Read, Self::Administer];

    /// Its key in the file of clients.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Append => "append",
            Self::Read => "read",
            Self::Administer => "administer",
        }
    }

    /// What it allows, as a sentence goes on with the stream.
    pub(super) const fn verb(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Append => "append to",
            Self::Read => "read",
            Self::Administer => "change or delete",
        }
    }
}

/// The streams on which each right is given. By default there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) create: Vec<NamePattern>,
    pub(crate) append: Vec<NamePattern>,
    pub(crate) read: Vec<NamePattern>,
    pub(crate) administer: Vec<NamePattern>,
}

impl Rights {
    /// The streams on which one right is given.
    pub(crate) fn on(&self, right: Right) -> &[NamePattern] {
        match right {
            Right::Create => &self.create,
            Right::Append => &self.append,
            Right::Read => &self.read,
            Right::Administer => &self.administer,
        }
    }

    /// Whether a right is given on a stream.
    pub(crate) fn allow(&self, right: Right, stream: &str) -> bool {
        self.on(right).iter().any(|pattern| pattern.matches(stream))
    }

    /// Whether any right is given on a stream.
    pub(crate) fn touch(&self, stream: &str) -> bool {
        Right::ALL
            .into_iter()
            .any(|right| self.allow(right, stream))
    }
}
