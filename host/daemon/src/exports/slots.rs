//! The calls to plugins that may run at the same time, shared by priority.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// A fixed number of slots. When one comes free, the waiting export with the lowest priority number
/// gets it; among equals, the one that has waited longest.
#[derive(Debug)]
pub(crate) struct Slots(Mutex<State>);

#[derive(Debug)]
struct State {
    free: usize,
    /// Keyed by priority, then by arrival.
    waiting: BTreeMap<(u8, u64), oneshot::Sender<Slot>>,
    arrivals: u64,
}

/// A place in the queue; dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Place(oneshot::Receiver<Slot>);

impl Place {
    /// Waits for the slot.
    pub(crate) async fn turn(self) -> Slot {
        // The sender is dropped only after it has sent.
        self.0.await.unwrap_or(Slot(None))
    }
}

/// The right to one call; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Slot(Option<Arc<Slots>>);

impl Slots {
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            free: count,
            waiting: BTreeMap::new(),
            arrivals: 0,
        })))
    }

    /// Takes a slot if one is free.
    pub(crate) fn try_acquire(self: &Arc<Self>) -> Option<Slot> {
        let mut state = self.lock();
        // While somebody waits, no slot is free.
        state.free = state.free.checked_sub(1)?;
        Some(Slot(Some(Arc::clone(self))))
    }

    /// Takes a place in the queue of those who wait for a slot.
    pub(crate) fn queue_up(self: &Arc<Self>, priority: u8) -> Place {
        let (turn, mine) = oneshot::channel();
        let mut state = self.lock();
        let place = (priority, state.arrivals);
        state.arrivals += 1;
        state.waiting.insert(place, turn);
        // A slot may have come free since somebody looked.
        if let Some(free) = state.free.checked_sub(1) {
            state.free = free;
            drop(state);
            self.give_back();
        }
        Place(mine)
    }

    /// Goes on with a slot, unless somebody waits whose turn it is; then it is theirs.
    pub(crate) fn keep(self: &Arc<Self>, slot: Slot, priority: u8) -> Result<Slot, Place> {
        let first = self.lock().waiting.keys().next().map(|(first, _)| *first);
        if first.is_none_or(|first| first > priority) {
            return Ok(slot);
        }
        let place = self.queue_up(priority);
        drop(slot);
        Err(place)
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a slot to the first who still waits.
    fn give_back(self: &Arc<Self>) {
        let mut state = self.lock();
        while let Some((_, turn)) = state.waiting.pop_first() {
            match turn.send(Slot(Some(Arc::clone(self)))) {
                Ok(()) => return,
                // Nobody waits there any more. The slot that came back must not give itself back.
                Err(mut slot) => drop(slot.0.take()),
            }
        }
        state.free += 1;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(slots) = self.0.take() {
            slots.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_most_urgent_waits_least_and_equals_keep_their_order() {
        let slots = Slots::new(1);
        let held = slots.try_acquire().unwrap();
        assert!(slots.try_acquire().is_none());
        let mut waiting: Vec<_> = [("low", 9), ("first", 2), ("second", 2), ("top", 1)]
            .map(|(name, priority)| (name, slots.queue_up(priority)))
            .into();
        drop(held);
        for expected in ["top", "first", "second", "low"] {
            let served = waiting
                .iter_mut()
                .position(|(_, place)| !place.0.is_empty())
                .unwrap();
            let (name, place) = waiting.remove(served);
            assert_eq!(name, expected);
            drop(place.turn().await);
        }
        assert_eq!(slots.lock().free, 1);
    }

    #[tokio::test]
    async fn a_slot_is_kept_before_those_who_are_less_urgent_and_no_others() {
        let slots = Slots::new(1);
        let slot = slots.try_acquire().unwrap();
        let low = slots.queue_up(9);
        let slot = slots.keep(slot, 5).unwrap();
        let equal = slots.queue_up(5);
        let place = slots.keep(slot, 5).unwrap_err();
        drop(equal.turn().await);
        drop(place.turn().await);
        drop(low.turn().await);
        assert_eq!(slots.lock().free, 1);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_takes_no_slot_with_him() {
        let slots = Slots::new(1);
        let held = slots.try_acquire().unwrap();
        drop(slots.queue_up(1));
        drop(held);
        // Given up after the slot was handed over, too.
        let place = slots.queue_up(1);
        drop(place);
        assert_eq!(slots.lock().free, 1);
    }
}
