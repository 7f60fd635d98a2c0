//! Which streams there are, by name.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::error::Error;
use crate::stream::Stream;
use crate::types::StreamName;

/// The streams of an open store. The writer changes it; everybody looks things up.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    streams: RwLock<BTreeMap<StreamName, Arc<Stream>>>,
    next_key: AtomicU64,
}

impl Registry {
    /// A number that no other stream of this run has.
    pub(crate) fn next_key(&self) -> u64 {
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }

    /// The stream of this name.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Stream>, Error> {
        self.read()
            .get(name)
            .cloned()
            .ok_or_else(|| Error::NotFound {
                name: name.to_owned(),
            })
    }

    /// All names, sorted.
    pub(crate) fn names(&self) -> Vec<StreamName> {
        self.read().keys().cloned().collect()
    }

    pub(crate) fn insert(&self, stream: Arc<Stream>) {
        self.write().insert(stream.name.clone(), stream);
    }

    pub(crate) fn remove(&self, name: &StreamName) {
        self.write().remove(name);
    }

    /// The streams on disk.
    pub(crate) fn on_disk(&self) -> Vec<Arc<Stream>> {
        self.read()
            .values()
            .filter(|stream| stream.id.is_some())
            .cloned()
            .collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<StreamName, Arc<Stream>>> {
        self.streams.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<StreamName, Arc<Stream>>> {
        self.streams.write().unwrap_or_else(PoisonError::into_inner)
    }
}
