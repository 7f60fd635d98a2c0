//! The exporter to NATS JetStream.
//!
//! Each message is published to a subject, with a header `Nats-Msg-Id` made of stream and sequence number.
//! It counts as delivered when JetStream has stored it and says so. A repeat carries the same id, and
//! JetStream drops it inside its duplicate window.
//!
//! The client is a small one of its own: the official ones want sockets of an asynchronous runtime, which
//! a component does not have, and most of what they do is not needed here. The pieces, from the outside:
//!
//! * `config` checks the configuration; `credentials` finds what the server wants to see of us;
//! * `delivery` takes a batch, publishes it at once and settles each message by its acknowledgement;
//! * `ack` says what an acknowledgement means;
//! * `session` is one connection, from the server's greeting on; it outlives a call;
//! * `protocol` is the text protocol of NATS without input or output.
//!
//! The component never retries by itself: the host does, with pauses that the operator sees.

mod ack;
mod config;
mod credentials;
mod delivery;
mod protocol;
mod session;

use millstream_plugin::{
    ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
    Wants, export_exporter,
};

use config::Config;
use delivery::Delivery;

/// Messages a batch. All of them are under way at once, and the server keeps an answer for each.
const MAX_MESSAGES: u32 = 500;
/// Bytes a batch and a message. A server takes 1 MiB a message unless it is configured for more, at most
/// 64 MiB; Millstream's own protocol ends below 16 MiB.
const MAX_BYTES: u64 = 16 << 20;

/// One export to one subject, or several.
#[derive(Debug)]
pub struct Nats {
    delivery: Delivery,
}

impl Exporter for Nats {
    type Config = Config;

    /// It asks for no address by name: which one it needs stands in the configuration of each export.
    fn describe() -> Description {
        Description {
            name: "nats".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Exports to NATS JetStream, with acknowledgement and message ids.".to_owned(),
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

export_exporter!(Nats);
