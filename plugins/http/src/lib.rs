//! The exporter to an HTTP server.
//!
//! It serves the protocol's HTTP exports (specification, section 4.3): either each message is the body
//! of a request of its own, or a batch is a JSON list of messages. A message counts as delivered when
//! the server answers with a status 2xx.
//!
//! The pieces, in the way a batch takes:
//!
//! * `config` checks the configuration, with `headers`;
//! * `delivery` decides which messages go with the next request, and settles each by the answers;
//! * `room` is how much a request carries;
//! * `request` writes the body, and the headers by which a receiver knows the messages;
//! * `client` carries a request to the server; what its answer means, [`millstream_plugin::http`] says.
//!
//! The component never retries by itself: the host does, with pauses that the operator sees.

mod client;
mod config;
mod delivery;
mod headers;
mod request;
mod room;

use millstream_plugin::{
    ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
    Wants, export_exporter,
};

use client::Server;
use config::Config;
use delivery::Delivery;
use request::Requests;

/// Messages a batch: the greatest batch size of the protocol's HTTP exports (section 4).
const MAX_MESSAGES: u32 = 500;

/// One export to one address.
#[derive(Debug)]
pub struct Http {
    delivery: Delivery<Server>,
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
                max_batch_bytes: room::MAX_BYTES,
                max_message_bytes: room::MAX_BYTES,
            },
            wants: Wants::default(),
        }
    }

    fn open(context: ExportContext, config: Config) -> Result<Self, ConfigError> {
        let stream_name = &context.stream_name;
        let headers = headers::common(stream_name, config.export_format, &config.headers)?;
        let requests = Requests::new(config.export_format, stream_name);
        let client = Server::new(config.method, config.uri.clone(), headers);
        Ok(Self {
            delivery: Delivery::new(client, config.uri, requests),
        })
    }

    fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        self.delivery.deliver(&batch)
    }
}

export_exporter!(Http);
