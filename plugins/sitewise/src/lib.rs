//! The exporter to AWS IoT SiteWise.
//!
//! A message is one entry of `BatchPutAssetPropertyValue` in JSON: up to ten values of one asset
//! property (protocol specification, sections 4.2 and 5.3). [`millstream_aws`] packs entries into calls
//! and settles them; here stands what is the service's own:
//!
//! * `config` checks the configuration, so that nothing behind it has to;
//! * `entry` reads a message and checks it as the service would, so that what can never be taken does
//!   not cost its neighbours a call;
//! * `entries` keeps apart what may not share a call, calls the operation, and reads what became of each
//!   entry.

mod config;
mod entries;
mod entry;

use millstream_aws::Delivery;
use millstream_plugin::http::Network;
use millstream_plugin::{
    ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
    Wants, export_exporter,
};

use config::{Config, place};
use entries::{Entries, MAX_ENTRIES};
use entry::MAX_ENTRY_BYTES;

/// One export to SiteWise.
#[derive(Debug)]
pub struct SiteWise {
    delivery: Delivery<Entries<Network>>,
}

impl Exporter for SiteWise {
    type Config = Config;

    /// A batch is a call.
    fn describe() -> Description {
        Description {
            name: "sitewise".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Exports to AWS IoT SiteWise with BatchPutAssetPropertyValue.".to_owned(),
            config_schema: include_str!("config.schema.json").to_owned(),
            limits: Limits {
                max_messages: MAX_ENTRIES,
                max_batch_bytes: MAX_ENTRY_BYTES * u64::from(MAX_ENTRIES),
                max_message_bytes: MAX_ENTRY_BYTES,
            },
            wants: Wants {
                hosts: vec!["data.iotsitewise.*.amazonaws.com".to_owned()],
                aws_services: vec!["iotsitewise".to_owned()],
                ..Wants::default()
            },
        }
    }

    fn open(_context: ExportContext, config: Config) -> Result<Self, ConfigError> {
        let place = place(config)?;
        Ok(Self {
            delivery: Delivery::new(Entries::new(Network, &place)?),
        })
    }

    fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        self.delivery.deliver(batch)
    }
}

export_exporter!(SiteWise);
