//! A warm instance of a transform: between a stream and an exporter.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use wasmtime::Store;

use crate::component::Component;
use crate::contract::transform as wit;
use crate::deadline::Waits;
use crate::error::RuntimeError;
use crate::grants::Grants;
use crate::guest::{MAX_TEXT, bounded, fault};
use crate::http::TrafficCounter;
use crate::limits::Limits;
use crate::log::{PluginLog, clean};
use crate::program::TransformProgram;
use crate::sandbox::Sandbox;
use crate::state::State;
use crate::streams::{Message, StreamAccess};

/// Everything a transform needs for one export of one stream.
pub struct TransformSettings {
    /// Its name in the log, such as `stream/export (transform)`.
    pub label: String,
    /// The stream whose messages come.
    pub stream_name: String,
    /// The export's identifier, unique in its stream.
    pub export_identifier: String,
    /// The configuration, a JSON object.
    pub config: serde_json::Value,
    /// What the transform may reach.
    pub grants: Grants,
    /// What it may take.
    pub limits: Limits,
    /// The streams behind the grants.
    pub streams: Arc<dyn StreamAccess>,
}

/// A message that a transform has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformOutput {
    /// The places in the batch of the messages it comes from, ascending; at least one, each within the
    /// batch.
    pub sources: Vec<usize>,
    /// At least one byte.
    pub payload: Bytes,
}

/// What became of a batch. No message is both a source and rejected; the outputs are in order of their last
/// sources, and of one last source there are no more than the transform describes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transformed {
    /// What goes on.
    pub outputs: Vec<TransformOutput>,
    /// The messages that can never be transformed: their places and the transform's reasons, at most
    /// 1 KiB each.
    pub rejected: Vec<(usize, String)>,
}

/// One export's instance of a transform; see [`Component::open_transform`].
pub struct Transformer {
    component: Component,
    /// None at rest.
    program: Option<Arc<TransformProgram>>,
    sandbox: Sandbox,
    context: (String, String),
    config: String,
    most_outputs: u32,
    instance: Option<Instance>,
    // Never sent to: a transform is stopped by dropping it.
    _stop: watch::Sender<bool>,
}

struct Instance {
    store: Store<State>,
    bindings: wit::TransformPlugin,
}

impl Transformer {
    pub(crate) async fn open(
        component: Component,
        settings: TransformSettings,
        most_outputs: u32,
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
        let mut transformer = Self {
            component,
            program: None,
            sandbox,
            context: (settings.stream_name, settings.export_identifier),
            config: settings.config.to_string(),
            most_outputs,
            instance: None,
            _stop: stop_sender,
        };
        transformer.instance = Some(transformer.start().await?);
        Ok(transformer)
    }

    /// The most outputs that have the same last source.
    pub fn most_outputs(&self) -> u32 {
        self.most_outputs
    }

