//! How far an export is: its cursor, and what is noted on the way.

use std::sync::Arc;

use millstream_streams::{Cursor, Error, SequenceNumber, Store, Timestamp};

use super::batch::BatchRule;
use super::memory;
use super::meter::Meter;
use super::settle::Settled;

/// The place and the state of one export of one stream.
pub(super) struct Progress {
    store: Store,
    pub(super) stream: String,
    pub(super) export: String,
    cursor: Cursor,
    /// Whether the cursor has changed since it was saved.
    unsaved: bool,
    pub(super) meter: Arc<Meter>,
}

impl Progress {
    pub(super) fn new(
        store: Store,
        stream: String,
        export: String,
        cursor: Cursor,
        meter: Arc<Meter>,
    ) -> Self {
        Self {
            store,
            stream,
            export,
            cursor,
            unsaved: false,
            meter,
        }
    }

    /// The lowest message that is not settled.
    pub(super) fn next(&self) -> SequenceNumber {
        self.cursor.next
    }

    /// What the plugin remembers.
    pub(super) fn remembered(&self, plugin: &str) -> Option<Arc<[u8]>> {
        let work = self.cursor.work.as_deref()?;
        memory::read(plugin, work)
    }

    /// Takes over what the plugin remembers. What has changed has to be saved before the plugin is called
    /// again: it may rely on it.
    pub(super) async fn remember(&mut self, plugin: &str, bytes: Option<&Arc<[u8]>>) {
        let work = bytes.map(|bytes| memory::write(plugin, bytes));
        if work != self.cursor.work {
            self.cursor.work = work;
            self.unsaved = true;
            self.save().await;
        }
    }

    /// Everything below is settled.
    pub(super) fn pass(&mut self, next: SequenceNumber) {
        self.cursor.next = next.max(self.cursor.next);
        self.unsaved = true;
    }

    /// Counts messages that retention or damage took before their turn came.
    pub(super) fn note_missed(&mut self, missed: u64) {
        if missed > 0 {
            let (stream, export) = (&self.stream, &self.export);
            tracing::warn!(
                stream,
                export,
                messages = missed,
                "messages were gone before they were exported"
            );
            self.cursor.missed_messages += missed;
            self.unsaved = true;
        }
    }

    /// Counts messages that the plugin could never take.
    pub(super) fn note_too_large(&mut self, too_large: &[(u64, usize)], rule: &BatchRule) {
        let (stream, export) = (&self.stream, &self.export);
        for (number, size) in too_large {
            let reason = format!(
                "its {size} bytes are more than the plugin takes ({})",
                rule.message_bytes
            );
            tracing::warn!(stream, export, number, reason, "message rejected");
            self.cursor.last_error = Some(format!("message {number} was rejected: {reason}"));
        }
        self.cursor.rejected_messages += too_large.len() as u64;
        self.unsaved |= !too_large.is_empty();
    }

    /// Brings the cursor to where a call has left it.
    pub(super) fn apply(&mut self, settled: &Settled, lowest_unsettled: u64, attempt: Timestamp) {
        let (stream, export) = (&self.stream, &self.export);
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
        self.cursor.delivered_messages += settled.delivered_messages;
        self.cursor.delivered_bytes += settled.delivered_bytes;
        self.cursor.rejected_messages += settled.rejected.len() as u64;
        self.cursor.last_attempt = Some(attempt);
        self.cursor.last_error.clone_from(&settled.error);
        self.meter.set_failing(settled.pause.is_some());
        self.meter.set_progress(settled.in_progress.clone());
        self.pass(SequenceNumber::new(lowest_unsettled));
    }

    /// Remembers why nothing can be tried.
    pub(super) fn fail(&mut self, reason: String, attempt: Timestamp) {
        if self.cursor.last_error.as_ref() != Some(&reason) {
            let (stream, export) = (&self.stream, &self.export);
            tracing::warn!(stream, export, error = reason, "export cannot work");
        }
        self.cursor.last_attempt = Some(attempt);
        self.cursor.last_error = Some(reason);
        self.unsaved = true;
        self.meter.set_failing(true);
    }

    /// Saves the cursor if it has changed.
    pub(super) async fn save(&mut self) {
        self.save_as_it_is().await;
        self.mark_saved();
    }

    /// The same, beside something else that reads it; [`Self::mark_saved`] comes after.
    pub(super) async fn save_as_it_is(&self) {
        if !self.unsaved {
            return;
        }
        let (stream, export) = (&self.stream, &self.export);
        let cursor = self.cursor.clone();
        match self.store.save_cursor(stream, export, cursor).await {
            // An export or a stream that was deleted needs no cursor.
            Ok(()) | Err(Error::NotFound { .. } | Error::NoSuchExport { .. }) => {}
            Err(error) => {
                tracing::error!(stream, export, %error, "the position of an export was not saved");
            }
        }
    }

    /// What was saved is what there is.
    pub(super) fn mark_saved(&mut self) {
        self.unsaved = false;
    }
}
