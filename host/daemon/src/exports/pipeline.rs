//! One export of one stream, from its first message to the end of the task.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use millstream_runtime::{Exporter, ExporterSettings};
use millstream_streams::{Clock, Cursor, Error, SequenceNumber, Store, SystemClock, Watch};
use tokio::sync::watch;

use super::batch::{self, Batch, BatchRule};
use super::retry::Backoff;
use super::settings::ExportSettings;
use super::settle::{Settled, Settling};
use super::slots::Slots;
use crate::plugins::Plugins;
use crate::stream_access::StoreAccess;

/// What all pipelines share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) plugins: Arc<Plugins>,
    pub(super) slots: Arc<Slots>,
    pub(super) linger: Duration,
    pub(super) retry_first: Duration,
    pub(super) retry_longest: Duration,
}

/// An export at work.
pub(super) struct Pipeline {
    shared: Shared,
    stream: String,
    identifier: String,
    settings: ExportSettings,
    stop: watch::Receiver<bool>,
    cursor: Cursor,
    /// Whether the cursor has changed since it was saved.
    unsaved: bool,
}

/// Messages that cannot be read are tried again this often before the export goes on behind them.
const DAMAGE_TRIES: u32 = 4;

/// A pipeline ends because it was asked to, or because its stream is gone.
struct Stopped;

