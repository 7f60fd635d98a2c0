//! Transforms, which change batches between a stream and an exporter.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::Store;
use wasmtime::component::{Instance as Whole, InstancePre};

use crate::component::{Component, ComponentKind};
use crate::contract::transform as wit;
use crate::description::TransformDescription;
use crate::error::RuntimeError;
use crate::grants::Grants;
use crate::guest::MAX_TEXT;
use crate::instance::{Opening, Refused, Surroundings, Warm, World};
use crate::limits::Limits;
use crate::log::clean;
use crate::program::{Program, Resident, TransformProgram};
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
#[derive(Debug)]
pub struct Transformer {
    warm: Warm<TransformProgram>,
    most_outputs: u32,
}

impl Transformer {
    pub(crate) async fn open(
        component: Component,
        settings: TransformSettings,
        most_outputs: u32,
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
            warm: Warm::open(component, surroundings, opening, None).await?,
            most_outputs,
        })
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
        let mut instance = self.warm.enter().await?;
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
            .millstream_plugin_transformer()
            .call_transform(&mut instance.store, &messages);
        let answer = self.warm.within(self.warm.call_deadline(), call).await?;
        let answer = self.warm.leave(instance, answer)?;
        let (component, most) = (self.warm.label().to_owned(), self.most_outputs);
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
        self.warm.memory()
    }

    /// Gives the memory of the instance back, and the native code with it if nobody else uses the
    /// component; the next call makes a new instance and loads what it needs.
    pub fn rest(&mut self) {
        self.warm.rest();
    }
}

impl World for TransformProgram {
    const KIND: ComponentKind = ComponentKind::Transform;
    type Bindings = wit::TransformPlugin;
    type Description = TransformDescription;

    fn of(program: &Program) -> Option<&Resident<Self>> {
        match program {
            Program::Transform(program) => Some(program),
            _ => None,
        }
    }

    fn linked(&self) -> &InstancePre<State> {
        &self.linked
    }

    fn load(&self, store: &mut Store<State>, whole: &Whole) -> wasmtime::Result<Self::Bindings> {
        self.transformer.load(store, whole)
    }

    async fn describe(
        bindings: &Self::Bindings,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Result<Self::Description, String>> {
        let guest = bindings.millstream_plugin_transformer();
        Ok(TransformDescription::parse(
            guest.call_describe(store).await?,
        ))
    }

    async fn open(
        bindings: &Self::Bindings,
        store: &mut Store<State>,
        opening: &Opening,
    ) -> wasmtime::Result<Result<(), Refused>> {
        let context = wit::TransformContext {
            stream_name: &opening.stream_name,
            export_identifier: &opening.export_identifier,
        };
        let guest = bindings.millstream_plugin_transformer();
        let answer = guest.call_open(store, context, &opening.config).await?;
        Ok(answer.map_err(|error| Refused {
            field: error.field,
            message: error.message,
        }))
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
