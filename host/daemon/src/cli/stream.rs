//! `millstream stream`

use std::io::{IsTerminal, Read};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use millstream_protocol::definition::Destination;
use millstream_protocol::request::{AuthToken, ReadMessagesOptions};
use millstream_protocol::response::{Message, MessageStreamInfo, Success};
use millstream_protocol::{Bounded, Call, Name, ProtocolError, ResponseStatusCode};
use serde_json::{Value, json};

use super::status::listening;
use super::{Failed, output};
use crate::client::{Client, ClientError};
use crate::config::Config;

/// Streams of a running host.
#[derive(Debug, Subcommand)]
pub(super) enum StreamCommand {
    /// Names of all streams
    List(Common),
    /// What a stream is, what it holds, and how its exports fare
    Describe(Named),
    /// Append messages: the arguments, or without any each line of standard input
    Append {
        #[command(flatten)]
        named: Named,
        /// What to append
        messages: Vec<String>,
        /// Append all of standard input as one message
        #[arg(long, conflicts_with = "messages")]
        whole: bool,
    },
    /// Print messages
    Read {
        #[command(flatten)]
        named: Named,
        /// The first message
        #[arg(long, default_value_t = 0)]
        start: u64,
        /// The most messages
        #[arg(long, default_value_t = 100)]
        max: u64,
    },
    /// Print messages as they come, until Ctrl-C
    Tail {
        #[command(flatten)]
        named: Named,
        /// The first message [default: the next one]
        #[arg(long)]
        start: Option<u64>,
    },
    /// Delete a stream with all its messages
    Delete {
        #[command(flatten)]
        named: Named,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Common {
    /// Where the host listens [default: server.listen of the configuration]
    #[arg(long, value_name = "ADDRESS")]
    server: Option<SocketAddr>,
    /// A file with the token to show [default: the variable AWS_CONTAINER_AUTHORIZATION_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The stream
    stream: String,
    #[command(flatten)]
    common: Common,
}

/// Messages that one request of `tail` and `read` asks for.
const PAGE: u64 = 500;
/// Where every Stream Manager SDK looks for its token.
const TOKEN_VARIABLE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
/// How long one request of `tail` waits.
const POLL_MILLIS: u64 = 5_000;

impl StreamCommand {
    pub(super) async fn run(&self, config: &Config) -> Result<(), Failed> {
        match self {
            Self::List(common) => list(common, config).await,
            Self::Describe(named) => describe(named, config).await,
            Self::Append {
                named,
                messages,
                whole,
            } => append(named, messages, *whole, config).await,
            Self::Read { named, start, max } => read(named, *start, *max, config).await,
            Self::Tail { named, start } => tail(named, *start, config).await,
            Self::Delete { named, yes } => delete(named, *yes, config).await,
        }
    }
}

impl Common {
    async fn connect(&self, config: &Config) -> Result<Client, Failed> {
        let address = match self.server {
            Some(address) => address,
            None => listening(config).await?,
        };
        Ok(Client::connect(address, self.token()?).await?)
    }

    /// The token to show, if there is one; found where the SDKs find theirs.
    fn token(&self) -> Result<Option<AuthToken>, Failed> {
        let text = match &self.token_file {
            Some(file) => std::fs::read_to_string(file).map_err(|error| {
                format!("the token in {} cannot be read: {error}", file.display())
            })?,
            None => std::env::var(TOKEN_VARIABLE).unwrap_or_default(),
        };
        Ok(AuthToken::new(text.trim()))
    }
}

impl Named {
    fn name(&self) -> Result<Name, Failed> {
        self.stream
            .parse()
            .map_err(|error: ProtocolError| Failed::Other(error.to_string()))
    }
}

async fn list(common: &Common, config: &Config) -> Result<(), Failed> {
    let mut client = common.connect(config).await?;
    if let Success::Streams(names) = client.call(Call::List).await? {
        if common.json {
            output::json(&names.iter().map(|name| name.as_str()).collect());
        } else {
            names.iter().for_each(|name| output::line(name.as_str()));
        }
    }
    Ok(())
}

async fn describe(named: &Named, config: &Config) -> Result<(), Failed> {
    let mut client = named.common.connect(config).await?;
    let Success::Description(info) = client.call(Call::Describe(named.name()?)).await? else {
        return Ok(());
    };
    if named.common.json {
        output::json(&description(&info));
        return Ok(());
    }
    let (definition, storage) = (&info.definition, &info.storage);
    output::line(format!("stream      {}", definition.name.as_str()));
    output::line(match storage.newest_sequence_number {
        Some(newest) if newest >= storage.oldest_sequence_number => {
            format!("messages    {} to {newest}", storage.oldest_sequence_number)
        }
        _ => "messages    none".to_owned(),
    });
    output::line(format!(
        "size        {} of {}, in segments of {}",
        output::size(storage.total_bytes),
        output::size(definition.max_size.get()),
        output::size(definition.stream_segment_size.get())
    ));
    output::line(format!("when full   {:?}", definition.strategy_on_full));
    output::line(format!(
        "kept        {:?}{}",
        definition.persistence,
        if definition.flush_on_write {
            ", each append waits for the disk"
        } else {
            ""
        }
    ));
    for (export, status) in definition.exports.iter().zip(&info.exports) {
        // An address says which plugin; the other kinds are one destination each.
        let destination = match &export.destination {
            Destination::Http { uri, .. } => uri,
            _ => export.kind().key(),
        };
        output::line(format!("export      {} ({destination})", status.identifier));
        let last = status.last_exported_sequence_number;
        output::line(format!(
            "            settled up to {}, {} messages delivered, {}",
            last.map_or_else(|| "nothing yet".to_owned(), |last| last.to_string()),
            status.exported_messages,
            output::size(status.exported_bytes)
        ));
        if !status.error_message.is_empty() {
            output::line(format!("            last error: {}", status.error_message));
        }
    }
    Ok(())
}

fn description(info: &MessageStreamInfo) -> Value {
    let definition = &info.definition;
    let exports: Vec<_> = definition
        .exports
        .iter()
        .zip(&info.exports)
        .map(|(export, status)| {
            json!({
                "identifier": status.identifier,
                "kind": export.kind().key(),
                "disabled": export.disabled,
                "lastExportedSequenceNumber": status.last_exported_sequence_number,
                "lastExportTime": status.last_export_time_millis,
                "errorMessage": status.error_message,
                "exportedMessagesCount": status.exported_messages,
                "exportedBytesFromStream": status.exported_bytes,
            })
        })
        .collect();
    json!({
        "name": definition.name.as_str(),
        "maxSize": definition.max_size.get(),
        "streamSegmentSize": definition.stream_segment_size.get(),
        "timeToLiveMillis": definition.time_to_live_millis.map(Bounded::get),
        "strategyOnFull": format!("{:?}", definition.strategy_on_full),
        "persistence": format!("{:?}", definition.persistence),
        "flushOnWrite": definition.flush_on_write,
        "oldestSequenceNumber": info.storage.oldest_sequence_number,
        "newestSequenceNumber": info.storage.newest_sequence_number,
        "totalBytes": info.storage.total_bytes,
        "exports": exports,
    })
}

async fn append(
    named: &Named,
    messages: &[String],
    whole: bool,
    config: &Config,
) -> Result<(), Failed> {
    let mut client = named.common.connect(config).await?;
    let name = named.name()?;
    let unreadable = |error: std::io::Error| format!("standard input cannot be read: {error}");
    if whole {
        let mut payload = Vec::new();
        std::io::stdin()
            .read_to_end(&mut payload)
            .map_err(unreadable)?;
        return append_one(&mut client, &name, payload, named.common.json).await;
    }
    for message in messages {
        let payload = message.clone().into_bytes();
        append_one(&mut client, &name, payload, named.common.json).await?;
    }
    if messages.is_empty() {
        if std::io::stdin().is_terminal() {
            output::complain("reading messages from the terminal, one a line; Ctrl-D ends");
        }
        for line in std::io::stdin().lines() {
            let payload = line.map_err(unreadable)?.into_bytes();
            if !payload.is_empty() {
                append_one(&mut client, &name, payload, named.common.json).await?;
            }
        }
    }
    Ok(())
}

async fn append_one(
    client: &mut Client,
    name: &Name,
    payload: Vec<u8>,
    as_json: bool,
) -> Result<(), Failed> {
    let call = Call::Append {
        name: name.clone(),
        payload: payload.into(),
    };
    if let Success::Appended { sequence_number } = client.call(call).await? {
        if as_json {
            output::json(&json!({ "sequenceNumber": sequence_number }));
        } else {
            output::line(sequence_number.to_string());
        }
    }
    Ok(())
}

async fn read(named: &Named, start: u64, max: u64, config: &Config) -> Result<(), Failed> {
    let mut client = named.common.connect(config).await?;
    let (mut next, mut left) = (start, max);
    while left > 0 {
        let Some(messages) = page(&mut client, named, next, left.min(PAGE), 0).await? else {
            break;
        };
        left = left.saturating_sub(messages.len() as u64);
        next = print(&messages, named.common.json).unwrap_or(next);
    }
    Ok(())
}

async fn tail(named: &Named, start: Option<u64>, config: &Config) -> Result<(), Failed> {
    let mut client = named.common.connect(config).await?;
    let mut next = match start {
        Some(start) => start,
        None => match client.call(Call::Describe(named.name()?)).await? {
            Success::Description(info) => info
                .storage
                .newest_sequence_number
                .map_or(0, |newest| newest + 1),
            _ => 0,
        },
    };
    loop {
        if let Some(messages) = page(&mut client, named, next, PAGE, POLL_MILLIS).await? {
            next = print(&messages, named.common.json).unwrap_or(next);
        }
    }
}

/// Reads some messages; none if there are no more.
async fn page(
    client: &mut Client,
    named: &Named,
    start: u64,
    max: u64,
    wait_millis: u64,
) -> Result<Option<Vec<Message>>, Failed> {
    let options = ReadMessagesOptions {
        desired_start_sequence_number: Bounded::clamped(start),
        min_message_count: Bounded::clamped(1),
        max_message_count: Bounded::clamped(max),
        read_timeout_millis: Bounded::clamped(wait_millis),
    };
    match client
        .call(Call::Read {
            name: named.name()?,
            options,
        })
        .await
    {
        Ok(Success::Messages(messages)) => Ok(Some(messages)),
        Ok(_) => Ok(None),
        Err(ClientError::Refused(failure))
            if failure.status == ResponseStatusCode::NotEnoughMessages =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Prints messages and returns the number behind the last.
fn print(messages: &[Message], as_json: bool) -> Option<u64> {
    for message in messages {
        if as_json {
            let mut line = json!({
                "sequenceNumber": message.sequence_number,
                "ingestTime": message.ingest_time_millis,
            });
            match std::str::from_utf8(&message.payload) {
                Ok(text) => line["payload"] = json!(text),
                Err(_) => line["payloadBytes"] = json!(message.payload.as_ref()),
            }
            output::json(&line);
        } else {
            let text = String::from_utf8_lossy(&message.payload);
            output::line(format!("{}\t{text}", message.sequence_number));
        }
    }
    messages.last().map(|message| message.sequence_number + 1)
}

async fn delete(named: &Named, yes: bool, config: &Config) -> Result<(), Failed> {
    if !yes {
        if !std::io::stdin().is_terminal() {
            return Err(Failed::Other(
                "deleting takes all messages with it; say --yes to do it without a question".into(),
            ));
        }
        output::complain(&format!(
            "delete {} with all its messages? [y/N]",
            named.stream
        ));
        let mut answer = String::new();
        let _ = std::io::stdin().read_line(&mut answer);
        if !answer.trim().eq_ignore_ascii_case("y") {
            return Err(Failed::Other("nothing was deleted".into()));
        }
    }
    let mut client = named.common.connect(config).await?;
    client.call(Call::Delete(named.name()?)).await?;
    Ok(())
}
