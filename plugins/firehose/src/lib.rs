//! The exporter to Amazon Data Firehose.
//!
//! A message becomes one record of `PutRecordBatch`: its payload is the record's data, with a line end
//! behind it if the configuration asks for one. [`millstream_aws`] packs records into calls and settles
//! them; here stands what is Firehose's own:
//!
//! * `config` checks the configuration, so that nothing behind it has to;
//! * `records` makes records, calls the operation and reads what became of each.

mod config;
mod records;

use millstream_aws::Delivery;
use millstream_plugin::http::Network;
use millstream_plugin::{
    ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
    Wants, export_exporter,
};

use config::{Config, Settings};
use records::{MAX_CALL_BYTES, MAX_RECORD_BYTES, MAX_RECORDS, Records};

/// One export to one Firehose stream.
#[derive(Debug)]
pub struct Firehose {
    delivery: Delivery<Records<Network>>,
}

impl Exporter for Firehose {
    type Config = Config;

    fn describe() -> Description {
        Description {
            name: "firehose".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Exports to Amazon Data Firehose with PutRecordBatch.".to_owned(),
            config_schema: include_str!("config.schema.json").to_owned(),
            limits: Limits {
                max_messages: MAX_RECORDS,
                max_batch_bytes: MAX_CALL_BYTES,
                max_message_bytes: MAX_RECORD_BYTES,
            },
            wants: Wants {
                hosts: vec!["firehose.*.amazonaws.com".to_owned()],
                aws_services: vec!["firehose".to_owned()],
                ..Wants::default()
            },
        }
    }

    fn open(_context: ExportContext, config: Config) -> Result<Self, ConfigError> {
        let settings = Settings::try_from(config)?;
        Ok(Self {
            delivery: Delivery::new(Records::new(Network, &settings)?),
        })
    }

    fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        self.delivery.deliver(batch)
    }
}

export_exporter!(Firehose);
