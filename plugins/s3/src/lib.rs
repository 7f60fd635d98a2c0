//! The executor of S3 tasks.
//!
//! A message is a task: it names a file of the device, a bucket and a key (specification 5.1). The file is
//! uploaded, and programs learn in a status stream what became of it (5.2). One task is in hand at a time,
//! in the order of the stream.
//!
//! The pieces, in the way a task takes:
//!
//! * `config` checks the configuration;
//! * `task` reads a message, with `file_url` for the file and `key` for the placeholders in the key, whose
//!   date patterns are Java's;
//! * `executor` carries it out in steps, and keeps in `memory` how far it is, so that an upload of hours
//!   goes on after a restart where it was;
//! * `source` reads the file and notices when it changes, `parts` cuts it;
//! * `service` says what is asked of S3, `client` asks it with the AWS SDK, and `refusal` tells from a
//!   failed call what is to be done about it;
//! * `status` writes the messages about tasks.
//!
//! The component reaches no file but those of the folders that the operator grants: the sandbox has no
//! others, and follows no link out of them. It holds no credentials: the host signs. It never retries by
//! itself: the host does, with pauses that the operator sees.

mod client;
mod config;
mod executor;
mod file_url;
mod key;
mod memory;
mod parts;
mod refusal;
mod service;
mod source;
mod status;
mod task;

use jiff::Timestamp;
use millstream_plugin::{
    CancelReason, Canceled, Canceling, ConfigError, Description, ExportContext, ExportError,
    Exporter, Limits, Message, Undelivered, Wants, export_canceling, export_exporter, streams,
    work,
};

use client::Client;
use config::{Config, Settings};
use executor::{Executor, Host};

/// One export whose messages are S3 tasks.
#[derive(Debug)]
pub struct S3 {
    executor: Executor<Client, PluginHost>,
}

impl Exporter for S3 {
    type Config = Config;

    fn describe() -> Description {
        Description {
            name: "s3".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Uploads files to Amazon S3, as the tasks of a stream say.".to_owned(),
            config_schema: include_str!("config.schema.json").to_owned(),
            limits: Limits {
                // A task is worked on in many calls, which get the same messages each time.
                max_messages: 1,
                // Far more than a task has: one that is too large shall be told of in the status stream.
                max_batch_bytes: 1 << 20,
                max_message_bytes: 1 << 20,
            },
            wants: Wants {
                hosts: vec![
                    "*.s3.*.amazonaws.com".to_owned(),
                    "s3.*.amazonaws.com".to_owned(),
                ],
                aws_services: vec!["s3".to_owned()],
                ..Wants::default()
            },
        }
    }

    fn open(context: ExportContext, config: Config) -> Result<Self, ConfigError> {
        let settings = Settings::try_from(config)?;
        let client = Client::new(&settings).map_err(ConfigError::whole)?;
        Ok(Self {
            executor: Executor::new(client, PluginHost, settings, context),
        })
    }

    fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        let Some(message) = batch.first() else {
            return Ok(Vec::new());
        };
        let mut undelivered = self.executor.carry_out(message)?;
        // The host keeps to the limit of one; a batch of more would go on with its second.
        undelivered
            .extend((1..batch.len()).map(|index| Undelivered::retry(index, "It comes later.")));
        Ok(undelivered)
    }
}

impl Canceling for S3 {
    fn cancel(&mut self, messages: Vec<Canceled>, reason: CancelReason) -> Result<(), String> {
        self.executor.cancel(&messages, reason);
        Ok(())
    }
}

/// The host of this component.
#[derive(Debug)]
struct PluginHost;

impl Host for PluginHost {
    fn recall(&mut self) -> Option<Vec<u8>> {
        work::recall()
    }

    fn remember(&mut self, bytes: Option<&[u8]>) -> Result<(), String> {
        work::remember(bytes)
    }

    fn in_progress(&mut self, text: &str) {
        work::in_progress(text);
    }

    fn append(&mut self, stream: &str, messages: &[Vec<u8>]) -> Result<(), String> {
        streams::append(stream, messages)
            .map(|_| ())
            .map_err(|error| streams::explain(&error))
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

export_exporter!(S3);
export_canceling!(S3);
