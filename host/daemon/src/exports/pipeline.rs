//! One export of one stream, from its first message to the end of the task.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_runtime::Canceled;
use millstream_streams::{Error, SequenceNumber, Store, Watch};
use tokio::sync::watch;

use super::batch::{self, Batch, BatchRule};
use super::canceling;
use super::dead_letters::{DeadLetters, Routes};
use super::destination::{Destination, Destinations, Opened};
use super::lanes::{Lane, Lanes};
use super::meter::{Outcome, Uploaded};
use super::progress::Progress;
use super::retry::Backoff;
use super::settings::ExportSettings;
use super::settle::{Rejected, Settling};
use super::slots::{Slot, Slots};
use crate::plugins::Standing;
use crate::time::{Sleep, Time};

mod rejecting;
mod versions;

use versions::PassedOver;

/// What all pipelines share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) destinations: Arc<dyn Destinations>,
    pub(super) time: Arc<dyn Time>,
    pub(super) slots: Arc<Slots>,
    pub(super) lanes: Arc<Lanes>,
    /// Which export's rejected messages go where.
    pub(super) routes: Arc<Routes>,
    pub(super) uploaded: Arc<Uploaded>,
    pub(super) linger: Duration,
    pub(super) retry_first: Duration,
    pub(super) retry_longest: Duration,
    /// A destination that has had nothing to do for this long gives its memory back.
    pub(super) rest_after: Duration,
}

/// An export at work.
pub(super) struct Pipeline {
    shared: Shared,
    settings: ExportSettings,
    progress: Progress,
    /// Where rejected messages go; none if they are only logged and counted.
    letters: Option<Arc<DeadLetters>>,
    lane: Lane,
    stop: watch::Receiver<bool>,
    /// Which version of the plugin is to be used.
    standing: watch::Receiver<Standing>,
    /// The same of the transforms before it, which follow their files themselves: news of one ends a pause.
    transforms: Vec<watch::Receiver<Standing>>,
    /// A version that is to be used, and is not.
    passed_over: Option<PassedOver>,
}

/// What is missing until somebody takes the next step (a plugin, a stream, room in one) is looked for
/// again after this time at the latest.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Messages that cannot be read are tried again this often before the export goes on behind them.
const DAMAGE_TRIES: u32 = 4;

/// A step of work that is longer than one call takes some time, or it does nothing.
const QUICK_STEP: Duration = Duration::from_millis(5);
/// After so many steps in a row that took no time, further ones come with pauses: a plugin that only says
/// that it makes progress must not keep a processor busy.
const IDLE_STEPS: u32 = 32;

/// A pipeline ends because it was asked to, or because its stream is gone.
struct Stopped;

/// What a pipeline has in hand between two calls.
#[derive(Default)]
struct Between {
    /// The next batch, if it could be read while a call was under way.
    ahead: Option<Batch>,
    /// The slot of the last call, kept while there is more to do: were it given back, an export of
    /// lower priority would get it although this one has the next batch ready.
    slot: Option<Slot>,
    /// Ends when the destination may be called again.
    pace: Option<Sleep>,
    /// Steps of longer work in a row that took no time.
    idle_steps: u32,
    /// Rejected messages of the batch that the cursor has not passed yet.
    rejected: Vec<Rejected>,
}

impl Pipeline {
    pub(super) fn new(
        shared: Shared,
        settings: ExportSettings,
        progress: Progress,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let letters = shared.routes.of(&progress.stream, &settings).map(|target| {
            Arc::new(DeadLetters::new(
                shared.store.clone(),
                target,
                (&progress.stream, &progress.export, &settings.plugin),
            ))
        });
        let lane = shared.lanes.of(&progress.stream, &progress.export);
        let standing = shared.destinations.follow(&settings.plugin);
        let transforms = shared.destinations.follow_transforms(&settings);
        Self {
            shared,
            settings,
            progress,
            letters,
            lane,
            stop,
            standing,
            transforms,
            passed_over: None,
        }
    }

