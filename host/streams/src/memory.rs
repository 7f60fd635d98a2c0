//! The memory that all memory streams share.
//!
//! A stream's `max_size` counts messages, not what a program needs to hold them, and says nothing of
//! other streams. So the bytes that chunks really take are claimed from one budget, by segment, because
//! that is how they are given back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::chunk::TARGET_BYTES;
use crate::types::{SequenceNumber, message_size};

/// What a chunk takes beside its messages: its header, its place in the map, the allocation.
const CHUNK_BYTES: u64 = 48 + 128;
/// What a message takes beside its payload.
const MESSAGE_BYTES: u64 = 4;

/// The most that all memory streams of a store may use.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    limit: u64,
    used: AtomicU64,
}

impl MemoryBudget {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            used: AtomicU64::new(0),
        }
    }
}

/// What one memory stream uses; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct MemoryUse {
    budget: Arc<MemoryBudget>,
    segments: BTreeMap<SequenceNumber, u64>,
}

impl MemoryUse {
    pub(crate) fn new(budget: Arc<MemoryBudget>) -> Self {
        Self {
            budget,
            segments: BTreeMap::new(),
        }
    }

    /// The budget, in bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.budget.limit
    }

    /// Bytes that no stream uses.
    pub(crate) fn spare(&self) -> u64 {
        let used = self.budget.used.load(Ordering::Relaxed);
        self.budget.limit.saturating_sub(used)
    }

    /// Bytes that this stream uses.
    pub(crate) fn used(&self) -> u64 {
        self.segments.values().sum()
    }

    /// Takes room for a message of a segment, and for a chunk if the message opens one.
    pub(crate) fn claim(&mut self, segment: SequenceNumber, payload: &Bytes, opens_chunk: bool) {
        let chunk = if opens_chunk { CHUNK_BYTES } else { 0 };
        let bytes = payload.len() as u64 + MESSAGE_BYTES + chunk;
        self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        *self.segments.entry(segment).or_default() += bytes;
    }

    /// Gives back what a segment used.
    pub(crate) fn release(&mut self, segment: SequenceNumber) {
        if let Some(bytes) = self.segments.remove(&segment) {
            self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for MemoryUse {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.used(), Ordering::Relaxed);
    }
}

/// The most that an append can claim.
pub(crate) fn needed(payloads: &[Bytes], segment_size: u64) -> u64 {
    let sum = |size: &dyn Fn(&Bytes) -> u64| payloads.iter().map(size).sum::<u64>();
    let total = sum(&|payload| message_size(payload.len()));
    // Two segments in a row hold more than the size of one, and so do chunks.
    let chunks = 3 + 2 * (total / segment_size.max(1)) + total / TARGET_BYTES as u64;
    let chunks = chunks.min(payloads.len() as u64);
    sum(&|payload| payload.len() as u64 + MESSAGE_BYTES).saturating_add(chunks * CHUNK_BYTES)
}
