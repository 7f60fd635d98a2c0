//! The exporter of logs over OTLP: HTTP with protocol buffers (`http/protobuf`).
//!
//! Each message is a log record, posted to a collector's `/v1/logs` as the OpenTelemetry protocol
//! specification 1.x says. The pieces, in the way a batch takes:
//!
//! * `config` checks the configuration;
//! * `record` makes a record of a message, with `value` for what is JSON and `severity` for how much it
//!   matters;
//! * the library's `Delivery` decides which records go with the next request, and settles each by the
//!   answers;
//! * `collector` puts a request together, has it carried and reads what came back;
//! * `proto` are the messages of the protocol, as far as they are needed here.
//!
//! Tokens are names here: the host sets them. The component never retries by itself.

mod collector;
mod config;
mod proto;
mod record;
mod severity;
mod value;

use millstream_plugin::http::{Delivery, Network, Parcel};
use millstream_plugin::{
    ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
    Wants, export_exporter,
};
use prost::Message as _;

use collector::Collector;
use config::Config;
use proto::LogRecord;
use record::Records;

/// Messages a batch; the batch processor of a collector sends 8,192 at once by default.
const MAX_MESSAGES: u32 = 4096;
/// Bytes of payload a batch, and so about at most a request: far inside the 20 MiB that a collector takes
/// (`max_request_body_size` of its OTLP receiver).
const MAX_BATCH_BYTES: u64 = 4 << 20;
/// Bytes of payload a message.
const MAX_MESSAGE_BYTES: u64 = 1 << 20;

/// One export to one collector.
#[derive(Debug)]
pub struct Otlp {
    records: Records,
    delivery: Delivery,
    collector: Collector,
}

impl Parcel for LogRecord {
    fn bytes(&self) -> u64 {
        self.encoded_len() as u64
    }
}

impl Exporter for Otlp {
    type Config = Config;

    /// It asks for no host by name: which one it needs stands in the configuration of each export.
    fn describe() -> Description {
        Description {
            name: "otlp".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Exports log records to an OpenTelemetry collector, over OTLP/HTTP."
                .to_owned(),
            config_schema: include_str!("config.schema.json").to_owned(),
            limits: Limits {
                max_messages: MAX_MESSAGES,
                max_batch_bytes: MAX_BATCH_BYTES,
                max_message_bytes: MAX_MESSAGE_BYTES,
            },
            wants: Wants::default(),
        }
    }

    fn open(context: ExportContext, config: Config) -> Result<Self, ConfigError> {
        let (records, collector) = config.resolve(&context.stream_name, Network)?;
        Ok(Self {
            records,
            // What is measured is the record, which is larger than the payload.
            delivery: Delivery::in_lists(2 * MAX_BATCH_BYTES),
            collector,
        })
    }

    fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        let Self {
            records,
            delivery,
            collector,
        } = self;
        let all: Vec<LogRecord> = batch.into_iter().map(|one| records.record(one)).collect();
        delivery.deliver(&all, |some| collector.send(some))
    }
}

export_exporter!(Otlp);