impl Pipeline {
    pub(super) fn new(
        shared: Shared,
        stream: String,
        identifier: String,
        settings: ExportSettings,
        cursor: Cursor,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            shared,
            stream,
            identifier,
            settings,
            stop,
            cursor,
            unsaved: false,
        }
    }

    /// Exports until it is asked to stop. A call that is under way then is waited for and settled.
    pub(super) async fn run(mut self) {
        let Err(Stopped) = self.work().await;
        self.save().await;
    }

    async fn work(&mut self) -> Result<Infallible, Stopped> {
        let (mut exporter, rule) = self.open().await?;
        let watch = self.shared.store.watch(&self.stream);
        let mut watch = watch.map_err(|_| Stopped)?;
        let mut backoff = self.backoff();
        let mut ahead = None;
        tracing::info!(
            stream = self.stream,
            export = self.identifier,
            plugin = self.settings.plugin,
            from = %self.cursor.next,
            "export started"
        );
        loop {
            let batch = match ahead.take() {
                Some(batch) => batch,
                None => self.next_batch(&mut watch, &rule, &mut backoff).await?,
            };
            let Batch {
                messages,
                too_large,
                missed,
                end,
            } = batch;
            let mut settling = Settling::new(messages, end.get());
            while let Some(group) = settling.current() {
                let priority = self.settings.priority;
                let slots = Arc::clone(&self.shared.slots);
                let slot = self.unless_stopped(slots.acquire(priority)).await?;
                let attempt = SystemClock.now();
                let (answer, read, ()) = tokio::join!(
                    exporter.export(group),
                    self.read_ahead(&watch, end, &rule, settling.is_last()),
                    self.save_now(),
                );
                drop(slot);
                self.unsaved = false;
                ahead = read;
                let settled = settling.settle(answer);
                self.cursor.last_attempt = Some(attempt);
                self.apply(&settled, settling.lowest_unsettled());
                if settled.delivered_messages > 0 {
                    backoff.reset();
                }
                if let Some(at_least) = settled.pause {
                    self.pause(backoff.pause(at_least)).await?;
                }
            }
            // Counted when the cursor passes them, so that a stop before that counts them once.
            self.note_missed(missed);
            self.note_too_large(&too_large, &rule);
            self.cursor.next = end;
            self.unsaved = true;
        }
    }

    /// Loads and opens the plugin, for as long as it takes: a file can be dropped in at any time.
    async fn open(&mut self) -> Result<(Exporter, BatchRule), Stopped> {
        let mut backoff = self.backoff();
        loop {
            let plugins = Arc::clone(&self.shared.plugins);
            let settings = self.settings.clone();
            let context = self.exporter_settings();
            let opened = async move {
                let (component, description) = plugins.exporter(&settings.plugin).await?;
                plugins.report_missing_grants(&settings.plugin, &description);
                let exporter = component
                    .open(context)
                    .await
                    .map_err(|error| error.to_string())?;
                Ok::<_, String>((exporter, description.limits))
            };
            match self.unless_stopped(opened).await? {
                Ok((exporter, limits)) => {
                    let linger = self
                        .settings
                        .batch_interval_millis
                        .map(Duration::from_millis);
                    let linger = linger.unwrap_or(self.shared.linger);
                    let rule = BatchRule::new(limits, self.settings.batch_size, linger);
                    return Ok((exporter, rule));
                }
                Err(reason) => {
                    self.fail(reason);
                    // What is missing is somebody's next step, so look again soon.
                    let pause = backoff.pause(None).min(Duration::from_secs(10));
                    self.pause(pause).await?;
                }
            }
        }
    }

    fn exporter_settings(&self) -> ExporterSettings {
        let plugin = &self.settings.plugin;
        ExporterSettings {
            label: format!("{plugin} ({}/{})", self.stream, self.identifier),
            stream_name: self.stream.clone(),
            export_identifier: self.identifier.clone(),
            config: self.shared.plugins.config(plugin, &self.settings.config),
            grants: self.shared.plugins.grants(plugin),
            limits: self.shared.plugins.limits(),
            streams: StoreAccess::shared(&self.shared.store),
        }
    }

    async fn next_batch(
        &mut self,
        watch: &mut Watch,
        rule: &BatchRule,
        backoff: &mut Backoff,
    ) -> Result<Batch, Stopped> {
        // While there is nothing to do, everybody can see how far this export is.
        self.save().await;
        let mut unreadable = 0;
        loop {
            let (store, name) = (self.shared.store.clone(), self.stream.clone());
            let next = batch::next(&store, watch, &name, self.cursor.next, rule);
            match self.unless_stopped(next).await? {
                Ok(batch) => return Ok(batch),
                Err(Error::NotFound { .. } | Error::Closing) => return Err(Stopped),
                // A disk that fails for a moment is no reason to lose messages.
                Err(Error::Damaged { last, .. }) if unreadable >= DAMAGE_TRIES => {
                    self.note_missed((last + 1) - self.cursor.next);
                    self.cursor.next = last + 1;
                    self.unsaved = true;
                    unreadable = 0;
                }
                Err(error) => {
                    unreadable += u32::from(matches!(error, Error::Damaged { .. }));
                    self.fail(error.to_string());
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
        batch::ahead(&self.shared.store, watch, &self.stream, from, rule).await
    }

    /// Counts messages that retention or damage took before their turn came.
    fn note_missed(&mut self, missed: u64) {
        if missed > 0 {
            let (stream, export) = (&self.stream, &self.identifier);
            tracing::warn!(
                stream,
                export,
                messages = missed,
                "messages were gone before they were exported"
            );
            self.cursor.missed_messages += missed;
        }
    }

    /// Counts messages that the plugin could never take.
    fn note_too_large(&mut self, too_large: &[(u64, usize)], rule: &BatchRule) {
        let (stream, export) = (&self.stream, &self.identifier);
        for (number, size) in too_large {
            let reason = format!(
                "its {size} bytes are more than the plugin takes ({})",
                rule.message_bytes
            );
            tracing::warn!(stream, export, number, reason, "message rejected");
            self.cursor.last_error = Some(format!("message {number} was rejected: {reason}"));
        }
        self.cursor.rejected_messages += too_large.len() as u64;
    }

    /// Brings the cursor to where a call has left it.
    fn apply(&mut self, settled: &Settled, lowest_unsettled: u64) {
        let (stream, export) = (&self.stream, &self.identifier);
        for (number, reason) in &settled.rejected {
            tracing::warn!(stream, export, number, reason, "message rejected");
        }
        if let Some(error) = &settled.error
            && self.cursor.last_error.as_ref() != Some(error)
        {
            tracing::warn!(stream, export, error, "export failed");
        } else if settled.error.is_none() && self.cursor.last_error.is_some() {
            tracing::info!(stream, export, "export works again");
        }
        self.cursor.next = SequenceNumber::new(lowest_unsettled).max(self.cursor.next);
        self.cursor.delivered_messages += settled.delivered_messages;
        self.cursor.delivered_bytes += settled.delivered_bytes;
        self.cursor.rejected_messages += settled.rejected.len() as u64;
        self.cursor.last_error.clone_from(&settled.error);
        self.unsaved = true;
    }

    /// Remembers why nothing can be tried.
    fn fail(&mut self, reason: String) {
        if self.cursor.last_error.as_ref() != Some(&reason) {
            let (stream, export) = (&self.stream, &self.identifier);
            tracing::warn!(stream, export, error = reason, "export cannot work");
        }
        self.cursor.last_attempt = Some(SystemClock.now());
        self.cursor.last_error = Some(reason);
        self.unsaved = true;
    }

    async fn pause(&mut self, pause: Duration) -> Result<(), Stopped> {
        self.save().await;
        self.unless_stopped(tokio::time::sleep(pause)).await
    }

    async fn save(&mut self) {
        self.save_now().await;
        self.unsaved = false;
    }

    async fn save_now(&self) {
        if !self.unsaved {
            return;
        }
        let (store, cursor) = (&self.shared.store, self.cursor.clone());
        match store
            .save_cursor(&self.stream, &self.identifier, cursor)
            .await
        {
            // An export or a stream that was deleted needs no cursor.
            Ok(()) | Err(Error::NotFound { .. } | Error::NoSuchExport { .. }) => {}
            Err(error) => {
                let (stream, export) = (&self.stream, &self.identifier);
                tracing::error!(stream, export, %error, "the position of an export was not saved");
            }
        }
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
