//! What can be done with streams and their exports together: the one place that keeps both in step.
//!
//! The protocol server and the configuration file come here; neither touches the store or the
//! pipelines by itself where both are concerned.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream_protocol::MessageStreamDefinition;
use millstream_protocol::response::{ExportStatus, MessageStreamInfo, StorageStatus};
use millstream_runtime::CancelReason;
use millstream_streams::{Cursor, Error, Store, StreamDefinition};
use tokio::sync::Mutex;

use crate::config;
use crate::definition;
use crate::exports::Supervisor;

/// Streams with their exports. Clones mean the same ones.
#[derive(Clone)]
pub(crate) struct Service {
    store: Store,
    exports: Supervisor,
    /// Held while a stream is created, changed or deleted: exports end before a change and start
    /// after it, and a second change in between would start them twice.
    changing: Arc<Mutex<()>>,
    /// Bytes that were appended to streams which are deleted, since the start.
    bytes_of_deleted: Arc<AtomicU64>,
    /// The least part of a multipart upload to S3, in bytes.
    least_part: u64,
}

impl Service {
    pub(crate) fn new(store: Store, exports: Supervisor, least_part: u64) -> Self {
        Self {
            store,
            exports,
            changing: Arc::default(),
            bytes_of_deleted: Arc::default(),
            least_part,
        }
    }

    pub(crate) fn exports(&self) -> &Supervisor {
        &self.exports
    }

    /// Bytes that were appended since the start to streams which are deleted by now.
    pub(crate) fn bytes_of_deleted_streams(&self) -> u64 {
        self.bytes_of_deleted.load(Ordering::Relaxed)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// A definition that a client sent, as it is kept.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidDefinition`]; see [`definition::from_wire`].
    pub(crate) fn accept(&self, wire: &MessageStreamDefinition) -> Result<StreamDefinition, Error> {
        definition::from_wire(wire, &self.store, self.least_part)
    }

    /// What an update that a client sent makes of a stream, as it is kept.
    ///
    /// # Errors
    ///
    /// See [`definition::updated_from_wire`].
    pub(crate) fn accept_update(
        &self,
        wire: &MessageStreamDefinition,
    ) -> Result<StreamDefinition, Error> {
        definition::updated_from_wire(wire, &self.store, self.least_part)
    }

    /// Creates a stream and starts its exports.
    pub(crate) async fn create(&self, definition: StreamDefinition) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        let name = definition.name.clone();
        self.store.create(definition).await?;
        self.exports.start(name.as_str());
        Ok(())
    }

    /// Changes a stream. Exports that change end before and start again after, so that no call of the
    /// old one moves the cursor of the new one.
    pub(crate) async fn update(&self, definition: StreamDefinition) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        self.change(definition).await
    }

    /// [`Self::update`], while nothing else changes.
    async fn change(&self, definition: StreamDefinition) -> Result<(), Error> {
        let name = definition.name.clone();
        let before = self.store.describe(name.as_str())?.definition;
        let kept: BTreeSet<&str> = definition
            .exports
            .iter()
            .filter(|export| before.exports.contains(export))
            .map(|export| export.identifier.as_str())
            .collect();
        self.exports
            .stop(name.as_str(), |export| !kept.contains(export))
            .await;
        let identifiers: BTreeSet<String> = definition
            .exports
            .iter()
            .map(|export| export.identifier.clone())
            .collect();
        let before = self.store.describe(name.as_str())?;
        let outcome = self.store.update(definition).await;
        if outcome.is_ok() {
            let is_gone = |export: &str| !identifiers.contains(export);
            let reason = CancelReason::ExportDeleted;
            self.exports.cancel(&before, is_gone, reason).await;
        }
        self.exports.start(name.as_str());
        outcome
    }

    /// Deletes a stream with everything in it.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        self.store.handle(name)?;
        self.exports.abandon(name).await;
        // The exports are where they will be, and the messages are still there.
        let info = self.store.describe(name)?;
        let reason = CancelReason::StreamDeleted;
        self.exports.cancel(&info, |_| true, reason).await;
        let outcome = self.store.delete(name).await;
        match &outcome {
            Ok(()) => {
                let bytes = info.counters.appended_bytes;
                self.bytes_of_deleted.fetch_add(bytes, Ordering::Relaxed);
            }
            Err(_) => self.exports.start(name),
        }
        outcome
    }

    /// Makes the streams of the configuration file what it says, and starts all exports. A stream that
    /// cannot be made so stays as it is, and the others go on.
    pub(crate) async fn apply(&self, declared: &[config::Stream]) {
        let _changing = self.changing.lock().await;
        for stream in declared {
            let Some(wanted) = definition::from_config(stream) else {
                continue;
            };
            let outcome = match self.store.describe(&stream.name) {
                Err(_) => self.store.create(wanted).await,
                Ok(info) if *info.definition != wanted => self.change(wanted).await,
                Ok(_) => Ok(()),
            };
            if let Err(error) = outcome {
                tracing::error!(
                    stream = stream.name,
                    %error,
                    "the stream is not what the configuration says; change [[stream]] there"
                );
            }
        }
        for name in self.store.list() {
            self.exports.start(name.as_str());
        }
    }

    /// What a stream is and how its exports fare, as the protocol says it.
    pub(crate) fn describe(&self, name: &str) -> Result<MessageStreamInfo, Error> {
        let info = self.store.describe(name)?;
        let position = info.position;
        let definition = definition::to_wire(&info.definition).ok_or_else(|| Error::Failed {
            reason: format!("the definition of {name} cannot be put into the protocol"),
        })?;
        Ok(MessageStreamInfo {
            definition,
            storage: StorageStatus {
                oldest_sequence_number: position.head.get(),
                newest_sequence_number: position.tail.previous().map(|newest| newest.get()),
                total_bytes: position.bytes,
            },
            exports: info
                .cursors
                .into_iter()
                .map(|(id, cursor)| status(id, cursor))
                .collect(),
        })
    }

    /// Ends all exports, settling what is in flight.
    pub(crate) async fn shut_down(&self) {
        self.exports.shut_down().await;
    }
}

fn status(identifier: String, cursor: Cursor) -> ExportStatus {
    ExportStatus {
        identifier,
        last_exported_sequence_number: cursor.next.previous().map(|last| last.get()),
        last_export_time_millis: cursor.last_attempt.map_or(0, |attempt| attempt.as_millis()),
        error_message: cursor.last_error.unwrap_or_default(),
        exported_bytes: cursor.delivered_bytes,
        exported_messages: cursor.delivered_messages,
    }
}
