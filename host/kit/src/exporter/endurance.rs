//! What many calls cost.

use std::time::{Duration, Instant};

use super::Subject;
use super::batches::fresh;
use super::delivery::{deliver, messages};
use crate::journal::{Event, Finding, Otherwise, fails, holds};
use crate::memory::{unrenewed, watch};
use crate::words::{count, size, time as spoken};

/// Messages of each batch while the memory is watched.
const SMALL: u64 = 2;

/// The memory after many batches is that after a few.
pub(super) async fn memory(subject: &Subject<'_>, observer: &dyn Fn(Event<'_>)) -> Finding {
    let stage = subject.stage;
    let limits = unrenewed(stage.options.limits);
    let opened = stage.open(&subject.description, subject.config.clone(), limits);
    let mut exporter = opened
        .await
        .map_err(|error| Otherwise::DoesNotHold(format!("Opened once more, {error}")))?;
    let each = SMALL.min(u64::from(subject.description.limits.max_messages));
    watch(&stage.options, observer, async |number| {
        let batch = messages(subject, number * each, each, 0);
        match deliver(&mut exporter, &batch).await.delivered() {
            Ok(()) => Ok(exporter.memory()),
            Err(instead) => Err(Otherwise::DoesNotHold(format!(
                "Batch {} is not delivered: {instead}.",
                number + 1
            ))),
        }
    })
    .await
}

/// How long a call takes that hands over 500 messages of 1 KiB, or what its limits allow of that.
pub(super) async fn time(subject: &Subject<'_>) -> Finding {
    const CALLS: usize = 100;
    const WITHIN: Duration = Duration::from_secs(10);
    let limits = subject.description.limits;
    let each = limits.max_message_bytes.min(1 << 10);
    let number = u64::from(limits.max_messages)
        .min(500)
        .min((limits.max_batch_bytes / each).max(1));
    let batch = messages(
        subject,
        0,
        number,
        usize::try_from(each).unwrap_or_default(),
    );
    let mut exporter = fresh(subject).await?;
    let started = Instant::now();
    let mut times = Vec::with_capacity(CALLS);
    while times.len() < CALLS && started.elapsed() < WITHIN {
        let call = Instant::now();
        if let Err(instead) = deliver(&mut exporter, &batch).await.delivered() {
            return fails(format!("A batch is not delivered: {instead}."));
        }
        times.push(call.elapsed());
    }
    times.sort_unstable();
    let at = |percent: usize| {
        let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(place).copied().unwrap_or_default()
    };
    holds(format!(
        "Median {}, 99th percentile {}, over {} with {} of {}.",
        spoken(at(50)),
        spoken(at(99)),
        count(times.len() as u64, "call"),
        count(number, "message"),
        size(each)
    ))
}