    /// Exports until it is asked to stop. A call that is under way then is waited for and settled.
    pub(super) async fn run(mut self) {
        let Err(Stopped) = self.work().await;
        self.progress.save().await;
    }

    async fn work(&mut self) -> Result<Infallible, Stopped> {
        let (mut opened, mut rule) = self.open().await?;
        let watch = self.shared.store.watch(&self.progress.stream);
        let mut watch = watch.map_err(|_| Stopped)?;
        let mut backoff = self.backoff();
        let mut between = Between::default();
        tracing::info!(
            stream = self.progress.stream,
            export = self.progress.export,
            plugin = self.settings.plugin,
            version = %opened.id.version,
            sha256 = opened.id.short_hash(),
            from = %self.progress.next(),
            "export started"
        );
        loop {
            self.keep_up(&mut opened, &mut rule, &mut between, None)
                .await?;
            let batch = match between.ahead.take() {
                Some(batch) => batch,
                None => {
                    between.slot = None;
                    self.rest_if_idle(&mut opened, &mut watch).await?;
                    match self.next_batch(&mut watch, &rule, &mut backoff).await? {
                        Some(batch) => batch,
                        None => continue,
                    }
                }
            };
            let Batch {
                messages,
                too_large,
                gaps,
                end,
            } = batch;
            if opened.cancels {
                for gap in &gaps {
                    self.tell_of_expiry(&mut opened, Vec::new(), gap.clone())
                        .await?;
                }
            }
            self.progress.expect_gaps(gaps);
            let mut settling = Settling::new(messages, end.get());
            between.rejected = too_large;
            while settling.current().is_some() {
                self.keep_up(&mut opened, &mut rule, &mut between, Some(&settling))
                    .await?;
                if opened.cancels {
                    // Before each call, since it may have waited long for it.
                    self.expire(&mut opened, &mut settling, &mut between, &watch)
                        .await?;
                    if settling.current().is_none() {
                        break;
                    }
                }
                let pause = self
                    .call(&mut opened, &mut settling, &mut between, &watch, end, &rule)
                    .await?;
                if pause.delivered {
                    backoff.reset();
                }
                if let Some(at_least) = pause.wanted {
                    between.slot = None;
                    self.progress.save().await;
                    let pause = self.shared.time.sleep(backoff.pause(at_least));
                    self.unless_news(pause).await?;
                }
            }
            // Counted when the cursor passes them, so that a stop before that counts them once.
            self.reject_below(end.get(), &mut between).await?;
            self.progress.pass(end);
        }
    }