    /// Transforms a batch: messages in order of their numbers.
    ///
    /// After a crash, a missed deadline or growth beyond the mark the instance is gone, and the next
    /// call makes a new one. Dropping the future has the same effect.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Transform`] with the transform's own sentence, [`RuntimeError::Answer`] if its
    /// answer breaks the contract, the errors of a call (`Trapped`, `TimedOut`, `OutOfMemory`), and those
    /// of [`Component::open_transform`] where a new instance was needed.
    pub async fn transform(&mut self, batch: &[Message]) -> Result<Transformed, RuntimeError> {
        if batch.is_empty() {
            return Ok(Transformed::default());
        }
        // Taken out, so that an instance whose call is cut short is never entered again.
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.start().await?,
        };
        let messages: Vec<_> = batch
            .iter()
            .map(|message| wit::Message {
                sequence_number: message.sequence_number,
                ingest_time: message.ingest_time,
                payload: &message.payload,
            })
            .collect();
        let store = &mut instance.store;
        store.data_mut().limiter.take_refused();
        let call = instance
            .bindings
            .millstream_plugin_transformer()
            .call_transform(&mut *store, &messages);
        let label = self.sandbox.log.label();
        let answer = bounded(self.component.runtime(), &self.sandbox, call)
            .await?
            .map_err(|error| fault(store, label, &error))?;
        if store.data().limiter.used() <= self.sandbox.limits.recycle_above {
            self.instance = Some(instance);
        }
        let (component, most) = (label.to_owned(), self.most_outputs);
        match answer {
            Ok(transformed) => check(transformed, batch.len(), most)
                .map_err(|reason| RuntimeError::Answer { component, reason }),
            Err(reason) => Err(RuntimeError::Transform {
                component,
                reason: clean(&reason, MAX_TEXT),
            }),
        }
    }

    /// The memory of the instance in bytes, all linear memories and tables together; none if there is
    /// no instance at this moment. It never shrinks while an instance lives.
    pub fn memory(&self) -> Option<u64> {
        let instance = self.instance.as_ref()?;
        Some(instance.store.data().limiter.used())
    }

    /// Gives the memory of the instance back, and the native code with it if nobody else uses the
    /// component; the next call makes a new instance and loads what it needs.
    pub fn rest(&mut self) {
        self.instance = None;
        self.program = None;
    }

    /// Instantiates the component and opens it.
    async fn start(&mut self) -> Result<Instance, RuntimeError> {
        let program = match &self.program {
            Some(program) => Arc::clone(program),
            None => self.component.transform().await?,
        };
        self.program = Some(Arc::clone(&program));
        let runtime = self.component.runtime();
        let label = self.sandbox.log.label();
        let mut store = self.sandbox.store(runtime, None).await?;
        let started = bounded(runtime, &self.sandbox, async {
            let whole = program.linked.instantiate_async(&mut store).await?;
            let bindings = program.transformer.load(&mut store, &whole)?;
            let context = wit::TransformContext {
                stream_name: &self.context.0,
                export_identifier: &self.context.1,
            };
            let answer = bindings
                .millstream_plugin_transformer()
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
}

impl fmt::Debug for Transformer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transformer")
            .field("label", &self.sandbox.log.label())
            .finish_non_exhaustive()
    }
}

/// Holds an answer to the contract (`wit/transform.wit`); the error says what breaks it.
fn check(answer: wit::Transformed, messages: usize, most: u32) -> Result<Transformed, String> {
    let place = |index: u32| match usize::try_from(index) {
        Ok(index) if index < messages => Ok(index),
        _ => Err(format!(
            "it speaks of message {index} of a batch of {messages}"
        )),
    };
    let mut is_rejected = vec![false; messages];
    let mut rejected = Vec::with_capacity(answer.rejected.len().min(messages));
    for one in answer.rejected {
        let index = place(one.index)?;
        match is_rejected.get_mut(index) {
            Some(is) if !*is => *is = true,
            _ => return Err(format!("it rejects message {index} twice")),
        }
        rejected.push((index, clean(&one.reason, MAX_TEXT)));
    }
    let mut outputs: Vec<TransformOutput> = Vec::with_capacity(answer.outputs.len());
    let (mut last_before, mut of_the_same) = (0, 0);
    for output in answer.outputs {
        if output.payload.is_empty() {
            return Err("it makes a message without a byte".into());
        }
        let sources = output
            .sources
            .into_iter()
            .map(place)
            .collect::<Result<Vec<_>, _>>()?;
        if !sources.is_sorted_by(|a, b| a < b) {
            return Err("the sources of an output are not in order".into());
        }
        let Some(&last) = sources.last() else {
            return Err("an output has no source".into());
        };
        if let Some(both) = sources
            .iter()
            .find(|it| is_rejected.get(**it) == Some(&true))
        {
            return Err(format!("it rejects message {both} and makes another of it"));
        }
        if last < last_before {
            return Err("the outputs are not in order of their last sources".into());
        }
        of_the_same = if last == last_before {
            of_the_same + 1
        } else {
            1
        };
        last_before = last;
        if of_the_same > most {
            return Err(format!(
                "it makes more of message {last} than the {most} messages that it describes"
            ));
        }
        outputs.push(TransformOutput {
            sources,
            payload: output.payload.into(),
        });
    }
    Ok(Transformed { outputs, rejected })
}

#[cfg(test)]
mod tests;
