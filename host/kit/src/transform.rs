//! The checks of transforms: what changes messages on their way to an exporter.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_runtime::{
    Limits, Message, RuntimeError, TransformDescription, TransformSettings, Transformed,
    Transformer,
};
use serde_json::{Value, json};

use crate::journal::{Event, Finding, Journal, Otherwise, fails, holds};
use crate::memory::{unrenewed, watch};
use crate::stage::Stage;
use crate::words::{count, quoted, time as spoken};
use crate::{configuration, refusals, schema};

/// Those that need a transform that is open, beside [`refusals::CHECKS`].
const BATCHES: [&str; 6] = [
    "one-message",
    "full-batch",
    "binary-payload",
    "repeated-batch",
    "memory",
    "time",
];
/// Messages of a full batch.
const FULL: u64 = 500;
/// Messages of each batch while the memory is watched.
const SMALL: u64 = 2;

/// A transform that can be opened.
struct Subject<'a> {
    stage: &'a Stage,
    description: TransformDescription,
    config: Value,
}

/// Puts a transform through all checks.
pub(crate) async fn run(stage: &Stage, journal: &mut Journal<'_>) {
    let Some(description) = journal.check("description", describe(stage)).await else {
        let why = "It has to describe itself first.";
        journal.leave_out(&["schema", "configuration"], why);
        journal.leave_out(&refusals::CHECKS, why);
        journal.leave_out(&BATCHES, why);
        return;
    };
    let well_formed = async { schema::finding(&description.config_schema) };
    journal.check("schema", well_formed).await;
    let opened = journal
        .check("configuration", configure(stage, &description))
        .await;
    let Some(config) = opened else {
        let why = "It has to take a configuration first.";
        journal.leave_out(&refusals::CHECKS, why);
        journal.leave_out(&BATCHES, why);
        return;
    };
    let subject = Subject {
        stage,
        description,
        config,
    };
    let try_to_open = async |config| {
        let opened = open(stage, &subject.description, config, stage.options.limits);
        opened.await.map(drop)
    };
    let schema = &subject.description.config_schema;
    refusals::run(journal, schema, &subject.config, try_to_open).await;
    journal.check("one-message", batch_of(&subject, 1)).await;
    journal.check("full-batch", batch_of(&subject, FULL)).await;
    journal.check("binary-payload", binary(&subject)).await;
    journal.check("repeated-batch", repeated(&subject)).await;
    let observer = journal.observer();
    journal.check("memory", memory(&subject, observer)).await;
    journal.check("time", time(&subject)).await;
}

async fn describe(stage: &Stage) -> Finding<TransformDescription> {
    let limits = stage.options.limits;
    let component = &stage.component;
    match (
        component.describe_transform(limits).await,
        component.describe_transform(limits).await,
    ) {
        (Ok(first), Ok(second)) if first != second => {
            fails("`describe` says something else when it is called again.")
        }
        (Ok(first), Ok(_)) if first.summary.trim().is_empty() => {
            fails("`summary` is empty; say in one sentence what it does to messages.")
        }
        (Ok(first), Ok(_)) => {
            let most = count(first.most_outputs.into(), "message");
            let sentence = format!("{} {}: at most {most} of one.", first.name, first.version);
            Ok((sentence, first))
        }
        (Err(error), _) | (_, Err(error)) => fails(error.to_string()),
    }
}

async fn configure(stage: &Stage, description: &TransformDescription) -> Finding<Value> {
    let sink = stage.sink.url();
    let config = match &stage.options.config {
        Some(given) => configuration::with_sink(&Value::Object(given.clone()), &sink),
        None => match configuration::from_schema(&description.config_schema, &sink) {
            Ok(made) => Value::Object(made),
            Err(unmade) => {
                return fails(format!(
                    "The kit cannot make a value for {}: pass a configuration with --with.",
                    unmade.join(", ")
                ));
            }
        },
    };
    match open(stage, description, config.clone(), stage.options.limits).await {
        Ok(_) => Ok((format!("It takes the configuration {config}."), config)),
        Err(error) => fails(format!(
            "It does not take the configuration {config}: {}. Pass one that it takes with --with, or say \
             more in the schema.",
            quoted(&error.to_string())
        )),
    }
}

async fn open(
    stage: &Stage,
    description: &TransformDescription,
    config: Value,
    limits: Limits,
) -> Result<Transformer, RuntimeError> {
    let settings = TransformSettings {
        label: format!("{} (kit)", stage.component.name()),
        stream_name: "kit".into(),
        export_identifier: "kit".into(),
        config,
        grants: stage.grants(),
        limits,
        streams: Arc::clone(&stage.streams) as _,
    };
    stage.component.open_transform(settings, description).await
}

