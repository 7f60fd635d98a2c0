//! The checks of webhooks: components that make messages of HTTP requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response};
use millstream_runtime::{RuntimeError, StreamPattern, Webhook, WebhookSettings};
use tokio::sync::watch;

use crate::journal::{Finding, Journal, fails, holds, not_applicable};
use crate::stage::Stage;
use crate::words::{count, quoted, time as spoken};

/// Those that need a webhook that answers.
const REQUESTS: [&str; 5] = [
    "binary-body",
    "empty-body",
    "large-body",
    "other-method",
    "time",
];
/// The longest that a request may take.
const TIME: Duration = Duration::from_secs(10);
const LARGE: usize = 1 << 20;

/// Puts a webhook through all checks.
pub(crate) async fn run(stage: &Stage, journal: &mut Journal<'_>) {
    let (_stop, stopped) = watch::channel(false);
    let opened = async {
        match open(stage, stopped) {
            Ok(webhook) => Ok(("It can be called.".to_owned(), webhook)),
            Err(error) => fails(error.to_string()),
        }
    };
    let Some(webhook) = journal.check("start", opened).await else {
        journal.leave_out(&["one-message"], "It cannot be called.");
        journal.leave_out(&REQUESTS, "It cannot be called.");
        return;
    };
    let payload = stage.options.payload.as_deref();
    let payload = payload.unwrap_or(r#"{"number":1,"value":21.5}"#).to_owned();
    let posted = one_message(stage, &webhook, payload.clone());
    if journal.check("one-message", posted).await.is_none() {
        journal.leave_out(&REQUESTS, "It has to take one message first.");
        return;
    }
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    let survives = |method, body: Vec<u8>| survives(&webhook, method, body.into());
    journal
        .check("binary-body", survives(Method::POST, bytes))
        .await;
    journal
        .check("empty-body", survives(Method::POST, Vec::new()))
        .await;
    journal
        .check("large-body", survives(Method::POST, vec![b'x'; LARGE]))
        .await;
    journal
        .check("other-method", survives(Method::DELETE, Vec::new()))
        .await;
    journal.check("time", time(&webhook, payload)).await;
}

fn open(stage: &Stage, stop: watch::Receiver<bool>) -> Result<Webhook, RuntimeError> {
    let component = &stage.component;
    let mut grants = stage.grants();
    grants.append.push(StreamPattern::new("*"));
    grants.read.push(StreamPattern::new("*"));
    let mut args = vec![component.name().to_owned()];
    args.extend(stage.options.args.iter().cloned());
    component.webhook(WebhookSettings {
        label: format!("{} (kit)", component.name()),
        args,
        env: Vec::new(),
        grants,
        limits: stage.options.limits,
        time: TIME,
        streams: Arc::clone(&stage.streams) as _,
        stop,
    })
}

async fn call(webhook: &Webhook, method: Method, body: Bytes) -> Result<Response<Bytes>, String> {
    let request = Request::builder()
        .method(method)
        .uri("http://kit.local/hooks/kit")
        .header("host", "kit.local")
        .header("content-type", "application/octet-stream")
        .header("content-length", body.len())
        .body(body)
        .map_err(|error| error.to_string())?;
    webhook
        .answer(request)
        .await
        .map_err(|error| error.to_string())
}

/// A POST is answered with success, and appends something.
async fn one_message(stage: &Stage, webhook: &Webhook, payload: String) -> Finding {
    let response = match call(webhook, Method::POST, payload.into()).await {
        Ok(response) => response,
        Err(error) => return fails(error),
    };
    let status = response.status();
    let body = quoted(&String::from_utf8_lossy(response.body()));
    if !status.is_success() {
        return fails(format!(
            "A POST is answered with {status}: {body}. What it needs is given as arguments behind `--`, and \
             a body of another form with --payload."
        ));
    }
    let names = stage.streams.names();
    match names.first() {
        Some(name) => holds(format!("Answered with {status}, and appended to `{name}`.")),
        None => not_applicable(format!("Answered with {status}, and nothing was appended.")),
    }
}

/// Whatever comes is answered, and not with a crash.
async fn survives(webhook: &Webhook, method: Method, body: Bytes) -> Finding {
    match call(webhook, method, body).await {
        Ok(response) if response.status().as_u16() != 500 => {
            holds(format!("Answered with {}.", response.status()))
        }
        Ok(_) => {
            fails("Answered with 500: say what is wrong with a request in a status from 400 on.")
        }
        Err(error) => fails(format!("{error} A client may send anything; answer it.")),
    }
}

async fn time(webhook: &Webhook, payload: String) -> Finding {
    const CALLS: usize = 100;
    let mut times = Vec::with_capacity(CALLS);
    let body = Bytes::from(payload);
    let started = Instant::now();
    while times.len() < CALLS && started.elapsed() < TIME {
        let called = Instant::now();
        if let Err(error) = call(webhook, Method::POST, body.clone()).await {
            return fails(error);
        }
        times.push(called.elapsed());
    }
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    holds(format!(
        "Median {}, over {}, each in an instance of its own.",
        spoken(median),
        count(times.len() as u64, "call")
    ))
}
