//! The exporter to Amazon CloudWatch Logs.
//!
//! A message becomes one log event of `PutLogEvents`: the time when the host took it, and its payload as
//! text. [`millstream_aws`] packs events into calls and settles them; here stands what is the service's
//! own:
//!
//! * `config` checks the configuration, so that nothing behind it has to;
//! * `event` makes an event of a message;
//! * `events` calls the operation, creates the log stream where it is missing, and reads which events
//!   the service did not take.

mod config;
mod event;
mod events;

use millstream_aws::Delivery;
use millstream_plugin::http::Network;
use millstream_plugin::{
    ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
    Wants, export_exporter,
};

use config::{Config, Settings};
use event::{EVENT_BYTES, MAX_CALL_BYTES};
use events::{Events, MAX_EVENTS};

/// One export to one log stream.
#[derive(Debug)]
pub struct CloudWatchLogs {
    delivery: Delivery<Events<Network>>,
}

impl Exporter for CloudWatchLogs {
    type Config = Config;

    fn describe() -> Description {
        Description {
            name: "cloudwatch-logs".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Exports to Amazon CloudWatch Logs with PutLogEvents.".to_owned(),
            config_schema: include_str!("config.schema.json").to_owned(),
            limits: Limits {
                max_messages: MAX_EVENTS,
                max_batch_bytes: MAX_CALL_BYTES,
                max_message_bytes: MAX_CALL_BYTES - EVENT_BYTES,
            },
            wants: Wants {
                hosts: vec!["logs.*.amazonaws.com".to_owned()],
                aws_services: vec!["logs".to_owned()],
                ..Wants::default()
            },
        }
    }

    fn open(context: ExportContext, config: Config) -> Result<Self, ConfigError> {
        let settings = Settings::new(&context, config)?;
        Ok(Self {
            delivery: Delivery::new(Events::new(Network, settings)?),
        })
    }

    fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        self.delivery.deliver(batch)
    }
}

export_exporter!(CloudWatchLogs);
