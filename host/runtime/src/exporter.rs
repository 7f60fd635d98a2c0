//! A warm instance of an exporter.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use wasmtime::Store;

use crate::component::Component;
use crate::contract::exports::millstream::plugin::exporter as wit;
use crate::contract::{ExporterPlugin, canceling};
use crate::deadline::Waits;
use crate::error::{ExportFailure, RuntimeError};
use crate::grants::Grants;
use crate::guest::{MAX_TEXT, bounded, bounded_by, fault};
use crate::http::{Traffic, TrafficCounter};
use crate::limits::Limits;
use crate::log::{PluginLog, clean};
use crate::program::ExporterProgram;
use crate::sandbox::{MAX_RESOURCES, Sandbox};
use crate::state::State;
use crate::streams::{Message, StreamAccess};
use crate::work::Remembered;

/// An instance that holds more resources than this after a call is made anew: guests' libraries leave
/// some behind (a request with time limits of its own leaves one), and one that runs out of them
/// crashes in the middle of a call.
const RECYCLE_RESOURCES: usize = MAX_RESOURCES / 2;

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
pub struct Exporter {
    component: Component,
    /// None at rest.
    program: Option<Arc<ExporterProgram>>,
    sandbox: Sandbox,
    context: (String, String),
    config: String,
    remembered: Remembered,
    instance: Option<Instance>,
    // Never sent to: an exporter is stopped by dropping it.
    _stop: watch::Sender<bool>,
}

struct Instance {
    store: Store<State>,
    whole: wasmtime::component::Instance,
    bindings: ExporterPlugin,
}

impl Exporter {
    pub(crate) async fn open(
        component: Component,
        settings: ExporterSettings,
    ) -> Result<Self, RuntimeError> {
        let (stop_sender, stop) = watch::channel(false);
        let sandbox = Sandbox {
            plugin: component.name().to_owned(),
            log: PluginLog::new(settings.label),
            grants: Arc::new(settings.grants),
            limits: settings.limits,
            args: Vec::new(),
            env: Vec::new(),
            streams: Some(settings.streams),
            stop,
            traffic: TrafficCounter::within(component.runtime().http().total()),
            waits: Waits::new(),
        };
        let mut exporter = Self {
            component,
            program: None,
            sandbox,
            context: (settings.stream_name, settings.export_identifier),
            config: settings.config.to_string(),
            remembered: settings.remembered,
            instance: None,
            _stop: stop_sender,
        };
        exporter.instance = Some(exporter.start().await?);
        Ok(exporter)
    }

