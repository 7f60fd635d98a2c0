//! Sending dead letters again: to the destination that rejected them, and nowhere else.
//!
//! A second instance of the export's destination gets the messages as the first one got them, with
//! their own number, time and payload, so that whatever a plugin makes of these stays the same, and no
//! other export of the stream sees them again. Each call takes one of the slots of all exports, by the
//! export's priority, and the export's lane.
//!
//! What was sent again is not noted anywhere. The dead-letter stream belongs to those who read it, so
//! a mark in it would be one more kind of message for all of them, and a list beside it would have to
//! follow its retention and its deletion. Whoever asks chooses by number instead, and is told where
//! the next time has to begin.

mod delivery;
mod order;

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millstream_runtime::Message;
use millstream_streams::{ReadOptions, SequenceNumber};
use tokio::sync::{mpsc, watch};

use super::batch::BatchRule;
use super::dead_letters::{DeadLetter, Letters, Payload};
use super::destination::Opened;
use super::meter::Meter;
use super::pipeline::Shared;
use super::settings::ExportSettings;
use super::settle::Rejected;
use crate::time::Sleep;

pub(crate) use order::{Order, Report, Which};

/// Letters that are remembered so that one that stands twice goes once. Repeats come from a crash or a
/// stop, which repeats a batch at most.
const REMEMBERED: usize = 4096;

/// Nobody waits for reports any more.
struct Unheard;

/// Dead letters of one export on their way.
pub(super) struct Requeue {
    shared: Shared,
    settings: ExportSettings,
    order: Order,
    meter: Arc<Meter>,
    stop: watch::Receiver<bool>,
    reports: mpsc::Sender<Report>,
    open: Option<(Opened, BatchRule)>,
    /// Ends when the destination may be called again.
    pace: Option<Sleep>,
    /// Why nothing more is tried.
    given_up: Option<String>,
    delivered: u64,
    rejected: u64,
    not_delivered: u64,
}

impl Requeue {
    pub(super) fn new(
        shared: Shared,
        settings: ExportSettings,
        order: Order,
        meter: Arc<Meter>,
        stop: watch::Receiver<bool>,
        reports: mpsc::Sender<Report>,
    ) -> Self {
        Self {
            shared,
            settings,
            order,
            meter,
            stop,
            reports,
            open: None,
            pace: None,
            given_up: None,
            delivered: 0,
            rejected: 0,
            not_delivered: 0,
        }
    }

    /// Sends until all is done, or nobody listens any more.
    pub(super) async fn run(mut self, letters: Letters) {
        let (stream, export) = (self.order.stream.clone(), self.order.export.clone());
        tracing::info!(stream, export, which = ?self.order.which, "dead letters are sent again");
        let outcome = self.work(letters).await;
        tracing::info!(
            stream,
            export,
            delivered = self.delivered,
            rejected = self.rejected,
            not_delivered = self.not_delivered,
            to_the_end = outcome.is_ok(),
            "dead letters were sent again"
        );
    }

