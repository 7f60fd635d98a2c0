//! How much components send and receive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests and bytes since the start. TLS, repeats by TCP, and sockets of `wasi:sockets` are not
/// counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that were let through.
    pub requests: u64,
    /// Bytes of requests: of their heads, by estimate, once they are let through, and of their bodies
    /// as they are sent.
    pub sent: u64,
    /// Bytes of response bodies.
    pub received: u64,
}

/// Counts traffic, for itself and for the counter it lies within.
#[derive(Debug, Default)]
pub(crate) struct TrafficCounter {
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    within: Option<Arc<TrafficCounter>>,
}

impl TrafficCounter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn within(outer: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self {
            within: Some(Arc::clone(outer)),
            ..Self::default()
        })
    }

    /// Counts a request and its head.
    pub(super) fn request(&self, head: usize) {
        self.add(|counter| &counter.requests, 1);
        self.sent(head);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.add(|counter| &counter.sent, bytes as u64);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.add(|counter| &counter.received, bytes as u64);
    }

    fn add(&self, field: fn(&Self) -> &AtomicU64, amount: u64) {
        field(self).fetch_add(amount, Ordering::Relaxed);
        if let Some(outer) = &self.within {
            outer.add(field, amount);
        }
    }

    pub(crate) fn snapshot(&self) -> Traffic {
        Traffic {
            requests: self.requests.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_component_sends_counts_for_all() {
        let total = TrafficCounter::new();
        let (a, b) = (
            TrafficCounter::within(&total),
            TrafficCounter::within(&total),
        );
        a.request(2);
        a.sent(3);
        b.received(4);
        assert_eq!(
            a.snapshot(),
            Traffic {
                requests: 1,
                sent: 5,
                received: 0
            }
        );
        assert_eq!(
            total.snapshot(),
            Traffic {
                requests: 1,
                sent: 5,
                received: 4
            }
        );
    }
}