    /// Hands one group of messages to the destination, and settles what comes back.
    async fn call(
        &mut self,
        opened: &mut Opened,
        settling: &mut Settling,
        between: &mut Between,
        watch: &Watch,
        end: SequenceNumber,
        rule: &BatchRule,
    ) -> Result<AfterCall, Stopped> {
        let slot = self.turn(between).await?;
        let lane = Arc::clone(&self.lane).lock_owned();
        let lane = self.unless_stopped(lane).await?;
        let group = settling.current().unwrap_or_default();
        let messages = group.len();
        let destination = opened.destination.as_mut();
        let (attempt, started) = (self.shared.time.now(), Instant::now());
        let before = destination.traffic();
        // Work in steps calls again and again before its batch is settled: the next batch is read once.
        let known = between.ahead.take();
        let ahead = async {
            match known {
                Some(batch) => Some(batch),
                None => self.read_ahead(watch, end, rule, settling.is_last()).await,
            }
        };
        let saved = self.progress.save_as_it_is();
        // The plugin last: it computes before it waits for the first time, and the others are served by
        // threads of their own meanwhile.
        let (ahead, saved, answer) = tokio::join!(ahead, saved, destination.export(group));
        drop(lane);
        if saved {
            self.progress.mark_saved();
        }
        let outcome = Outcome::of(&answer);
        let mut settled = settling.settle(answer);
        self.count(
            destination,
            &before,
            outcome,
            messages,
            started.elapsed(),
            &settled,
        );
        between.rejected.append(&mut settled.rejected);
        let lowest = settling.lowest_unsettled();
        let held = between.rejected.iter().map(Rejected::number).min();
        self.progress
            .apply(&settled, held.unwrap_or(lowest).min(lowest), attempt);
        self.keep(opened.destination.remembered().cloned()).await?;
        let has_more = ahead.is_some() || settling.current().is_some();
        between.ahead = ahead;
        between.slot = has_more.then_some(slot);
        if !opened.call_interval.is_zero() {
            between.pace = Some(self.shared.time.sleep(opened.call_interval));
        }
        self.reject_below(lowest, between).await?;
        self.progress.pass(SequenceNumber::new(lowest));
        between.idle_steps = match settled.in_progress {
            Some(_) if started.elapsed() < QUICK_STEP => between.idle_steps + 1,
            _ => 0,
        };
        let spins = between.idle_steps > IDLE_STEPS;
        Ok(AfterCall {
            delivered: settled.delivered_messages > 0,
            wanted: settled.pause.or(spins.then_some(None)),
        })
    }

    /// Gives up what retention has taken out of the plugin's hands, and tells it.
    async fn expire(
        &mut self,
        opened: &mut Opened,
        settling: &mut Settling,
        between: &mut Between,
        watch: &Watch,
    ) -> Result<(), Stopped> {
        let gone: Vec<Canceled> = settling
            .expire(watch.position().head.get())
            .into_iter()
            .map(|message| Canceled {
                sequence_number: message.sequence_number,
                payload: Some(message.payload),
            })
            .collect();
        if !gone.is_empty() {
            let (missed, lowest) = (gone.len() as u64, settling.lowest_unsettled());
            self.tell_of_expiry(opened, gone, 0..0).await?;
            self.reject_below(lowest, between).await?;
            self.progress.note_missed(missed);
            self.progress.pass(SequenceNumber::new(lowest));
        }
        Ok(())
    }

    async fn tell_of_expiry(
        &mut self,
        opened: &mut Opened,
        in_hand: Vec<Canceled>,
        unseen: Range<u64>,
    ) -> Result<(), Stopped> {
        // Dead letters may be on their way to the same destination.
        let lane = Arc::clone(&self.lane).lock_owned();
        let _lane = self.unless_stopped(lane).await?;
        let destination = opened.destination.as_mut();
        let (stream, export) = (&self.progress.stream, &self.progress.export);
        canceling::tell_of_expiry(destination, stream, export, in_hand, unseen).await;
        self.keep(opened.destination.remembered().cloned()).await
    }

    /// Keeps what the plugin remembers. It may rely on it in its next call, so there is none before.
    async fn keep(&mut self, remembered: Option<Arc<[u8]>>) -> Result<(), Stopped> {
        let mut backoff = self.backoff();
        let plugin = self.settings.plugin.clone();
        while !self.progress.remember(&plugin, remembered.as_ref()).await {
            self.unless_stopped(self.shared.time.sleep(backoff.pause(None)))
                .await?;
        }
        Ok(())
    }

    fn count(
        &self,
        destination: &dyn Destination,
        before: &millstream_runtime::Traffic,
        outcome: Outcome,
        messages: usize,
        took: Duration,
        settled: &super::settle::Settled,
    ) {
        let after = destination.traffic();
        let meter = &self.progress.meter;
        meter.call(outcome, messages, took);
        meter.traffic(before, &after);
        let done = settled.delivered_messages + settled.rejected.len() as u64;
        meter.retried((messages as u64).saturating_sub(done));
        self.shared.uploaded.add(
            self.settings.source,
            settled.delivered_bytes,
            after.sent.saturating_sub(before.sent),
        );
    }

