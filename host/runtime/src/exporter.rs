//! A warm instance of an exporter.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use wasmtime::Store;

use crate::component::Component;
use crate::contract::exports::millstream::plugin::exporter as wit;
use crate::contract::{ExporterPlugin, ExporterPluginPre};
use crate::deadline::Waits;
use crate::error::{ExportFailure, RuntimeError};
use crate::grants::Grants;
use crate::guest::{MAX_TEXT, bounded, fault};
use crate::http::{Traffic, TrafficCounter};
use crate::limits::Limits;
use crate::log::{PluginLog, clean};
use crate::sandbox::{MAX_RESOURCES, Sandbox};
use crate::state::State;
use crate::streams::{Message, StreamAccess};

/// An instance that holds more resources than this after a call is made anew: guests' libraries leave
/// some behind (a request with time limits of its own leaves one), and one that runs out of them
/// crashes in the middle of a call.
const RECYCLE_RESOURCES: usize = MAX_RESOURCES / 2;

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

/// One export's instance of an exporter; see [`Component::open`].
pub struct Exporter {
    component: Component,
    program: ExporterPluginPre<State>,
    sandbox: Sandbox,
    context: (String, String),
    config: String,
    instance: Option<Instance>,
    // Never sent to: an exporter is stopped by dropping it.
    _stop: watch::Sender<bool>,
}

struct Instance {
    store: Store<State>,
    bindings: ExporterPlugin,
}

impl Exporter {
    pub(crate) async fn open(
        component: Component,
        program: ExporterPluginPre<State>,
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
            program,
            sandbox,
            context: (settings.stream_name, settings.export_identifier),
            config: settings.config.to_string(),
            instance: None,
            _stop: stop_sender,
        };
        exporter.instance = Some(exporter.start().await?);
        Ok(exporter)
    }

    /// Delivers a batch: messages in order of their numbers, within the limits that the exporter
    /// describes. Returns those that were *not* delivered, in order of their index.
    ///
    /// After a crash, a missed deadline or growth beyond the mark the instance is gone, and the next
    /// call makes a new one. Dropping the future has the same effect.
    ///
    /// # Errors
    ///
    /// Any variant of [`ExportFailure`]; nothing was delivered, as far as is known.
    pub async fn export(&mut self, batch: &[Message]) -> Result<Vec<Undelivered>, ExportFailure> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        // Taken out, so that an instance whose call is cut short is never entered again.
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.start().await.map_err(ExportFailure::not_started)?,
        };
        let answer = self.deliver(&mut instance, batch).await?;
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
        match answer {
            Ok(undelivered) => check(undelivered, batch.len()),
            Err(error) => Err(failure(error)),
        }
    }

    /// What this export has sent and received over HTTP since it was opened.
    pub fn traffic(&self) -> Traffic {
        self.sandbox.traffic.snapshot()
    }

    /// Instantiates the component and opens it.
    async fn start(&mut self) -> Result<Instance, RuntimeError> {
        let runtime = self.component.runtime();
        let label = self.sandbox.log.label();
        let mut store = self.sandbox.store(runtime, None).await?;
        let started = bounded(runtime, &self.sandbox, async {
            let bindings = self.program.instantiate_async(&mut store).await?;
            let context = wit::ExportContext {
                stream_name: &self.context.0,
                export_identifier: &self.context.1,
            };
            let answer = bindings
                .millstream_plugin_exporter()
                .call_open(&mut store, context, &self.config)
                .await?;
            Ok((bindings, answer))
        });
        match started.await? {
            Ok((bindings, Ok(()))) => Ok(Instance { store, bindings }),
            Ok((_, Err(error))) => Err(RuntimeError::Config {
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
        let Instance { store, bindings } = instance;
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
