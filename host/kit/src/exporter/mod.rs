//! The checks of exporters, in the order in which one builds on the other.

mod batches;
mod delivery;
mod description;
mod destination;
mod endurance;

use millstream_runtime::Description;
use serde_json::Value;

use crate::journal::{Finding, Journal, fails};
use crate::stage::Stage;
use crate::{configuration, refusals, schema, words};

/// Those that need a configuration, beside [`refusals::CHECKS`].
const WITH_CONFIGURATION: [&str; 2] = ["empty-batch", "one-message"];
/// Those that need an exporter that delivers.
const WITH_DELIVERY: [&str; 12] = [
    "full-batch",
    "largest-message",
    "binary-payload",
    "repeated-batch",
    "slow-destination",
    "silent-destination",
    "status-500",
    "status-503",
    "closed-connection",
    "garbage-answer",
    "memory",
    "time",
];

/// An exporter that can be opened.
pub(crate) struct Subject<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) description: Description,
    pub(crate) config: Value,
}

/// Puts an exporter through all checks.
pub(crate) async fn run(stage: &Stage, journal: &mut Journal<'_>) {
    let Some(description) = journal
        .check("description", description::describe(stage))
        .await
    else {
        let why = "It has to describe itself first.";
        journal.leave_out(&["schema", "configuration"], why);
        journal.leave_out(&refusals::CHECKS, why);
        journal.leave_out(&WITH_CONFIGURATION, why);
        journal.leave_out(&WITH_DELIVERY, why);
        return;
    };
    let well_formed = async { schema::finding(&description.config_schema) };
    journal.check("schema", well_formed).await;
    let opened = journal
        .check("configuration", open(stage, &description))
        .await;
    let Some(config) = opened else {
        let why = "It has to take a configuration first.";
        journal.leave_out(&refusals::CHECKS, why);
        journal.leave_out(&WITH_CONFIGURATION, why);
        journal.leave_out(&WITH_DELIVERY, why);
        return;
    };
    let subject = Subject {
        stage,
        description,
        config,
    };
    let try_to_open = async |config| {
        let opened = stage.open(&subject.description, config, stage.options.limits);
        opened.await.map(drop)
    };
    let schema = &subject.description.config_schema;
    refusals::run(journal, schema, &subject.config, try_to_open).await;
    journal.check("empty-batch", batches::empty(&subject)).await;
    let delivered = journal
        .check("one-message", batches::one_message(&subject))
        .await;
    let Some(uses_sink) = delivered else {
        journal.leave_out(&WITH_DELIVERY, "It has to deliver one message first.");
        return;
    };
    journal.check("full-batch", batches::full(&subject)).await;
    journal
        .check("largest-message", batches::largest_message(&subject))
        .await;
    journal
        .check("binary-payload", batches::binary_payload(&subject))
        .await;
    journal
        .check("repeated-batch", batches::repeated(&subject))
        .await;
    if uses_sink {
        destination::run(&subject, journal).await;
    } else {
        let why =
            "It does not send to the kit's HTTP server, so the kit cannot disturb its destination.";
        journal.leave_out(&destination::CHECKS, why);
    }
    let observer = journal.observer();
    journal
        .check("memory", endurance::memory(&subject, observer))
        .await;
    journal.check("time", endurance::time(&subject)).await;
}

/// Finds a configuration and opens the exporter with it.
async fn open(stage: &Stage, description: &Description) -> Finding<Value> {
    let sink = stage.sink.url();
    let (config, origin) = match &stage.options.config {
        Some(given) => {
            let given = Value::Object(given.clone());
            (configuration::with_sink(&given, &sink), "given")
        }
        None => match configuration::from_schema(&description.config_schema, &sink) {
            Ok(made) => (Value::Object(made), "made from the schema"),
            Err(unmade) => {
                return fails(format!(
                    "The kit cannot make a value for {}: pass a configuration, as in --with '{{\"{}\": …}}', \
                     where {{{{sink}}}} stands for the kit's HTTP server.",
                    unmade.join(", "),
                    unmade.first().map_or("key", String::as_str)
                ));
            }
        },
    };
    match stage
        .open(description, config.clone(), stage.options.limits)
        .await
    {
        Ok(_) => Ok((
            format!("It takes the configuration {origin}: {config}."),
            config,
        )),
        Err(error) => fails(format!(
            "It does not take the configuration {origin}, {config}: {}. Pass one that it takes with --with, \
             or say more in the schema.",
            words::quoted(&error.to_string())
        )),
    }
}

#[cfg(test)]
mod tests;