    /// Delivers a batch: messages in order of their numbers, within the limits that the exporter
    /// describes. Returns those that were *not* delivered, and whether the work goes on.
    ///
    /// After a crash, a missed deadline or growth beyond the mark the instance is gone, and the next
    /// call makes a new one. Dropping the future has the same effect.
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
        // Taken out, so that an instance whose call is cut short is never entered again.
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.start().await.map_err(ExportFailure::not_started)?,
        };
        let answer = self.deliver(&mut instance, batch).await?;
        let in_progress = instance.store.data_mut().work.take_progress();
        self.keep(instance);
        match answer {
            Ok(undelivered) => Ok(Exported {
                undelivered: check(undelivered, batch.len())?,
                in_progress,
            }),
            Err(error) => Err(failure(error)),
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
        if !self.component.cancels() {
            return Ok(());
        }
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.start().await.map_err(|error| error.to_string())?,
        };
        let program = self.program.as_ref();
        let Some(indices) = program.and_then(|program| program.canceling.clone()) else {
            return Ok(());
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
        let store = &mut instance.store;
        store.data_mut().work.begin(self.remembered.clone());
        let limit = self.sandbox.limits.call_deadline.min(CANCEL_DEADLINE);
        let call = async {
            let guest = indices.load(&mut *store, &instance.whole)?;
            guest.call_cancel(&mut *store, &messages, reason).await
        };
        let answer = bounded_by(limit, self.component.runtime(), &self.sandbox, call)
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| fault(store, self.sandbox.log.label(), &error).to_string())?;
        self.keep(instance);
        answer.map_err(|sentence| clean(&sentence, MAX_TEXT))
    }

    /// Gives the memory of the instance back, and the native code with it if nobody else uses the
    /// component; the next call makes a new instance and loads what it needs. What the export remembers
    /// stays, connections that the instance holds end.
    pub fn rest(&mut self) {
        self.instance = None;
        self.program = None;
    }

    /// The memory of the instance in bytes, all linear memories and tables together; none if there is
    /// no instance at this moment. It never shrinks while an instance lives.
    pub fn memory(&self) -> Option<u64> {
        let instance = self.instance.as_ref()?;
        Some(instance.store.data().limiter.used())
    }

    /// What the export remembers: it has to be kept with its place in the stream, and handed over when
    /// the export is opened again.
    pub fn remembered(&self) -> Option<&Arc<[u8]>> {
        self.remembered.as_ref()
    }

    /// A call has returned: takes over what it leaves, and keeps the instance for the next one, unless
    /// it has grown too much.
    fn keep(&mut self, mut instance: Instance) {
        self.remembered = instance.store.data().work.remembered();
        let memory = instance.store.data().limiter.used();
        let resources = instance.store.data_mut().resources();
        if memory <= self.sandbox.limits.recycle_above && resources <= RECYCLE_RESOURCES {
            self.instance = Some(instance);
        } else {
            tracing::debug!(
                plugin = self.sandbox.log.label(),
                memory,
                resources,
                "the instance has grown beyond its mark and is made anew"
            );
        }
    }

    /// What this export has sent and received over HTTP since it was opened.
    pub fn traffic(&self) -> Traffic {
        self.sandbox.traffic.snapshot()
    }

    /// Instantiates the component and opens it.
    async fn start(&mut self) -> Result<Instance, RuntimeError> {
        let program = match &self.program {
            Some(program) => Arc::clone(program),
            None => self.component.exporter().await?,
        };
        self.program = Some(Arc::clone(&program));
        let runtime = self.component.runtime();
        let label = self.sandbox.log.label();
        let mut store = self.sandbox.store(runtime, None).await?;
        let started = bounded(runtime, &self.sandbox, async {
            let whole = program.linked.instantiate_async(&mut store).await?;
            let bindings = program.exporter.load(&mut store, &whole)?;
            store.data_mut().work.begin(self.remembered.clone());
            let context = wit::ExportContext {
                stream_name: &self.context.0,
                export_identifier: &self.context.1,
            };
            let answer = bindings
                .millstream_plugin_exporter()
                .call_open(&mut store, context, &self.config)
                .await?;
            Ok((whole, bindings, answer))
        });
        match started.await? {
            Ok((whole, bindings, Ok(()))) => Ok(Instance {
                store,
                whole,
                bindings,
            }),
            Ok((_, _, Err(error))) => Err(RuntimeError::Config {
                component: label.into(),
                field: error.field.map(|field| clean(&field, MAX_TEXT)),
                message: clean(&error.message, MAX_TEXT),
            }),
            Err(error) => Err(fault(&mut store, label, &error)),
        }
    }

    async fn deliver(
        &mut self,
        instance: &mut Instance,
        batch: &[Message],
    ) -> Result<Result<Vec<wit::Undelivered>, wit::ExportError>, RuntimeError> {
        let Instance {
            store, bindings, ..
        } = instance;
        let label = self.sandbox.log.label();
        let messages: Vec<_> = batch
            .iter()
            .map(|message| wit::Message {
                sequence_number: message.sequence_number,
                ingest_time: message.ingest_time,
                payload: &message.payload,
            })
            .collect();
        store.data_mut().limiter.take_refused();
        store.data_mut().work.begin(self.remembered.clone());
        let call = bindings
            .millstream_plugin_exporter()
            .call_export(&mut *store, &messages);
        bounded(self.component.runtime(), &self.sandbox, call)
            .await?
            .map_err(|error| fault(store, label, &error))
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter")
            .field("label", &self.sandbox.log.label())
            .finish_non_exhaustive()
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