impl Subject<'_> {
    async fn fresh(&self, limits: Limits) -> Result<Transformer, Otherwise> {
        let opened = open(self.stage, &self.description, self.config.clone(), limits);
        opened
            .await
            .map_err(|error| Otherwise::DoesNotHold(format!("Opened once more, {error}")))
    }

    fn messages(&self, first: u64, number: u64, least: usize) -> Vec<Message> {
        let text = |number: u64| match &self.stage.options.payload {
            Some(payload) => payload.replace("{{number}}", &number.to_string()),
            None => {
                let filler = "x".repeat(least);
                json!({ "number": number, "value": 21.5, "text": filler }).to_string()
            }
        };
        (first..first + number)
            .map(|sequence_number| Message {
                sequence_number,
                ingest_time: 1_767_225_600_000 + sequence_number,
                payload: text(sequence_number).into(),
            })
            .collect()
    }
}

/// What became of messages, in words.
fn told(transformed: &Transformed, messages: usize) -> String {
    let rejected = match transformed.rejected.first() {
        Some((_, reason)) => format!(
            ", {} rejected, the first because of {}",
            transformed.rejected.len(),
            quoted(reason)
        ),
        None => String::new(),
    };
    format!(
        "{} became {}{rejected}",
        count(messages as u64, "message"),
        transformed.outputs.len()
    )
}

/// A batch is transformed, and not all of it rejected.
async fn batch_of(subject: &Subject<'_>, number: u64) -> Finding {
    let mut transformer = subject.fresh(subject.stage.options.limits).await?;
    let batch = subject.messages(0, number, 0);
    match transformer.transform(&batch).await {
        Ok(transformed) if transformed.rejected.len() == batch.len() => fails(format!(
            "{}. If it takes messages of one form only, give such a message with --payload.",
            told(&transformed, batch.len())
        )),
        Ok(transformed) => holds(format!("{}.", told(&transformed, batch.len()))),
        Err(error) => fails(error.to_string()),
    }
}

/// Bytes that are no text are transformed or rejected, and crash nothing.
async fn binary(subject: &Subject<'_>) -> Finding {
    let mut transformer = subject.fresh(subject.stage.options.limits).await?;
    let mut batch = subject.messages(0, 3, 0);
    if let Some(message) = batch.get_mut(1) {
        message.payload = (0..=u8::MAX).collect::<Vec<_>>().into();
    }
    match transformer.transform(&batch).await {
        Ok(transformed) => holds(format!("{}.", told(&transformed, batch.len()))),
        Err(error) => fails(format!(
            "{error} A message that cannot be transformed is rejected, and its neighbours go on."
        )),
    }
}

/// The same batch becomes the same, in the same instance and in another.
async fn repeated(subject: &Subject<'_>) -> Finding {
    let limits = subject.stage.options.limits;
    let batch = subject.messages(7, 20, 0);
    let (mut one, mut other) = (subject.fresh(limits).await?, subject.fresh(limits).await?);
    let mut answers = Vec::with_capacity(3);
    for transformer in [&mut one, &mut other] {
        let answer = transformer.transform(&batch).await;
        answers.push(answer.map_err(|error| Otherwise::DoesNotHold(error.to_string()))?);
    }
    let again = one.transform(&batch).await;
    answers.push(again.map_err(|error| Otherwise::DoesNotHold(error.to_string()))?);
    if answers.windows(2).all(|pair| pair.first() == pair.last()) {
        return holds("The batch becomes the same each time.");
    }
    fails(
        "The same batch does not become the same. It may come again after a crash, and has to be the same \
         then: keep nothing from call to call, and take times from the messages.",
    )
}

/// The memory after many batches is that after a few.
async fn memory(subject: &Subject<'_>, observer: &dyn Fn(Event<'_>)) -> Finding {
    let options = &subject.stage.options;
    let mut transformer = subject.fresh(unrenewed(options.limits)).await?;
    watch(options, observer, async |number| {
        let batch = subject.messages(number * SMALL, SMALL, 0);
        match transformer.transform(&batch).await {
            Ok(_) => Ok(transformer.memory()),
            Err(error) => Err(Otherwise::DoesNotHold(format!(
                "Batch {}: {error}",
                number + 1
            ))),
        }
    })
    .await
}

async fn time(subject: &Subject<'_>) -> Finding {
    const CALLS: usize = 100;
    const WITHIN: Duration = Duration::from_secs(10);
    let mut transformer = subject.fresh(subject.stage.options.limits).await?;
    let batch = subject.messages(0, FULL, 1 << 10);
    let started = Instant::now();
    let mut times = Vec::with_capacity(CALLS);
    while times.len() < CALLS && started.elapsed() < WITHIN {
        let call = Instant::now();
        if let Err(error) = transformer.transform(&batch).await {
            return fails(error.to_string());
        }
        times.push(call.elapsed());
    }
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    holds(format!(
        "Median {}, over {} with {FULL} messages of 1 KiB.",
        spoken(median),
        count(times.len() as u64, "call")
    ))
}

#[cfg(test)]
mod tests;
