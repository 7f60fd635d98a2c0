//! The exporter to InfluxDB: line protocol, over the write API of version 1 or 2.
//!
//! A message is one or more lines already, or a JSON object that becomes one line. Either way it is
//! checked before it is sent, so that a bad message is rejected by itself and costs its neighbours no
//! request; and each of its lines gets a time, so that a message that comes again overwrites its own
//! points and adds none.
//!
//! The pieces, in the way a batch takes:
//!
//! * `config` checks the configuration;
//! * `line` reads line protocol, `json` makes it, `time` is what both know of times;
//! * the library's `Delivery` decides which messages go with the next request, and settles each by the
//!   answers: a request that the server refuses is halved until the message at fault stands alone;
//! * `server` puts a request together and has it carried.
//!
//! The token or password is a name here: the host sets it. The component never retries by itself.

mod config;
mod json;
mod line;
mod server;
mod time;

use millstream_plugin::http::{Delivery, Network, Parcel};
use millstream_plugin::{
    ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
    Wants, export_exporter,
};

use config::{Config, Form};
use server::Server;

/// Messages a batch: what InfluxData recommends for a request, 5,000 lines.
const MAX_MESSAGES: u32 = 5000;
/// Bytes of payload a batch, and so about at most a request; far inside the 25 MB that a server takes
/// (`max-body-size` of version 1).
const MAX_BATCH_BYTES: u64 = 4 << 20;
/// Bytes of payload a message.
const MAX_MESSAGE_BYTES: u64 = 1 << 20;

/// One export to one database or bucket.
#[derive(Debug)]
pub struct Influxdb {
    form: Form,
    delivery: Delivery,
    server: Server,
}

/// A message as lines.
#[derive(Debug)]
struct Lines {
    /// The message's place in the batch.
    place: usize,
    text: String,
}

impl Parcel for Lines {
    fn bytes(&self) -> u64 {
        self.text.len() as u64
    }
}

impl Exporter for Influxdb {
    type Config = Config;

    /// It asks for no host by name: which one it needs stands in the configuration of each export.
    fn describe() -> Description {
        Description {
            name: "influxdb".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Exports to InfluxDB: line protocol, or JSON mapped to it.".to_owned(),
            config_schema: include_str!("config.schema.json").to_owned(),
            limits: Limits {
                max_messages: MAX_MESSAGES,
                max_batch_bytes: MAX_BATCH_BYTES,
                max_message_bytes: MAX_MESSAGE_BYTES,
            },
            wants: Wants::default(),
        }
    }

    fn open(_context: ExportContext, config: Config) -> Result<Self, ConfigError> {
        let (form, server) = config.resolve(Network)?;
        Ok(Self {
            form,
            delivery: Delivery::in_lists(MAX_BATCH_BYTES),
            server,
        })
    }

    fn export(&mut self, batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        let mut undelivered = Vec::new();
        let mut lines = Vec::with_capacity(batch.len());
        for (place, message) in batch.iter().enumerate() {
            match self.form.lines(message) {
                Ok(text) => lines.push(Lines { place, text }),
                Err(reason) => undelivered.push(Undelivered::reject(place, reason)),
            }
        }
        let Self {
            delivery, server, ..
        } = self;
        let of_lines = delivery.deliver(&lines, |some| {
            server.send(some.iter().map(|lines| lines.text.as_str()))
        })?;
        undelivered.extend(of_lines.into_iter().filter_map(|one| {
            let lines = lines.get(usize::try_from(one.index).ok()?)?;
            let index = u32::try_from(lines.place).ok()?;
            Some(Undelivered { index, ..one })
        }));
        Ok(undelivered)
    }
}

export_exporter!(Influxdb);

#[cfg(test)]
mod tests {
    use millstream_plugin::Disposition;

    use super::*;

    #[test]
    fn a_batch_of_bad_messages_alone_reaches_no_server() {
        let config = r#"{"uri": "http://127.0.0.1:1", "org": "o", "bucket": "b"}"#;
        let config = millstream_plugin::config::parse(config).unwrap();
        let context = ExportContext {
            stream_name: "s".into(),
            export_identifier: "e".into(),
        };
        let mut exporter = Influxdb::open(context, config).unwrap();
        let message = |payload: &[u8]| Message {
            sequence_number: 0,
            ingest_time: 0,
            payload: payload.to_vec(),
        };
        let undelivered = exporter.export(vec![message(b"m"), message(b"\xff")]);
        let undelivered = undelivered.unwrap();
        assert_eq!(undelivered.len(), 2);
        for (place, one) in undelivered.iter().enumerate() {
            assert_eq!(one.index as usize, place);
            assert_eq!(one.disposition, Disposition::Reject);
        }
    }
}
