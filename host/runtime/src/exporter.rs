//! Exporters, which carry batches to a destination.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmtime::Store;
use wasmtime::component::{Instance as Whole, InstancePre};

use crate::component::{Component, ComponentKind};
use crate::contract::exports::millstream::plugin::exporter as wit;
use crate::contract::{ExporterPlugin, canceling};
use crate::description::Description;
use crate::error::{ExportFailure, RuntimeError};
use crate::grants::Grants;
use crate::guest::MAX_TEXT;
use crate::http::Traffic;
use crate::instance::{Opening, Refused, Surroundings, Warm, World};
use crate::limits::Limits;
use crate::log::clean;
use crate::program::{ExporterProgram, Program, Resident};
use crate::state::State;
use crate::streams::{Message, StreamAccess};

/// The longest that a call of `cancel` may take (`wit/canceling.wit`).
const CANCEL_DEADLINE: Duration = Duration::from_secs(10);

/// Everything an exporter needs for one export of one stream.
pub struct ExporterSettings {
    /// Its name in the log, such as `stream/export (plugin)`.
    pub label: String,
    /// The stream whose messages come.
    pub stream_name: String,
    /// The export's identifier, unique in its stream.
    pub export_identifier: String,
    /// The configuration, a JSON object.
    pub config: serde_json::Value,
    /// What the exporter may reach.
    pub grants: Grants,
    /// What it may take.
    pub limits: Limits,
    /// The streams behind the grants.
    pub streams: Arc<dyn StreamAccess>,
    /// What the export remembers of earlier calls; see [`Exporter::remembered`].
    pub remembered: Option<Arc<[u8]>>,
}

/// What becomes of a message that was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It may succeed later.
    Retry,
    /// It never can.
    Reject,
}

/// A message of a batch that was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// Its place in the batch, from 0; within the batch, and at most once in an answer.
    pub index: usize,
    /// What becomes of it.
    pub disposition: Disposition,
    /// The exporter's reason, at most 1 KiB.
    pub reason: String,
}

/// What came of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// The messages that were not delivered, in order of their index.
    pub undelivered: Vec<Undelivered>,
    /// How far the work is, in at most 1 KiB, if the messages to retry are to come again at once: the
    /// call has done a part of its work.
    pub in_progress: Option<String>,
}

/// A message that an exporter is not handed, or not again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canceled {
    /// Its place in the stream.
    pub sequence_number: u64,
    /// What it was; none if that is gone already.
    pub payload: Option<Bytes>,
}

/// Why messages are not exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// The stream is being deleted.
    StreamDeleted,
    /// The export is being deleted; the stream stays.
    ExportDeleted,
    /// Retention took them.
    Expired,
}

/// One export's instance of an exporter; see [`Component::open`].
#[derive(Debug)]
pub struct Exporter {
    warm: Warm<ExporterProgram>,
}

impl Exporter {
    pub(crate) async fn open(
        component: Component,
        settings: ExporterSettings,
    ) -> Result<Self, RuntimeError> {
        let surroundings = Surroundings {
            label: settings.label,
            grants: settings.grants,
            limits: settings.limits,
            streams: Some(settings.streams),
        };
        let opening = Opening {
            stream_name: settings.stream_name,
            export_identifier: settings.export_identifier,
            config: settings.config.to_string(),
        };
        Ok(Self {
            warm: Warm::open(component, surroundings, opening, settings.remembered).await?,
        })
    }

    /// Delivers a batch: messages in order of their numbers, within the limits that the exporter
    /// describes. Returns those that were *not* delivered, and whether the work goes on.
    ///
    /// After a crash, a missed deadline, growth beyond the mark or a configuration that cannot work the
    /// instance is gone, and the next call makes a new one. Dropping the future has the same effect.
    ///
    /// # Errors
    ///
    /// Any variant of [`ExportFailure`]; nothing was delivered, as far as is known.
    pub async fn export(&mut self, batch: &[Message]) -> Result<Exported, ExportFailure> {
        if batch.is_empty() {
            return Ok(Exported::default());
        }
        self.export_as_it_is(batch).await
    }

    /// The same, and an empty batch is handed over too, which the contract rules out: for whoever
    /// wants to know whether an exporter survives a mistake of its host.
    ///
    /// # Errors
    ///
    /// As for [`Self::export`].
    pub async fn export_as_it_is(&mut self, batch: &[Message]) -> Result<Exported, ExportFailure> {
        let mut instance = self
            .warm
            .enter()
            .await
            .map_err(ExportFailure::not_started)?;
        let messages: Vec<_> = batch
            .iter()
            .map(|message| wit::Message {
                sequence_number: message.sequence_number,
                ingest_time: message.ingest_time,
                payload: &message.payload,
            })
            .collect();
        let call = instance
            .bindings
            .millstream_plugin_exporter()
            .call_export(&mut instance.store, &messages);
        let answer = self.warm.within(self.warm.call_deadline(), call).await?;
        let in_progress = instance.store.data_mut().work.take_progress();
        match self.warm.leave(instance, answer)? {
            Ok(undelivered) => Ok(Exported {
                undelivered: check(undelivered, batch.len())?,
                in_progress,
            }),
            Err(error) => {
                let failure = failure(error);
                if let ExportFailure::Misconfigured { .. } = failure {
                    // What the instance holds may be the reason, such as a folder that was deleted and made
                    // again: a new one opens what is there now.
                    self.warm.give_up();
                }
                Err(failure)
            }
        }
    }

