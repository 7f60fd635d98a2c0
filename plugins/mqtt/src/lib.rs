//! The exporter to an MQTT broker.
//!
//! Each message is published with quality of service 1 and counts as delivered when the broker has
//! acknowledged it. Versions 5 and 3.1.1 of the protocol are spoken; only with version 5 does a broker say
//! why it does not take a message.
//!
//! The pieces, from the outside:
//!
//! * `config` checks the configuration;
//! * `delivery` takes a batch, keeps as many messages under way as the broker allows, and settles each;
//! * `suspicion` tells a message that the broker never takes from a broker that is in trouble;
//! * `verdict` says what the broker's codes mean;
//! * `session` is one connection that has been let in; it outlives a call.
//!
//! The packets themselves are those of the crate `millstream-mqtt-packet`.
//!
//! The component never retries by itself: the host does, with pauses that the operator sees.

mod config;
mod delivery;
mod session;
mod suspicion;
mod verdict;

use millstream_plugin::{
    ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
    Wants, export_exporter,
};

use config::Config;
use delivery::Delivery;

/// Messages a batch.
const MAX_MESSAGES: u32 = 500;
/// Bytes a batch and a message. A packet of MQTT has up to 256 MiB; Millstream's own protocol ends below
/// 16 MiB, and brokers far earlier.
const MAX_BYTES: u64 = 16 << 20;

/// One export to one broker.
#[derive(Debug)]
pub struct Mqtt {
    delivery: Delivery,
}

impl Exporter for Mqtt {
    type Config = Config;

    /// It asks for no address by name: which one it needs stands in the configuration of each export.
    fn describe() -> Description {
        Description {
            name: "mqtt".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Exports to an MQTT broker, version 5 or 3.1.1, with QoS 1.".to_owned(),
            config_schema: include_str!("config.schema.json").to_owned(),
            limits: Limits {
                max_messages: MAX_MESSAGES,
                max_batch_bytes: MAX_BYTES,
                max_message_bytes: MAX_BYTES,
            },
            wants: Wants::default(),
        }
    }

    fn open(context: ExportContext, config: Config) -> Result<Self, ConfigError> {
        config.check(&context)?;
        Ok(Self {
            delivery: Delivery::new(context, config),
        })
    }

    fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        self.delivery.deliver(&batch)
    }
}

export_exporter!(Mqtt);
