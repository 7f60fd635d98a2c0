//! The component: what the host calls.

use std::cell::RefCell;

use wstd::http::{Body, Client, Request, error::ErrorCode};

use crate::config::Config;
use crate::contract::exports::millstream::plugin::exporter::{
    ConfigError, Description, Disposition, ExportContext, ExportError, Failure, Guest, Limits,
    Message, Undelivered, Wants,
};
use crate::lines::{Meaning, line, meaning};

struct Exporter;

crate::contract::export!(Exporter);

thread_local! {
    /// An instance serves one export: its configuration, from `open` on.
    static CONFIG: RefCell<Option<Config>> = const { RefCell::new(None) };
}

impl Guest for Exporter {
    fn describe() -> Description {
        Description {
            name: "{{name}}".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Posts each batch as JSON lines to a URL.".into(),
            config_schema: include_str!("config.schema.json").into(),
            limits: Limits {
                max_messages: 100,
                max_batch_bytes: 1 << 20,
                max_message_bytes: 256 << 10,
            },
            // Which host it is stands in the configuration of each export.
            wants: Wants { hosts: vec![], aws_services: vec![], folders: vec![], streams: vec![] },
        }
    }

    fn open(_context: ExportContext, config: String) -> Result<(), ConfigError> {
        let config = Config::parse(&config)
            .map_err(|wrong| ConfigError { field: wrong.field, message: wrong.message })?;
        CONFIG.set(Some(config));
        Ok(())
    }

    fn export(batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        CONFIG.with_borrow(|config| match config {
            Some(config) => export(config, &batch),
            None => Err(ExportError::Misconfigured("It was not opened.".into())),
        })
    }
}

fn export(config: &Config, batch: &[Message]) -> Result<Vec<Undelivered>, ExportError> {
    let mut undelivered = Vec::new();
    let mut lines = Vec::new(); // of the messages that can be sent: the place in the batch, and the line
    for (index, message) in (0..).zip(batch) {
        match line(message.sequence_number, message.ingest_time, &message.payload) {
            Some(line) => lines.push((index, line)),
            None => undelivered.push(reject(index, "The payload is not text in UTF-8.".into())),
        }
    }
    if lines.is_empty() {
        return Ok(undelivered);
    }
    let whole = lines.iter().flat_map(|(_, line)| line.iter().copied());
    if post(config, whole.collect())?.is_none() {
        return Ok(undelivered);
    }
    // One by one the server shows which of them it refuses.
    for sent in 0..lines.len() {
        let (index, line) = &lines[sent];
        match post(config, line.clone()) {
            Ok(None) => {}
            Ok(Some(refusal)) => undelivered.push(reject(*index, refusal)),
            Err(error) if sent == 0 => return Err(error),
            Err(error) => {
                // Those that were not sent come again, so that the order is kept.
                let waiting = lines[sent..].iter();
                undelivered.extend(waiting.map(|(index, _)| retry(*index, reason(&error))));
                break;
            }
        }
    }
    Ok(undelivered)
}

/// Posts lines; returns why the server refuses them, or none if it has taken them.
fn post(config: &Config, body: Vec<u8>) -> Result<Option<String>, ExportError> {
    let (status, retry_after_ms) =
        wstd::runtime::block_on(send(&config.url, body)).map_err(|error| {
            match error.downcast_ref::<ErrorCode>() {
                Some(ErrorCode::HttpRequestDenied) => ExportError::Denied(format!(
                    "Put \"{}\" into `hosts` of the grants.",
                    config.origin()
                )),
                _ => ExportError::Unavailable(Failure {
                    reason: format!("{}: {error}.", config.url),
                    retry_after_ms: None,
                }),
            }
        })?;
    let said = format!("{} answers {status}.", config.url);
    match meaning(status) {
        Meaning::Delivered => Ok(None),
        Meaning::Refused => Ok(Some(said)),
        Meaning::Throttled => Err(ExportError::Throttled(Failure { reason: said, retry_after_ms })),
        Meaning::Unavailable => {
            Err(ExportError::Unavailable(Failure { reason: said, retry_after_ms }))
        }
        Meaning::Denied => Err(ExportError::Denied(said)),
        Meaning::Misconfigured => Err(ExportError::Misconfigured(format!("{said} Check `url`."))),
    }
}

/// The status of the answer, and the pause that the server asks for. Time limits are the host's.
async fn send(url: &str, body: Vec<u8>) -> wstd::http::Result<(u16, Option<u64>)> {
    let request = Request::post(url)
        .header("content-type", "application/x-ndjson")
        .header("content-length", body.len())
        .body(Body::from(body))?;
    let response = Client::new().send(request).await?;
    let status = response.status().as_u16();
    let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let pause = after.and_then(|seconds| seconds.parse::<u64>().ok()).map(|seconds| seconds * 1000);
    // To its end, so that the connection can serve the next request.
    response.into_body().contents().await?;
    Ok((status, pause))
}

fn reject(index: u32, reason: String) -> Undelivered {
    Undelivered { index, disposition: Disposition::Reject, reason }
}

fn retry(index: u32, reason: String) -> Undelivered {
    Undelivered { index, disposition: Disposition::Retry, reason }
}

fn reason(error: &ExportError) -> String {
    match error {
        ExportError::Unavailable(failure) | ExportError::Throttled(failure) => failure.reason.clone(),
        ExportError::Denied(reason) | ExportError::Misconfigured(reason) => reason.clone(),
    }
}
