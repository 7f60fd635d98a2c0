//! The exporter to Amazon Kinesis Data Streams.
//!
//! A message becomes one record: its payload is the record's data, nothing added. Records go out with
//! `PutRecords`, as many a call as the service and the configuration allow, in the order of the
//! stream; with random partition keys, the default, they spread over the shards, and Kinesis keeps
//! the order within a shard only.
//!
//! The pieces, in the way a batch takes:
//!
//! * `config` checks the configuration, so that nothing behind it has to;
//! * `partition_key` gives each message its key;
//! * `records` makes records, which [`millstream_aws`] packs into calls and settles by the answers;
//! * `client` makes the call with the AWS SDK;
//! * `refusal` tells from a failed call what the host is to do about it.
//!
//! The component holds no credentials. The SDK sends its requests unsigned, with a header that asks
//! the host to sign them. It never retries by itself either: the host does, with pauses that the
//! operator sees.

mod client;
mod config;
mod partition_key;
mod records;
mod refusal;

use millstream_aws::Delivery;
use millstream_plugin::{
    ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
    Wants, export_exporter,
};

use client::Client;
use config::{Config, MAX_CALL_BYTES, MAX_RECORD_BYTES, Settings};
use partition_key::MIN_KEY_BYTES;
use records::{MAX_RECORDS_A_CALL, Records};

/// One export to one Kinesis stream.
#[derive(Debug)]
pub struct Kinesis {
    delivery: Delivery<Records<Client>>,
}

impl Exporter for Kinesis {
    type Config = Config;

    /// The limits are the service's largest: the configuration, which may set smaller ones, is not
    /// known here. `Records` keeps to the configured ones.
    fn describe() -> Description {
        Description {
            name: "kinesis".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Exports to Amazon Kinesis Data Streams with PutRecords.".to_owned(),
            config_schema: include_str!("config.schema.json").to_owned(),
            limits: Limits {
                max_messages: MAX_RECORDS_A_CALL,
                max_batch_bytes: MAX_CALL_BYTES,
                max_message_bytes: MAX_RECORD_BYTES - MIN_KEY_BYTES,
            },
            wants: Wants {
                hosts: vec![
                    "kinesis.*.amazonaws.com".to_owned(),
                    "kinesis-fips.*.amazonaws.com".to_owned(),
                    "kinesis.*.api.aws".to_owned(),
                    "kinesis-fips.*.api.aws".to_owned(),
                ],
                aws_services: vec!["kinesis".to_owned()],
                ..Wants::default()
            },
        }
    }

    fn open(_context: ExportContext, config: Config) -> Result<Self, ConfigError> {
        let settings = Settings::try_from(config)?;
        let client = Client::new(&settings);
        Ok(Self {
            delivery: Delivery::new(Records::new(client, settings)),
        })
    }

    fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        self.delivery.deliver(batch)
    }
}

export_exporter!(Kinesis);