    /// Tells the exporter of messages that it is not handed, if it wants to know: in order of their
    /// numbers, 200 at most. The call has ten seconds, or less if other calls have less.
    ///
    /// # Errors
    ///
    /// The exporter's own sentence, or what cut the call off.
    pub async fn cancel(
        &mut self,
        messages: &[Canceled],
        reason: CancelReason,
    ) -> Result<(), String> {
        if !self.warm.component().cancels() {
            return Ok(());
        }
        let answer = self.call_cancel(messages, reason).await;
        answer
            .map_err(|error| error.to_string())?
            .map_err(|sentence| clean(&sentence, MAX_TEXT))
    }

    async fn call_cancel(
        &mut self,
        messages: &[Canceled],
        reason: CancelReason,
    ) -> Result<Result<(), String>, RuntimeError> {
        let mut instance = self.warm.enter().await?;
        let program = self.warm.program();
        let Some(indices) = program.and_then(|program| program.canceling.clone()) else {
            return Ok(Ok(()));
        };
        let messages: Vec<_> = messages
            .iter()
            .map(|message| canceling::Canceled {
                sequence_number: message.sequence_number,
                payload: message.payload.as_deref(),
            })
            .collect();
        let reason = match reason {
            CancelReason::StreamDeleted => canceling::Reason::StreamDeleted,
            CancelReason::ExportDeleted => canceling::Reason::ExportDeleted,
            CancelReason::Expired => canceling::Reason::Expired,
        };
        let limit = self.warm.call_deadline().min(CANCEL_DEADLINE);
        let call = async {
            let guest = indices.load(&mut instance.store, &instance.whole)?;
            guest
                .call_cancel(&mut instance.store, &messages, reason)
                .await
        };
        let answer = self.warm.within(limit, call).await?;
        self.warm.leave(instance, answer)
    }

    /// Gives the memory of the instance back, and the native code with it if nobody else uses the
    /// component; the next call makes a new instance and loads what it needs. What the export remembers
    /// stays, connections that the instance holds end.
    pub fn rest(&mut self) {
        self.warm.rest();
    }

    /// The memory of the instance in bytes, all linear memories and tables together; none if there is
    /// no instance at this moment. It never shrinks while an instance lives.
    pub fn memory(&self) -> Option<u64> {
        self.warm.memory()
    }

    /// What the export remembers: it has to be kept with its place in the stream, and handed over when
    /// the export is opened again.
    pub fn remembered(&self) -> Option<&Arc<[u8]>> {
        self.warm.remembered()
    }

    /// What this export has sent and received over HTTP since it was opened.
    pub fn traffic(&self) -> Traffic {
        self.warm.traffic()
    }
}

impl World for ExporterProgram {
    const KIND: ComponentKind = ComponentKind::Exporter;
    type Bindings = ExporterPlugin;
    type Description = Description;

    fn of(program: &Program) -> Option<&Resident<Self>> {
        match program {
            Program::Exporter { program, .. } => Some(program),
            _ => None,
        }
    }

    fn linked(&self) -> &InstancePre<State> {
        &self.linked
    }

    fn load(&self, store: &mut Store<State>, whole: &Whole) -> wasmtime::Result<Self::Bindings> {
        self.exporter.load(store, whole)
    }

    async fn describe(
        bindings: &Self::Bindings,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Result<Self::Description, String>> {
        let guest = bindings.millstream_plugin_exporter();
        Ok(Description::parse(guest.call_describe(store).await?))
    }

    async fn open(
        bindings: &Self::Bindings,
        store: &mut Store<State>,
        opening: &Opening,
    ) -> wasmtime::Result<Result<(), Refused>> {
        let context = wit::ExportContext {
            stream_name: &opening.stream_name,
            export_identifier: &opening.export_identifier,
        };
        let guest = bindings.millstream_plugin_exporter();
        let answer = guest.call_open(store, context, &opening.config).await?;
        Ok(answer.map_err(|error| Refused {
            field: error.field,
            message: error.message,
        }))
    }
}

/// Checks that an answer speaks of messages of the batch, and of each at most once.
fn check(
    answer: Vec<wit::Undelivered>,
    messages: usize,
) -> Result<Vec<Undelivered>, ExportFailure> {
    let mut undelivered = Vec::with_capacity(answer.len().min(messages));
    for one in answer {
        let index = usize::try_from(one.index).unwrap_or(usize::MAX);
        if index >= messages {
            return Err(ExportFailure::Faulty {
                reason: format!("it speaks of message {index} of a batch of {messages}"),
            });
        }
        undelivered.push(Undelivered {
            index,
            disposition: match one.disposition {
                wit::Disposition::Retry => Disposition::Retry,
                wit::Disposition::Reject => Disposition::Reject,
            },
            reason: clean(&one.reason, MAX_TEXT),
        });
    }
    undelivered.sort_by_key(|one| one.index);
    if let Some([twice, _]) = undelivered
        .array_windows()
        .find(|[a, b]| a.index == b.index)
    {
        return Err(ExportFailure::Faulty {
            reason: format!("it speaks of message {} twice", twice.index),
        });
    }
    Ok(undelivered)
}

fn failure(error: wit::ExportError) -> ExportFailure {
    let reason = |text: String| clean(&text, MAX_TEXT);
    let pause = |ms: Option<u64>| ms.map(Duration::from_millis);
    match error {
        wit::ExportError::Unavailable(failure) => ExportFailure::Unavailable {
            reason: reason(failure.reason),
            retry_after: pause(failure.retry_after_ms),
        },
        wit::ExportError::Throttled(failure) => ExportFailure::Throttled {
            reason: reason(failure.reason),
            retry_after: pause(failure.retry_after_ms),
        },
        wit::ExportError::Denied(text) => ExportFailure::Denied {
            reason: reason(text),
        },
        wit::ExportError::Misconfigured(text) => ExportFailure::Misconfigured {
            reason: reason(text),
        },
    }
}

#[cfg(test)]
mod tests;
