//! The exporter to JSON lines in a folder.
//!
//! Each message becomes a line such as
//! `{"stream":"readings","sequenceNumber":7,"ingestTime":1767225600000,"payload":"21.5"}` of the file
//! `readings.jsonl`, or of `readings.jsonl.gz` with compression.
//!
//! The pieces, in the way a batch takes:
//!
//! * `config` checks the configuration;
//! * [`json_line`] turns messages into lines;
//! * `writer` appends a batch to the active file and closes files that are full or old;
//! * `gzip` makes a batch a gzip member that knows its own length;
//! * `tail` finds out, before a file is appended to, whether its end is whole;
//! * `name` holds all rules about names of files.
//!
//! **What a crash can do.** A batch counts as delivered when it has been synced, and it is only ever
//! appended. So a crash leaves, at worst, a part of the last batch, which the host exports again. What
//! is torn, the part of a line or of a gzip member at the end, is cut off before the next append. A
//! file that is damaged in any other way is set aside under a name with `damaged` and never deleted.

mod config;
mod gzip;
mod name;
mod tail;
mod writer;

use jiff::Timestamp;
use millstream_plugin::json_line::{self, Form, Payload};
use millstream_plugin::{
    ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
    Wants, export_exporter,
};

use config::Config;
use name::FileName;
use writer::Writer;

/// Bytes of payload a batch and a message: as much as one append to a stream carries. Lines go to the
/// file as they are made, so that memory holds little more than the batch.
const MAX_BATCH_BYTES: u64 = 16 << 20;

/// One export to one series of files.
#[derive(Debug)]
pub struct File {
    stream_name: String,
    payload: Payload,
    writer: Writer,
}

impl Exporter for File {
    type Config = Config;

    fn describe() -> Description {
        Description {
            name: "file".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Exports to JSON lines in a folder.".to_owned(),
            config_schema: include_str!("config.schema.json").to_owned(),
            limits: Limits {
                max_messages: 10_000,
                max_batch_bytes: MAX_BATCH_BYTES,
                max_message_bytes: MAX_BATCH_BYTES,
            },
            wants: Wants {
                folders: vec!["/out".to_owned()],
                ..Wants::default()
            },
        }
    }

    fn open(context: ExportContext, config: Config) -> Result<Self, ConfigError> {
        if !config.folder.is_dir() {
            return Err(ConfigError::field(
                "folder",
                format!(
                    "There is no folder `{}` here; put one into `folders` of the \
                     plugin's grants, with `as` set to this path.",
                    config.folder.display()
                ),
            ));
        }
        let name = config
            .file_name
            .unwrap_or_else(|| FileName::of_stream(&context.stream_name));
        let writer = Writer::new(config.folder, name, config.compression, config.rotation);
        Ok(Self {
            stream_name: context.stream_name,
            payload: config.payload,
            writer,
        })
    }

    fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        let mut forms = Vec::with_capacity(batch.len());
        let mut undelivered = Vec::new();
        for (index, message) in batch.iter().enumerate() {
            match Form::new(&message.payload, self.payload) {
                Ok(form) => forms.push((message, form)),
                Err(reason) => undelivered.push(Undelivered::reject(index, reason)),
            }
        }
        let Some((first, _)) = forms.first() else {
            return Ok(undelivered);
        };
        self.writer.append(first.sequence_number, now(), |out| {
            forms.iter().try_for_each(|(message, form)| {
                json_line::write(out, &self.stream_name, message, *form)
            })
        })?;
        Ok(undelivered)
    }
}

/// The time; the epoch where the clock shows what no calendar has.
fn now() -> Timestamp {
    Timestamp::try_from(std::time::SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}

export_exporter!(File);

#[cfg(test)]
mod tests;