    /// Waits until the destination may be called: for its pace, and for a slot.
    async fn turn(&mut self, between: &mut Between) -> Result<Slot, Stopped> {
        if let Some(pace) = between.pace.take() {
            between.slot = None;
            self.progress.save().await;
            self.unless_stopped(pace).await?;
        }
        let (priority, slots) = (self.settings.priority, Arc::clone(&self.shared.slots));
        let at_once = match between.slot.take() {
            Some(slot) => slots.keep(slot, priority),
            None => slots.try_acquire().ok_or_else(|| slots.queue_up(priority)),
        };
        match at_once {
            Ok(slot) => Ok(slot),
            Err(place) => {
                // It may take long, and everybody shall see how far this export is.
                self.progress.save().await;
                self.unless_stopped(place.turn()).await
            }
        }
    }

    /// Waits for a message, or for news of the plugin, and lets the destination rest if neither comes for
    /// long.
    async fn rest_if_idle(
        &mut self,
        opened: &mut Opened,
        watch: &mut Watch,
    ) -> Result<(), Stopped> {
        // While there is nothing to do, everybody can see how far this export is.
        self.progress.save().await;
        let time = Arc::clone(&self.shared.time);
        let message = watch.reach(self.progress.next());
        let message = time.limit(self.shared.rest_after, message);
        if let Some(None) = self.unless_news(message).await? {
            opened.destination.rest();
        }
        Ok(())
    }

    /// Waits until a batch is due; none if there is news of the plugin first.
    async fn next_batch(
        &mut self,
        watch: &mut Watch,
        rule: &BatchRule,
        backoff: &mut Backoff,
    ) -> Result<Option<Batch>, Stopped> {
        let mut unreadable = 0;
        loop {
            let next = batch::next(
                &self.shared.store,
                self.shared.time.as_ref(),
                watch,
                &self.progress.stream,
                self.progress.next(),
                rule,
            );
            let Some(found) = self.unless_news(next).await? else {
                return Ok(None);
            };
            match found {
                Ok(batch) => return Ok(Some(batch)),
                Err(Error::NotFound { .. } | Error::Closing) => return Err(Stopped),
                // A disk that fails for a moment is no reason to lose messages.
                Err(Error::Damaged { last, .. }) if unreadable >= DAMAGE_TRIES => {
                    let behind = last + 1;
                    self.progress.note_missed(behind - self.progress.next());
                    self.progress.pass(behind);
                    unreadable = 0;
                }
                Err(error) => {
                    unreadable += u32::from(matches!(error, Error::Damaged { .. }));
                    self.progress
                        .fail(error.to_string(), self.shared.time.now());
                    self.pause(backoff.pause(None)).await?;
                }
            }
        }
    }

    async fn read_ahead(
        &self,
        watch: &Watch,
        from: SequenceNumber,
        rule: &BatchRule,
        is_last: bool,
    ) -> Option<Batch> {
        if !is_last || *self.stop.borrow() {
            return None;
        }
        let stream = &self.progress.stream;
        batch::ahead(&self.shared.store, watch, stream, from, rule).await
    }

    async fn pause(&mut self, pause: Duration) -> Result<(), Stopped> {
        self.progress.save().await;
        self.unless_stopped(self.shared.time.sleep(pause)).await
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(self.shared.retry_first, self.shared.retry_longest)
    }

    /// Waits for something, unless the pipeline is asked to stop first.
    async fn unless_stopped<T>(&self, wanted: impl Future<Output = T>) -> Result<T, Stopped> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Err(Stopped),
            found = wanted => Ok(found),
        }
    }
}

/// What follows from a call.
struct AfterCall {
    delivered: bool,
    /// Whether to wait before the next call, and how long at least.
    wanted: Option<Option<Duration>>,
}

#[cfg(test)]
pub(super) mod tests;
