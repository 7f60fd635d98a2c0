//! How far an export is: its cursor, and what is noted on the way.

use std::ops::Range;
use std::sync::Arc;

use millstream_streams::{Cursor, Error, SequenceNumber, Store, Timestamp};

use super::memory;
use super::meter::Meter;
use super::settle::{Rejected, Settled};

/// The place and the state of one export of one stream.
pub(super) struct Progress {
    store: Store,
    pub(super) stream: String,
    pub(super) export: String,
    cursor: Cursor,
    /// Whether the cursor has changed since it was saved.
    unsaved: bool,
    /// Whether that is so of what the plugin remembers.
    unsaved_memory: bool,
    /// Numbers ahead of the cursor whose messages are gone. They are counted when the cursor passes them:
    /// a stop before that counts them once.
    gaps: Vec<Range<u64>>,
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
            unsaved_memory: false,
            gaps: Vec::new(),
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

    /// Takes over what the plugin remembers, and saves it if it has changed; says whether it is safe.
    pub(super) async fn remember(&mut self, plugin: &str, bytes: Option<&Arc<[u8]>>) -> bool {
        let work = bytes.map(|bytes| memory::write(plugin, bytes));
        self.unsaved_memory |= work != self.cursor.work;
        if self.unsaved_memory {
            self.cursor.work = work;
            self.unsaved = true;
            self.save().await;
            self.unsaved_memory = self.unsaved;
        }
        !self.unsaved_memory
    }

    /// Everything below is settled.
    pub(super) fn pass(&mut self, next: SequenceNumber) {
        self.cursor.next = next.max(self.cursor.next);
        self.unsaved = true;
        let passed = self.gaps.extract_if(.., |gap| gap.end <= next.get());
        let missed = passed.map(|gap| gap.end - gap.start).sum();
        self.note_missed(missed);
    }

    /// Messages of the batch in hand are gone.
    pub(super) fn expect_gaps(&mut self, gaps: Vec<Range<u64>>) {
        self.gaps = gaps;
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

    /// Counts messages that can never be delivered.
    pub(super) fn note_rejected(&mut self, rejected: &[Rejected]) {
        let (stream, export) = (&self.stream, &self.export);
        for one in rejected {
            let (number, reason) = (one.number(), &one.reason);
            tracing::warn!(stream, export, number, reason, "message rejected");
            // Where something is wrong for all messages, that is what an operator has to see.
            if !self.meter.is_failing() {
                self.cursor.last_error = Some(one.to_string());
            }
        }
        self.cursor.rejected_messages += rejected.len() as u64;
        self.unsaved |= !rejected.is_empty();
    }

    /// Brings the cursor to where a call has left it.
    pub(super) fn apply(&mut self, settled: &Settled, lowest_unsettled: u64, attempt: Timestamp) {
        let (stream, export) = (&self.stream, &self.export);
        if let Some(error) = &settled.error
            && self.cursor.last_error.as_ref() != Some(error)
        {
            tracing::warn!(stream, export, error, "export failed");
        } else if settled.error.is_none() && self.cursor.last_error.is_some() {
            tracing::info!(stream, export, "export works again");
        }
        self.cursor.delivered_messages += settled.delivered_messages;
        self.cursor.delivered_bytes += settled.delivered_bytes;
        self.cursor.last_attempt = Some(attempt);
        self.cursor.last_error.clone_from(&settled.error);
        let reason = settled.error.clone().unwrap_or_default();
        self.meter
            .set_failing(settled.pause.is_some().then_some(reason));
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
        self.cursor.last_error = Some(reason.clone());
        self.unsaved = true;
        self.meter.set_failing(Some(reason));
    }

    /// The error that everybody sees, and the one after which another try will follow.
    pub(super) fn shown(&self) -> (Option<String>, Option<String>) {
        (self.cursor.last_error.clone(), self.meter.failing())
    }

    /// Shows what was shown before [`Self::fail`], whose reason is gone.
    pub(super) fn show_again(&mut self, (error, failing): (Option<String>, Option<String>)) {
        self.cursor.last_error = error;
        self.unsaved = true;
        self.meter.set_failing(failing);
    }

    /// Saves the cursor if it has changed.
    pub(super) async fn save(&mut self) {
        if self.save_as_it_is().await {
            self.mark_saved();
        }
    }

    /// The same, beside something else that reads it; [`Self::mark_saved`] comes after if it says that the
    /// cursor is safe.
    pub(super) async fn save_as_it_is(&self) -> bool {
        if !self.unsaved {
            return true;
        }
        let (stream, export) = (&self.stream, &self.export);
        let cursor = self.cursor.clone();
        match self.store.save_cursor(stream, export, cursor).await {
            // An export or a stream that was deleted needs no cursor.
            Ok(()) | Err(Error::NotFound { .. } | Error::NoSuchExport { .. }) => true,
            Err(error) => {
                tracing::error!(stream, export, %error, "the position of an export was not saved");
                false
            }
        }
    }

    /// What was saved is what there is.
    pub(super) fn mark_saved(&mut self) {
        self.unsaved = false;
    }
}
