//! The exporter to Apache Kafka.
//!
//! It speaks Kafka's own protocol over TCP: a message becomes a record, its payload the value, nothing
//! added but two headers that make a repeat recognisable. A message counts as delivered when all replicas
//! that are in sync have it (`acks=all`).
//!
//! The pieces, in the way a batch takes:
//!
//! * `config` checks the configuration, so that nothing behind it has to;
//! * `record` makes a record of a message, with its `key`, and a batch of records;
//! * `partitioner` chooses the partition of a key as the Java client does;
//! * `delivery` packs records into batches and settles each record by the answers;
//! * `cluster` knows which broker leads which partition, and holds a connection to each;
//! * `protocol` writes requests and reads answers, `sasl` proves who this is;
//! * `verdict` tells from an error code what the host is to do about it.
//!
//! The component never retries by itself: the host does, with pauses that the operator sees. It is no
//! idempotent producer in Kafka's sense: numbers that would let a broker know a repeat are bound to a
//! batch as it was sent, and the host may hand over what was left of it in another one, to another
//! instance. So an unclear answer repeats a batch, and the headers tell.

mod address;
mod cluster;
mod config;
mod delivery;
mod key;
mod partitioner;
mod protocol;
mod record;
mod sasl;
mod verdict;

use millstream_plugin::{
    ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
    Wants, export_exporter, secrets,
};

use cluster::Brokers;
use config::{Config, MOST_BATCH_BYTES, Settings};
use delivery::Deliveries;

/// Messages a batch: more than the protocol's own exports have, since a request of Kafka carries many.
const MAX_MESSAGES: u32 = 2000;

/// One export to one topic.
#[derive(Debug)]
pub struct Kafka {
    deliveries: Deliveries<Brokers>,
}

impl Exporter for Kafka {
    type Config = Config;

    /// The limits are the largest that can be configured: the configuration is not known here.
    fn describe() -> Description {
        Description {
            name: "kafka".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Exports to a topic of Apache Kafka, in Kafka's own protocol.".to_owned(),
            config_schema: include_str!("config.schema.json").to_owned(),
            limits: Limits {
                max_messages: MAX_MESSAGES,
                max_batch_bytes: MOST_BATCH_BYTES,
                max_message_bytes: MOST_BATCH_BYTES,
            },
            wants: Wants::default(),
        }
    }

    fn open(context: ExportContext, config: Config) -> Result<Self, ConfigError> {
        let settings = Settings::try_from(config)?;
        let brokers = Brokers::new(settings.clone(), secrets::require);
        Ok(Self {
            deliveries: Deliveries::new(brokers, &context.stream_name, &settings),
        })
    }

    fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        self.deliveries.deliver(batch)
    }
}

export_exporter!(Kafka);
