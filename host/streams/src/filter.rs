//! Drops what retention has passed, while the engine compacts anyway.
//!
//! Only a head that is on the disk may come here. If the power went between dropping messages and the
//! head that allows it, the store would open with messages missing above the head it remembers.

use std::collections::BTreeMap;
use std::ops::Range;
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
    heads: BTreeMap<StreamId, SequenceNumber>,
    /// Ids from here on belong to streams that this snapshot does not know yet. It is 0 until the
    /// store has read its catalog, so that a compaction that begins before drops nothing.
    next_id: u32,
}

impl Heads {
    fn update(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut known));
    }

    /// Announces a stream that was opened, or is about to get its first chunk.
    pub(crate) fn set(&self, id: StreamId, head: SequenceNumber) {
        self.update(|known| {
            known.heads.insert(id, head);
        });
    }

    /// Announces heads that have moved and are on the disk. Streams that were deleted meanwhile stay
    /// so.
    pub(crate) fn advance(&self, moved: impl IntoIterator<Item = (StreamId, SequenceNumber)>) {
        let known = self.snapshot();
        let moved: Vec<_> = moved
            .into_iter()
            .filter(|(id, head)| known.heads.get(id).is_some_and(|before| before < head))
            .collect();
        if moved.is_empty() {
            return;
        }
        self.update(|known| {
            for (id, head) in moved {
                if let Some(known) = known.heads.get_mut(&id) {
                    *known = head;
                }
            }
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

    /// The chunks that nobody can read any more, in as few ranges as there are: each reaches from the
    /// stream before, over all that were deleted, to the head of the next.
    pub(crate) fn dead_ranges(&self) -> Vec<Range<[u8; 12]>> {
        let known = self.snapshot();
        let mut ranges = Vec::new();
        let mut start = keys::chunk(StreamId(0), SequenceNumber::ZERO);
        for (id, head) in &known.heads {
            ranges.push(start..keys::chunk(*id, *head));
            start = keys::chunk(StreamId(id.0.saturating_add(1)), SequenceNumber::ZERO);
        }
        ranges.push(start..keys::chunk(StreamId(known.next_id), SequenceNumber::ZERO));
        ranges.retain(|range| range.start < range.end);
        ranges
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
    fn dead_ranges_reach_from_stream_to_stream_over_those_that_were_deleted() {
        let heads = Heads::default();
        assert!(heads.dead_ranges().is_empty());
        heads.set(StreamId(2), SequenceNumber::new(7));
        heads.set(StreamId(3), SequenceNumber::ZERO);
        heads.complete_below(6);
        let key = |id, base| keys::chunk(StreamId(id), SequenceNumber::new(base));
        assert_eq!(
            heads.dead_ranges(),
            [key(0, 0)..key(2, 7), key(4, 0)..key(6, 0)]
        );
    }

    #[test]
    fn a_head_that_moves_does_not_bring_a_deleted_stream_back() {
        let heads = Heads::default();
        heads.set(StreamId(0), SequenceNumber::ZERO);
        heads.set(StreamId(1), SequenceNumber::ZERO);
        heads.complete_below(2);
        heads.remove(StreamId(1));
        heads.advance([0, 1].map(|id| (StreamId(id), SequenceNumber::new(5))));
        let known = heads.snapshot();
        assert!(known.is_dead(StreamId(0), SequenceNumber::new(4)));
        assert!(known.is_dead(StreamId(1), SequenceNumber::new(5)));
    }

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
