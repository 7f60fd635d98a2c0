//! Handing messages to the second instance: open it, fill batches, call it, try again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_runtime::Message;

use super::{Report, Requeue, Unheard};
use crate::exports::batch::BatchRule;
use crate::exports::meter::Outcome;
use crate::exports::retry::Backoff;
use crate::exports::settle::{Rejected, Settled, Settling};

/// After this many calls in a row that deliver nothing, the rest is not tried.
pub(super) const TRIES: u32 = 4;

impl Requeue {
    /// Whether a message may go with a batch. Numbers rise within one: those of a stream that was
    /// deleted and made again begin anew.
    pub(super) fn fits(&self, batch: &[Message], message: &Message) -> bool {
        let Some((_, rule)) = &self.open else {
            return true;
        };
        let bytes: usize = batch.iter().map(|message| message.payload.len()).sum();
        (batch.len() as u64) < rule.messages
            && (bytes + message.payload.len()) as u64 <= rule.bytes
            && batch
                .last()
                .is_none_or(|last| last.sequence_number < message.sequence_number)
    }

    /// The rule for batches of the destination, which is opened if it is not; none if that fails.
    pub(super) async fn rule(&mut self) -> Option<BatchRule> {
        if let Some((_, rule)) = &self.open {
            return Some(*rule);
        }
        let destinations = Arc::clone(&self.shared.destinations);
        let opened = destinations
            .open(&self.order.stream, &self.order.export, &self.settings, None)
            .await;
        match opened {
            Ok(opened) => {
                let rule = BatchRule::new(opened.limits, self.settings.batch_size, Duration::ZERO);
                self.open = Some((opened, rule));
                Some(rule)
            }
            Err(reason) => {
                self.give_up(reason);
                None
            }
        }
    }

    /// Hands a batch over, again and again while something of it is left and may succeed.
    pub(super) async fn deliver(&mut self, batch: Vec<Message>) -> Result<(), Unheard> {
        let end = batch.last().map_or(0, |last| last.sequence_number + 1);
        let mut settling = Settling::new(batch, end);
        let mut backoff = Backoff::new(self.shared.retry_first, self.shared.retry_longest);
        let mut failures = 0;
        while self.given_up.is_none()
            && let Some(group) = settling.current()
        {
            let tried: Vec<u64> = numbers(group).collect();
            let Some(settled) = self.call(&mut settling).await else {
                break;
            };
            self.report_settled(&tried, &settling, &settled).await?;
            let Some(at_least) = settled.pause else {
                failures = 0;
                continue;
            };
            failures = if settled.delivered_messages > 0 {
                1
            } else {
                failures + 1
            };
            let reason = settled.error.unwrap_or_default();
            if failures >= TRIES {
                self.give_up(reason);
                break;
            }
            let pause = backoff.pause(at_least);
            self.report(Report::Waiting {
                reason,
                pause_millis: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            })
            .await?;
            if self
                .unless_stopped(self.shared.time.sleep(pause))
                .await
                .is_none()
            {
                break;
            }
        }
        let left: Vec<u64> = settling
            .left()
            .map(|message| message.sequence_number)
            .collect();
        for number in left {
            let reason = self.given_up.clone().unwrap_or_default();
            self.not_delivered(number, reason).await?;
        }
        Ok(())
    }

    /// One call, within slot and lane; none if it was not made.
    async fn call(&mut self, settling: &mut Settling) -> Option<Settled> {
        if let Some(pace) = self.pace.take() {
            self.unless_stopped(pace).await?;
        }
        let slots = Arc::clone(&self.shared.slots);
        let slot = match slots.try_acquire() {
            Some(slot) => slot,
            None => {
                let place = slots.queue_up(self.settings.priority);
                self.unless_stopped(place.turn()).await?
            }
        };
        let lane = self.shared.lanes.of(&self.order.stream, &self.order.export);
        let lane = self.unless_stopped(lane.lock_owned()).await?;
        let (opened, _) = self.open.as_mut()?;
        let group = settling.current().unwrap_or_default();
        let (messages, started) = (group.len(), Instant::now());
        let before = opened.destination.traffic();
        let answer = opened.destination.export(group).await;
        let after = opened.destination.traffic();
        drop((lane, slot));
        if !opened.call_interval.is_zero() {
            self.pace = Some(self.shared.time.sleep(opened.call_interval));
        }
        let outcome = Outcome::of(&answer);
        let settled = settling.settle(answer);
        self.meter.call(outcome, messages, started.elapsed());
        self.meter.traffic(&before, &after);
        self.meter.requeued(settled.delivered_messages);
        self.shared.uploaded.add(
            self.settings.source,
            settled.delivered_bytes,
            after.sent.saturating_sub(before.sent),
        );
        Some(settled)
    }

    async fn report_settled(
        &mut self,
        tried: &[u64],
        settling: &Settling,
        settled: &Settled,
    ) -> Result<(), Unheard> {
        let mut others: HashSet<u64> = settling
            .left()
            .map(|message| message.sequence_number)
            .collect();
        others.extend(settled.rejected.iter().map(Rejected::number));
        for sequence_number in tried.iter().copied() {
            if !others.contains(&sequence_number) {
                self.delivered += 1;
                self.report(Report::Delivered { sequence_number }).await?;
            }
        }
        for rejected in settled.rejected.iter().cloned() {
            self.rejected(rejected).await?;
        }
        Ok(())
    }
}

fn numbers(messages: &[Message]) -> impl Iterator<Item = u64> {
    messages.iter().map(|message| message.sequence_number)
}
