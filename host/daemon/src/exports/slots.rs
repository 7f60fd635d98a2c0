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

    /// Waits for a slot. Dropping the future gives up the place in the queue.
    pub(crate) async fn acquire(self: &Arc<Self>, priority: u8) -> Slot {
        let turn = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Slot(Some(Arc::clone(self)));
            }
            let (turn, mine) = oneshot::channel();
            let place = (priority, state.arrivals);
            state.arrivals += 1;
            state.waiting.insert(place, turn);
            mine
        };
        // The sender is dropped only after it has sent.
        turn.await.unwrap_or(Slot(None))
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
        let held = slots.acquire(10).await;
        let (sender, mut served) = tokio::sync::mpsc::unbounded_channel();
        for (place, (name, priority)) in [("low", 9), ("first", 2), ("second", 2), ("top", 1)]
            .into_iter()
            .enumerate()
        {
            let (waiting, sender) = (Arc::clone(&slots), sender.clone());
            tokio::spawn(async move {
                let slot = waiting.acquire(priority).await;
                sender.send(name).unwrap();
                drop(slot);
            });
            // Each has queued up before the next comes.
            while slots.lock().waiting.len() <= place {
                tokio::task::yield_now().await;
            }
        }
        drop(held);
        let mut order = Vec::new();
        for _ in 0..4 {
            order.push(served.recv().await.unwrap());
        }
        assert_eq!(order, ["top", "first", "second", "low"]);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_takes_no_slot_with_him() {
        let slots = Slots::new(1);
        let held = slots.acquire(1).await;
        let mut impatient = Box::pin(slots.acquire(1));
        tokio::select! {
            biased;
            _ = &mut impatient => panic!("the slot is taken"),
            () = std::future::ready(()) => {}
        }
        drop(impatient);
        drop(held);
        drop(slots.acquire(1).await);
        assert_eq!(slots.lock().free, 1);
    }
}
