//! Which messages are never taken by the broker, where it does not say so.
//!
//! A broker without a word for "no" closes the connection on a message. That proves little: it may be
//! restarted just then, or close on everything, and an operator will mend that. The message is to blame when
//! the broker keeps closing on it while it takes others. The host hands over what is left of a batch alone,
//! without new messages, until it is settled; so there are two kinds of proof:
//!
//! * Another message of the same batch was taken after the connection had ended on this one. Then
//!   [`PROOFS`] ends are enough.
//! * None was, since no other is left in the batch. Then it takes [`PROOFS_ALONE`] ends, and that the broker
//!   has taken a message before. That voucher is good for one rejection: a broker that begins to close on
//!   everything makes one message rejected at most. It is remembered across restarts.

use std::collections::HashMap;

use millstream_plugin::work;

/// Ends of a connection on a message while others are taken.
pub(crate) const PROOFS: u32 = 3;
/// Ends on a message that has no others beside it. With the pauses that the host makes between tries
/// unless told otherwise, these take about half an hour.
pub(crate) const PROOFS_ALONE: u32 = 15;

/// What is known of the messages of the batch that had their turn and were not taken.
#[derive(Debug)]
pub(crate) struct Suspicion {
    broker: String,
    tried: HashMap<u64, Trial>,
    /// Whether the broker has taken a message since one was rejected that was alone.
    vouched: bool,
}

#[derive(Debug, Default)]
struct Trial {
    /// How often a new connection ended on it.
    ends: u32,
    /// Whether another message was taken after the first end.
    others_taken: bool,
}

impl Suspicion {
    /// Nobody is suspected. What another broker has taken says nothing about this one.
    pub(crate) fn new(broker: String) -> Self {
        let vouched = work::recall().is_some_and(|it| it == broker.as_bytes());
        Self {
            broker,
            tried: HashMap::new(),
            vouched,
        }
    }

    /// Forgets the messages that are not handed over any more: they are settled.
    pub(crate) fn keep(&mut self, is_here: impl Fn(u64) -> bool) {
        self.tried.retain(|number, _| is_here(*number));
    }

    /// Whether the message had its turn in an earlier batch.
    pub(crate) fn was_tried(&self, number: u64) -> bool {
        self.tried.contains_key(&number)
    }

    /// The message had its turn and was not taken, for a reason that passes.
    pub(crate) fn note_tried(&mut self, number: u64) {
        self.tried.entry(number).or_default();
    }

    /// The broker has taken a message.
    pub(crate) fn note_taken(&mut self) {
        for trial in self.tried.values_mut() {
            trial.others_taken |= trial.ends > 0;
        }
        if !self.vouched {
            self.vouch(true);
        }
    }

    /// A new connection has ended on the message. If that proves that the broker never takes it: why, in
    /// words that follow "The broker closes the connection on this message".
    pub(crate) fn note_end(&mut self, number: u64) -> Option<String> {
        let trial = self.tried.entry(number).or_default();
        trial.ends = trial.ends.saturating_add(1);
        let ends = trial.ends;
        if trial.others_taken {
            return (ends >= PROOFS).then(|| format!("{ends} times now, while it takes others"));
        }
        if ends < PROOFS_ALONE || !self.vouched {
            return None;
        }
        self.vouch(false);
        Some(format!("{ends} times now, and took others before"))
    }

    fn vouch(&mut self, vouched: bool) {
        self.vouched = vouched;
        // Without memory a restart forgets it, and the message waits for others beside it.
        let _ = work::remember(vouched.then_some(self.broker.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(suspicion: &mut Suspicion, number: u64, most: u32) -> Option<u32> {
        (1..=most).find(|_| suspicion.note_end(number).is_some())
    }

    #[test]
    fn others_that_are_taken_after_the_first_end_are_proof() {
        let mut suspicion = Suspicion::new("a".into());
        assert_eq!(suspicion.note_end(1), None);
        suspicion.note_taken();
        assert_eq!(suspicion.note_end(1), None);
        let reason = suspicion.note_end(1).unwrap();
        assert!(reason.contains("while it takes others"), "{reason}");
        // What was taken before says little of one that came later.
        assert_eq!(ends(&mut suspicion, 2, PROOFS), None);
    }

    #[test]
    fn a_broker_that_never_took_anything_rejects_nothing() {
        let mut suspicion = Suspicion::new("a".into());
        assert_eq!(ends(&mut suspicion, 1, 100), None);
    }

    #[test]
    fn a_message_that_is_alone_takes_more_ends_and_uses_the_voucher_up() {
        Suspicion::new("a".into()).note_taken();
        assert!(!Suspicion::new("b".into()).vouched, "another broker");
        let mut suspicion = Suspicion::new("a".into());
        assert_eq!(ends(&mut suspicion, 1, 100), Some(PROOFS_ALONE));
        assert_eq!(ends(&mut suspicion, 2, 100), None);
        suspicion = Suspicion::new("a".into());
        assert_eq!(ends(&mut suspicion, 2, 100), None, "after a restart too");
        suspicion.note_taken();
        assert_eq!(ends(&mut suspicion, 3, 100), Some(PROOFS_ALONE));
    }
}
