//! What the list is made of.

use crate::clients::Kind;
use crate::stage::Stage;

/// A part of the list.
pub(crate) struct Section {
    /// The name in the names of tests.
    pub(crate) id: &'static str,
    /// The heading in the document.
    pub(crate) title: &'static str,
    pub(crate) behaviours: &'static [Behaviour],
}

/// Something that clients can rely on.
pub(crate) struct Behaviour {
    /// The name, unique in the whole list.
    pub(crate) id: &'static str,
    /// Where the specification says so; or 10, where it leaves the point open.
    pub(crate) section: &'static str,
    /// What the host does, as a sentence.
    pub(crate) says: &'static str,
    pub(crate) clients: Clients,
    /// Panics if the host does otherwise.
    pub(crate) check: fn(&Stage),
}

/// The clients for which a behaviour is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clients {
    /// All of them.
    All,
    /// Our own only: no SDK can send it, or show it.
    Raw,
}

impl Clients {
    pub(crate) fn include(self, kind: Kind) -> bool {
        match self {
            Self::All => true,
            Self::Raw => kind == Kind::Raw,
        }
    }
}

/// A behaviour for every client.
pub(crate) const fn all(
    id: &'static str,
    section: &'static str,
    says: &'static str,
    check: fn(&Stage),
) -> Behaviour {
    Behaviour {
        id,
        section,
        says,
        clients: Clients::All,
        check,
    }
}

/// A behaviour for what only our own client can do.
pub(crate) const fn raw(
    id: &'static str,
    section: &'static str,
    says: &'static str,
    check: fn(&Stage),
) -> Behaviour {
    Behaviour {
        id,
        section,
        says,
        clients: Clients::Raw,
        check,
    }
}
