//! Which version of its plugin an export uses: the one that the folder offers, once it could be opened.
//!
//! A new version is loaded by whoever watches the folder; what is left to do here takes milliseconds. It
//! is opened between two calls and under the lane of the export, never beside a call: two instances that
//! work for one export at once could spoil what they share, such as a file that both append to.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::super::batch::BatchRule;
use super::super::destination::Opened;
use super::super::settle::Settling;
use super::{Between, LOOK_AGAIN, Pipeline, Stopped};
use crate::plugins::{Offer, VersionId, changed};

/// A version that is to be used, and is not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PassedOver {
    /// It could not be opened.
    Refused(VersionId),
    /// It takes less than the batch in hand, and comes behind it.
    Later(VersionId),
}

impl Pipeline {
    /// Opens the plugin, for as long as it takes: a file can be dropped in at any time.
    pub(super) async fn open(&mut self) -> Result<(Opened, BatchRule), Stopped> {
        let mut backoff = self.backoff();
        let (shown, mut has_failed) = (self.progress.shown(), false);
        loop {
            self.standing.mark_unchanged();
            self.mark_transforms_seen();
            match self.unless_stopped(self.try_open()).await? {
                Ok(opened) => {
                    if has_failed {
                        self.progress.show_again(shown);
                    }
                    let rule = self.rule(&opened);
                    self.progress.meter.set_in_use(opened.id.clone());
                    return Ok((opened, rule));
                }
                Err(reason) => {
                    has_failed = true;
                    self.progress.fail(reason, self.shared.time.now());
                    self.progress.save().await;
                    let pause = backoff.pause(None).min(LOOK_AGAIN);
                    self.unless_news(self.shared.time.sleep(pause)).await?;
                }
            }
        }
    }

    /// Keeps up with the folder, between two calls: goes on with the version that is to be used, and waits
    /// while there is none. `in_hand` is a batch of which something is left to deliver.
    pub(super) async fn keep_up(
        &mut self,
        opened: &mut Opened,
        rule: &mut BatchRule,
        between: &mut Between,
        in_hand: Option<&Settling>,
    ) -> Result<(), Stopped> {
        let mut before = None;
        self.mark_transforms_seen();
        loop {
            let offer = self.standing.borrow_and_update().offer.clone();
            match offer {
                Offer::Nothing(reason) => {
                    before.get_or_insert_with(|| self.progress.shown());
                    between.slot = None;
                    self.passed_over = None;
                    opened.destination.rest();
                    self.progress.fail(reason, self.shared.time.now());
                    self.progress.save().await;
                    let mut standing = self.standing.clone();
                    self.unless_stopped(changed(&mut standing)).await?;
                }
                Offer::Version(id) => {
                    if let Some(shown) = before {
                        self.progress.show_again(shown);
                    }
                    if id == opened.id {
                        if self.passed_over.take().is_some() {
                            self.progress.meter.set_in_use(id);
                        }
                        return Ok(());
                    }
                    return match &self.passed_over {
                        Some(PassedOver::Refused(refused)) if *refused == id => Ok(()),
                        Some(PassedOver::Later(later)) if *later == id && in_hand.is_some() => {
                            Ok(())
                        }
                        _ => self.take_over(id, opened, rule, between, in_hand).await,
                    };
                }
                // A plugin that is open was looked at.
                Offer::Unknown => return Ok(()),
            }
        }
    }

    /// Opens a version and puts it in the place of the one in use, which goes on if that fails.
    async fn take_over(
        &mut self,
        id: VersionId,
        opened: &mut Opened,
        rule: &mut BatchRule,
        between: &mut Between,
        in_hand: Option<&Settling>,
    ) -> Result<(), Stopped> {
        let lane = Arc::clone(&self.lane).lock_owned();
        let _lane = self.unless_stopped(lane).await?;
        let began = Instant::now();
        let new = self.unless_stopped(self.try_open()).await?;
        let (stream, export) = (&self.progress.stream, &self.progress.export);
        let plugin = &self.settings.plugin;
        match new {
            Ok(new) => {
                let new_rule = self.rule(&new);
                if in_hand.is_some_and(|batch| !takes(&new_rule, batch)) {
                    tracing::info!(
                        stream,
                        export,
                        plugin,
                        "the new version of the plugin takes smaller batches than the one in hand; it \
                         takes over behind that"
                    );
                    self.passed_over = Some(PassedOver::Later(new.id));
                    return Ok(());
                }
                // It was read for what the old version takes.
                between.ahead = None;
                self.passed_over = None;
                self.progress.meter.set_in_use(new.id.clone());
                tracing::info!(
                    stream,
                    export,
                    plugin,
                    version = %new.id.version,
                    sha256 = new.id.short_hash(),
                    before = %opened.id,
                    paused_ms = began.elapsed().as_secs_f64() * 1000.0,
                    "export goes on with another version of its plugin"
                );
                (*opened, *rule) = (new, new_rule);
            }
            Err(reason) => {
                let sentence =
                    format!("{id} cannot be opened, and {} goes on: {reason}", opened.id);
                tracing::warn!(
                    stream,
                    export,
                    plugin,
                    error = sentence,
                    "an export does not take over a new version of its plugin"
                );
                self.progress.meter.set_passed_over(sentence);
                self.passed_over = Some(PassedOver::Refused(id));
            }
        }
        Ok(())
    }

    async fn try_open(&self) -> Result<Opened, String> {
        let remembered = self.progress.remembered(&self.settings.plugin);
        let (stream, export) = (&self.progress.stream, &self.progress.export);
        let destinations = &self.shared.destinations;
        destinations
            .open(stream, export, &self.settings, remembered)
            .await
    }

    fn rule(&self, opened: &Opened) -> BatchRule {
        let linger = self
            .settings
            .batch_interval_millis
            .map(Duration::from_millis);
        let linger = linger.unwrap_or(self.shared.linger);
        BatchRule::new(opened.limits, self.settings.batch_size, linger)
    }

    fn mark_transforms_seen(&mut self) {
        for transform in &mut self.transforms {
            transform.mark_unchanged();
        }
    }

    /// Waits for something; none if the plugin, or a transform before it, comes to stand in another way
    /// first.
    pub(super) async fn unless_news<T>(
        &self,
        wanted: impl Future<Output = T>,
    ) -> Result<Option<T>, Stopped> {
        let mut followed = self.transforms.clone();
        followed.push(self.standing.clone());
        let news = followed
            .iter_mut()
            .map(|standing| Box::pin(changed(standing)));
        let mut news: Vec<_> = news.collect();
        let news = poll_fn(|context| {
            let mut news = news.iter_mut();
            match news.any(|one| one.as_mut().poll(context).is_ready()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        self.unless_stopped(async {
            tokio::select! {
                biased;
                found = wanted => Some(found),
                () = news => None,
            }
        })
        .await
    }
}

/// Whether all that is left of a batch could be handed over in one call.
fn takes(rule: &BatchRule, batch: &Settling) -> bool {
    let (mut messages, mut bytes, mut largest) = (0, 0, 0);
    for message in batch.left() {
        let size = message.payload.len() as u64;
        (messages, bytes, largest) = (messages + 1, bytes + size, size.max(largest));
    }
    messages <= rule.messages && bytes <= rule.bytes && largest <= rule.message_bytes
}
