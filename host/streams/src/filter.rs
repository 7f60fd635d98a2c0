//! Drops what retention has passed, while the engine compacts anyway.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use fjall::compaction::filter::{
    CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict,
};

use crate::keys;
use crate::types::{SequenceNumber, StreamId};

/// What may be dropped, shared between the writer and the engine's compactions.
#[derive(Debug, Default)]
pub(crate) struct Heads(RwLock<Arc<Known>>);

#[derive(Debug, Default, Clone)]
struct Known {
    /// The head of each stream that exists.
    heads: HashMap<StreamId, SequenceNumber>,
    /// Ids from here on belong to streams that this snapshot does not know yet. It is 0 until the
    /// store has read its catalog, so that a compaction that begins before drops nothing.
    next_id: u32,
}

impl Heads {
    fn update(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut known));
    }

    /// Announces a stream that is about to get its first chunk, or whose head has moved.
    pub(crate) fn set(&self, id: StreamId, head: SequenceNumber) {
        self.update(|known| {
            known.heads.insert(id, head);
        });
    }

    /// Announces that every stream with an id below this one is known.
    pub(crate) fn complete_below(&self, next_id: u32) {
        self.update(|known| known.next_id = known.next_id.max(next_id));
    }

    /// Announces the end of a stream.
    pub(crate) fn remove(&self, id: StreamId) {
        self.update(|known| {
            known.heads.remove(&id);
        });
    }

    fn snapshot(&self) -> Arc<Known> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Known {
    fn is_dead(&self, id: StreamId, base: SequenceNumber) -> bool {
        match self.heads.get(&id) {
            // A chunk never crosses the head: heads are bases of segments, and so of chunks.
            Some(head) => base < *head,
            None => id.0 < self.next_id,
        }
    }
}

/// Makes the filter for one compaction.
#[derive(Debug)]
pub(crate) struct HeadFilterFactory(pub(crate) Arc<Heads>);

impl Factory for HeadFilterFactory {
    fn name(&self) -> &'static str {
        "stream-heads"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(HeadFilter(self.0.snapshot()))
    }
}

struct HeadFilter(Arc<Known>);

impl CompactionFilter for HeadFilter {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        Ok(match keys::decode_chunk(item.key()) {
            // A chunk's key is written once and never again, as `Destroy` demands.
            Some((id, base)) if self.0.is_dead(id, base) => Verdict::Destroy,
            _ => Verdict::Keep,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_dropped_before_the_catalog_is_known() {
        let heads = Heads::default();
        assert!(!heads.snapshot().is_dead(StreamId(3), SequenceNumber::ZERO));
        heads.set(StreamId(3), SequenceNumber::new(10));
        heads.complete_below(5);
        let known = heads.snapshot();
        assert!(known.is_dead(StreamId(3), SequenceNumber::new(9)));
        assert!(!known.is_dead(StreamId(3), SequenceNumber::new(10)));
        assert!(
            known.is_dead(StreamId(4), SequenceNumber::ZERO),
            "a deleted stream"
        );
        assert!(
            !known.is_dead(StreamId(5), SequenceNumber::ZERO),
            "a stream of the future"
        );
    }
}
