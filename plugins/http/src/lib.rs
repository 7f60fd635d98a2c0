//! The exporter to an HTTP server.
//!
//! It serves the protocol's HTTP exports (specification, section 4.3): either each message is the body
//! of a request of its own, or a batch is a JSON list of messages. A message counts as delivered when
//! the server answers with a status 2xx.
//!
//! The pieces, in the way a batch takes:
//!
//! * `config` checks the configuration;
//! * the library's `Delivery` decides which messages go with the next request, and settles each by the
//!   answers;
//! * `server` puts a request together and has it carried;
//! * `request` writes the body, and the headers by which a receiver knows the messages;
//! * `signature` has the host sign it.
//!
//! Tokens and keys are names here: the host sets them in the requests, and this component never has one.
//! It never retries by itself either: the host does, with pauses that the operator sees.

mod config;
mod request;
mod server;
mod signature;

use millstream_plugin::http::{Delivery, Network};
use millstream_plugin::{
    ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
    Wants, export_exporter,
};

use config::{Config, Format};
use server::Server;

/// Messages a batch: the greatest batch size of the protocol's HTTP exports (section 4).
const MAX_MESSAGES: u32 = 500;
/// Bytes of payload a batch, and so at most a request. With base64 it stays far inside the memory that
/// an instance has.
const MAX_BYTES: u64 = 16 << 20;

/// One export to one address.
#[derive(Debug)]
pub struct Http {
    delivery: Delivery,
    server: Server,
}

impl Exporter for Http {
    type Config = Config;

    /// It asks for no host by name: which one it needs stands in the configuration of each export.
    fn describe() -> Description {
        Description {
            name: "http".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Exports to an HTTP server, message by message or as JSON lists.".to_owned(),
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
        let delivery = match config.export_format {
            Format::Raw => Delivery::one_by_one(),
            Format::Json => Delivery::in_lists(MAX_BYTES),
        };
        let server = Server::new(Network, context.stream_name, config)?;
        Ok(Self { delivery, server })
    }

    fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        let Self { delivery, server } = self;
        delivery.deliver(&batch, |messages| server.send(messages))
    }
}

export_exporter!(Http);