    async fn work(&mut self, mut letters: Letters) -> Result<(), Unheard> {
        let mut missing = match &self.order.which {
            Which::Numbers(numbers) => numbers.clone(),
            Which::All | Which::Range { .. } => BTreeSet::new(),
        };
        let (mut recent, mut highest, mut chosen) = (Recent::default(), None, 0);
        let mut batch: Vec<Message> = Vec::new();
        loop {
            let page = match letters.page().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "dead letters cannot be read");
                    let reason = format!("the dead letters cannot be read any further: {error}");
                    self.give_up(reason);
                    break;
                }
            };
            for letter in page {
                let number = letter.envelope.sequence_number;
                if !self.order.which.has(number) || !recent.is_new(&letter) {
                    continue;
                }
                missing.remove(&number);
                highest = highest.max(Some(number));
                chosen += 1;
                let Some(message) = self.choose(letter).await? else {
                    continue;
                };
                if !self.fits(&batch, &message) {
                    self.deliver(std::mem::take(&mut batch)).await?;
                }
                match self.given_up.clone() {
                    None => batch.push(message),
                    Some(reason) => self.not_delivered(number, reason).await?,
                }
            }
        }
        self.deliver(batch).await?;
        self.report(Report::Done {
            chosen,
            delivered: self.delivered,
            rejected: self.rejected,
            not_delivered: self.not_delivered,
            missing: missing.into_iter().collect(),
            highest,
            given_up: self.given_up.clone(),
        })
        .await
    }

    /// The message of a letter, if it is to be sent; what becomes of it otherwise is reported.
    async fn choose(&mut self, letter: DeadLetter) -> Result<Option<Message>, Unheard> {
        let envelope = &letter.envelope;
        let (sequence_number, ingest_time) = (envelope.sequence_number, envelope.ingest_time);
        if self.order.dry_run {
            let chosen = Report::Chosen { sequence_number };
            return self.report(chosen).await.map(|()| None);
        }
        if let Some(reason) = self.given_up.clone() {
            self.not_delivered(sequence_number, reason).await?;
            return Ok(None);
        }
        let payload = match envelope.payload() {
            Some(Payload::Whole(payload)) => Some(payload),
            _ => self.original(sequence_number, ingest_time).await,
        };
        let Some(payload) = payload else {
            let reason = "its payload did not fit into the dead-letter stream, and its own stream no \
                          longer has it";
            self.not_delivered(sequence_number, reason.into()).await?;
            return Ok(None);
        };
        let message = Message {
            sequence_number,
            ingest_time,
            payload,
        };
        let Some(rule) = self.rule().await else {
            let reason = self.given_up.clone().unwrap_or_default();
            self.not_delivered(sequence_number, reason).await?;
            return Ok(None);
        };
        match rule.admit(message) {
            Ok(message) => Ok(Some(message)),
            Err(rejected) => self.rejected(rejected).await.map(|()| None),
        }
    }

    /// What its own stream still has of a message.
    async fn original(&mut self, number: u64, ingest_time: u64) -> Option<Bytes> {
        let options = ReadOptions {
            start: SequenceNumber::new(number),
            min: 1,
            max: 1,
            max_bytes: u64::MAX,
            wait: Duration::ZERO,
        };
        let found = self.shared.store.read(&self.order.stream, options).await;
        let found = found.ok()?.into_iter().next()?;
        let is_it =
            found.sequence_number.get() == number && found.ingest_time.as_millis() == ingest_time;
        is_it.then_some(found.payload)
    }

    async fn rejected(&mut self, rejected: Rejected) -> Result<(), Unheard> {
        self.rejected += 1;
        self.report(Report::Rejected {
            sequence_number: rejected.number(),
            reason: rejected.reason,
        })
        .await
    }

    async fn not_delivered(&mut self, sequence_number: u64, reason: String) -> Result<(), Unheard> {
        self.not_delivered += 1;
        self.report(Report::NotDelivered {
            sequence_number,
            reason,
        })
        .await
    }

    async fn report(&mut self, report: Report) -> Result<(), Unheard> {
        self.reports.send(report).await.map_err(|_| Unheard)
    }

    fn give_up(&mut self, reason: String) {
        self.given_up.get_or_insert(reason);
    }

    /// Waits for something, unless the host stops, the export changes or nobody listens any more; then
    /// nothing more is tried.
    async fn unless_stopped<T>(&mut self, wanted: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        let found = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => None,
            () = self.reports.closed() => None,
            found = wanted => Some(found),
        };
        if found.is_none() {
            self.give_up("the host is stopping, or the export has changed".into());
        }
        found
    }
}

/// The letters that came last, by number and time of their messages.
#[derive(Default)]
struct Recent {
    known: HashSet<(u64, u64)>,
    order: VecDeque<(u64, u64)>,
}

impl Recent {
    fn is_new(&mut self, letter: &DeadLetter) -> bool {
        let envelope = &letter.envelope;
        let key = (envelope.sequence_number, envelope.ingest_time);
        if !self.known.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests;
