//! The exporter of batches as objects of Amazon S3.
//!
//! A batch becomes one object: JSON lines or a Parquet file, compressed, under a key with stream, date,
//! and first and last number. A message counts as delivered when S3 has acknowledged its object. A repeat
//! after a crash overwrites the object, and no message is ever in two.
//!
//! The pieces, in the way a batch takes:
//!
//! * `config` checks the configuration;
//! * `archive` decides what becomes an object, and sees to it that it stays the same one: its front page
//!   is the place to read how;
//! * `plan` is what is remembered of an object before it is written;
//! * `format` writes the object;
//! * `template` makes its key;
//! * `bucket` puts it into S3, with what all exporters to AWS share ([`millstream_aws`]).
//!
//! The component never retries by itself: the host does, with pauses that the operator sees.

mod archive;
mod bucket;
mod config;
mod format;
mod plan;
mod template;

use millstream_plugin::http::Network;
use millstream_plugin::{
    ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
    Wants, export_exporter, work,
};

use archive::{Archive, Memory};
use bucket::Bucket;
use config::{Config, Settings};
use format::Encoder;
use template::Keys;

/// Bytes of payload a batch and a message. In base64, with what stands around it in a line, a message of
/// this size still fits into an object ([`format::MAX_BODY`]).
const MAX_BATCH_BYTES: u64 = 10 << 20;
/// Messages a batch: together with the bytes, a guest keeps within half of its usual memory.
const MAX_MESSAGES: u32 = 50_000;

/// One export to one bucket.
#[derive(Debug)]
pub struct S3Archive {
    archive: Archive<Bucket<Network>, OfTheExport>,
}

impl Exporter for S3Archive {
    type Config = Config;

    fn describe() -> Description {
        Description {
            name: "s3-archive".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Exports each batch as one object of Amazon S3, JSON lines or Parquet."
                .to_owned(),
            config_schema: include_str!("config.schema.json").to_owned(),
            limits: Limits {
                max_messages: MAX_MESSAGES,
                max_batch_bytes: MAX_BATCH_BYTES,
                max_message_bytes: MAX_BATCH_BYTES,
            },
            wants: Wants {
                hosts: vec!["*.s3.*.amazonaws.com".to_owned()],
                aws_services: vec!["s3".to_owned()],
                ..Wants::default()
            },
        }
    }

    fn open(context: ExportContext, config: Config) -> Result<Self, ConfigError> {
        let settings = Settings::try_from(config)?;
        let format = settings.format;
        let keys = Keys::new(
            settings.key.clone(),
            &context.stream_name,
            &context.export_identifier,
            format.extension(),
        )
        .map_err(|why| ConfigError::field("key", why))?;
        let bucket = Bucket::new(Network, settings, &keys);
        let encoder = Encoder::new(context.stream_name, format);
        Ok(Self {
            archive: Archive::new(keys, encoder, bucket, OfTheExport),
        })
    }

    fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        self.archive.step(batch)
    }
}

/// What the host keeps for this export.
#[derive(Debug)]
struct OfTheExport;

impl Memory for OfTheExport {
    fn recall(&self) -> Option<Vec<u8>> {
        work::recall()
    }

    fn remember(&mut self, bytes: Option<&[u8]>) -> Result<(), String> {
        work::remember(bytes)
    }

    fn in_progress(&mut self, text: &str) {
        work::in_progress(text);
    }
}

export_exporter!(S3Archive);
