//! Batches of every kind, towards a destination that is well.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_runtime::{Exporter, Message};

use super::Subject;
use super::delivery::{Fate, deliver, message, messages};
use crate::journal::{Finding, Otherwise, fails, holds};
use crate::words::{count, quoted, size, time};

/// The most that a host takes as one message, unless it is told otherwise.
const USUAL_MESSAGE: u64 = 16 << 20;
/// The most of a batch that is tried out.
const MOST_BYTES: u64 = 16 << 20;
const MOST_MESSAGES: u64 = 10_000;

/// A fresh exporter; that it opens was seen before.
pub(super) async fn fresh(subject: &Subject<'_>) -> Result<Exporter, Otherwise> {
    let stage = subject.stage;
    let config = subject.config.clone();
    let opened = stage.open(&subject.description, config, stage.options.limits);
    opened
        .await
        .map_err(|error| Otherwise::DoesNotHold(format!("Opened once more, {error}")))
}

/// A host never does it; an exporter has to survive it all the same, and to say nothing of messages that
/// are not there.
pub(super) async fn empty(subject: &Subject<'_>) -> Finding {
    let mut exporter = fresh(subject).await?;
    match exporter.export_as_it_is(&[]).await {
        Ok(_) => holds("Nothing is delivered, and nothing else happens."),
        Err(error) => fails(format!(
            "{error}. A batch without messages is delivered as it is: return an empty list."
        )),
    }
}

/// The answer is whether the kit's HTTP server has seen a request.
pub(super) async fn one_message(subject: &Subject<'_>) -> Finding<bool> {
    let mut exporter = fresh(subject).await?;
    let sink = &subject.stage.sink;
    let before = (sink.requests(), sink.bytes());
    let started = Instant::now();
    let fate = deliver(&mut exporter, &messages(subject, 0, 1, 0)).await;
    let took = time(started.elapsed());
    let (requests, bytes) = (sink.requests() - before.0, sink.bytes() - before.1);
    match fate.delivered() {
        Ok(()) if requests > 0 => {
            let requests = count(requests, "request");
            let bytes = size(bytes);
            let sentence =
                format!("Delivered within {took}: {requests} to the kit's HTTP server, {bytes}.");
            Ok((sentence, true))
        }
        Ok(()) => Ok((
            format!("Delivered within {took}, without a request to the kit's HTTP server."),
            false,
        )),
        Err(instead) => {
            let advice = match fate {
                Fate::Settled { .. } => {
                    "If it takes messages of one form only, give such a message with --payload"
                }
                _ => {
                    "Where it is to send to the kit's HTTP server, that is {{sink}} in --with; what else \
                     it needs to reach is given with --grant"
                }
            };
            fails(format!(
                "The message is not delivered: {instead}. {advice}."
            ))
        }
    }
}

/// As many messages and as many bytes as it takes.
pub(super) async fn full(subject: &Subject<'_>) -> Finding {
    let limits = subject.description.limits;
    let most = u64::from(limits.max_messages).min(MOST_MESSAGES);
    let bytes = limits.max_batch_bytes.min(MOST_BYTES);
    // The message alone may be longer than what such a batch leaves for each.
    let least = messages(subject, most, 1, 0);
    let least = least.first().map_or(1, |one| one.payload.len() as u64);
    let each = (bytes / most).clamp(least, limits.max_message_bytes.max(least));
    let number = most.min((bytes / each).max(1));
    let batch = messages(
        subject,
        0,
        number,
        usize::try_from(each).unwrap_or_default(),
    );
    let mut exporter = fresh(subject).await?;
    let started = Instant::now();
    let fate = deliver(&mut exporter, &batch).await;
    let what = format!("{} and {}", count(number, "message"), size(total(&batch)));
    match fate.delivered() {
        Ok(()) => holds(format!(
            "{what} are delivered within {}.",
            time(started.elapsed())
        )),
        Err(instead) => fails(format!(
            "Of {what}, which its limits allow, not all are delivered: {instead}."
        )),
    }
}

/// One message as large as it takes.
pub(super) async fn largest_message(subject: &Subject<'_>) -> Finding {
    let limit = subject.description.limits.max_message_bytes;
    let bytes = limit.min(USUAL_MESSAGE);
    let batch = messages(subject, 0, 1, usize::try_from(bytes).unwrap_or_default());
    let mut exporter = fresh(subject).await?;
    let beyond = match limit > bytes {
        true => format!(
            " (its limit is {}; a host takes that much by default)",
            size(limit)
        ),
        false => String::new(),
    };
    let what = format!("A message of {}{beyond}", size(bytes));
    settled(&deliver(&mut exporter, &batch).await, &what, "")
}

/// Bytes that are no text.
pub(super) async fn binary_payload(subject: &Subject<'_>) -> Finding {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(512).collect();
    let limit = subject.description.limits.max_message_bytes;
    let length = usize::try_from(limit)
        .unwrap_or(bytes.len())
        .min(bytes.len());
    let bytes = bytes.get(..length).unwrap_or_default();
    let mut exporter = fresh(subject).await?;
    let fate = deliver(&mut exporter, &[message(0, bytes.to_vec().into())]).await;
    let sink = &subject.stage.sink;
    let base64 = STANDARD.encode(bytes);
    let seen = if sink.has_seen(bytes) {
        ", byte for byte"
    } else if sink.has_seen(base64.as_bytes()) {
        ", in base64"
    } else {
        ""
    };
    settled(&fate, "A message of all bytes there are", seen)
}

/// Delivered, or rejected with a reason: both keep the stream going.
fn settled(fate: &Fate, what: &str, how: &str) -> Finding {
    match fate {
        Fate::Settled { rejected } => match rejected.first() {
            None => holds(format!("{what} is delivered{how}.")),
            Some(reason) if reason.trim().is_empty() => fails(format!(
                "{what} is rejected without a reason. An operator has to read why."
            )),
            Some(reason) => holds(format!(
                "{what} is rejected, with a reason: {}.",
                quoted(reason)
            )),
        },
        Fate::Waits { reason, .. } => fails(format!(
            "{what} would come again for ever: {}. What can never be delivered is to be rejected.",
            quoted(reason)
        )),
        Fate::Broken(reason) => fails(format!("{what}: {reason}.")),
    }
}

/// After a crash, or an answer that was lost, the same messages come again.
pub(super) async fn repeated(subject: &Subject<'_>) -> Finding {
    let most = u64::from(subject.description.limits.max_messages);
    let batch = messages(subject, 7, most.min(3), 0);
    let mut exporter = fresh(subject).await?;
    if let Err(instead) = deliver(&mut exporter, &batch).await.delivered() {
        return fails(format!("The batch is not delivered: {instead}."));
    }
    if let Err(instead) = deliver(&mut exporter, &batch).await.delivered() {
        return fails(format!(
            "Handed over again, the batch is not delivered: {instead}."
        ));
    }
    // Nothing may hang on what the instance has in memory.
    let mut exporter = fresh(subject).await?;
    match deliver(&mut exporter, &batch).await.delivered() {
        Ok(()) => holds("The same messages are delivered again, also by a new instance."),
        Err(instead) => fails(format!(
            "Handed over again to a new instance, the batch is not delivered: {instead}."
        )),
    }
}

fn total(batch: &[Message]) -> u64 {
    batch
        .iter()
        .map(|message| message.payload.len() as u64)
        .sum()
}
