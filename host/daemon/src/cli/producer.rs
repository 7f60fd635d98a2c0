//! `millstream producer`

use clap::Subcommand;

use super::{Failed, output};
use crate::config::Config;
use crate::http::socket;
use crate::producers::{ProducerState, ProducerStatus};

/// Producers of a running host: the components that make messages.
#[derive(Debug, Subcommand)]
pub(super) enum ProducerCommand {
    /// All producers, in the order in which they are started: how often they were, what they have
    /// appended, and why they fail if they do
    List {
        /// Print JSON, one line a producer
        #[arg(long)]
        json: bool,
    },
}

impl ProducerCommand {
    pub(super) async fn run(&self, config: &Config) -> Result<(), Failed> {
        let Self::List { json } = self;
        let status = socket::ask(&config.path(&config.storage.folder)).await?;
        for producer in &status.producers {
            if *json {
                let value = serde_json::to_value(producer);
                output::json(&value.map_err(|error| error.to_string())?);
            } else {
                print_producer("", producer);
            }
        }
        Ok(())
    }
}

/// Shows a producer behind an indent.
pub(super) fn print_producer(indent: &str, producer: &ProducerStatus) {
    let state = match producer.state {
        ProducerState::Starting => "starting",
        ProducerState::Running => "running",
        ProducerState::Pausing => "has ended, will be started again",
        ProducerState::Finished => "finished",
        ProducerState::Failed => "failed",
        ProducerState::GivenUp => "given up: it was started again as often as restart-limit allows",
    };
    let (name, component) = (&producer.name, &producer.component);
    let work = match &producer.path {
        Some(path) => {
            let (requests, failed) = (producer.requests, producer.failed_requests);
            format!("{path}: {requests} requests, {failed} of them failed")
        }
        None => format!("{} runs", producer.runs),
    };
    output::line(format!("{indent}{name} ({component})  {state}"));
    let (messages, refused) = (producer.messages, producer.refused_appends);
    let refused = match refused {
        0 => String::new(),
        refused => format!("; a full stream refused {refused} appends"),
    };
    output::line(format!("{indent}  {work}; {messages} messages{refused}"));
    if !producer.error_message.is_empty() {
        let error = output::beginning(&producer.error_message, 1000);
        output::line(format!("{indent}  last failure: {error}"));
    }
}
