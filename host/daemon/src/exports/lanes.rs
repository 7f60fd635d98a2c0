//! One call at a time for each export, whoever makes it.
//!
//! A plugin may count on never being called twice at a time for one export: two instances that append
//! to one file would spoil it. While dead letters are sent again a second instance serves the export,
//! so both take this lane for the length of a call, after their slot.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Whoever holds the lock may call.
type Turn = tokio::sync::Mutex<()>;

/// Held during a call.
pub(super) type Lane = Arc<Turn>;

/// The lanes of all exports, for as long as somebody holds them.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<HashMap<(String, String), Weak<Turn>>>);

impl Lanes {
    /// The lane of an export of a stream.
    pub(super) fn of(&self, stream: &str, export: &str) -> Lane {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, lane| lane.strong_count() > 0);
        let key = (stream.to_owned(), export.to_owned());
        let lane = known.get(&key).and_then(Weak::upgrade).unwrap_or_default();
        known.insert(key, Arc::downgrade(&lane));
        lane
    }
}
