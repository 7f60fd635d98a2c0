//! What many calls cost.

use std::time::{Duration, Instant};

use millstream_runtime::Limits;

use super::Subject;
use super::batches::fresh;
use super::delivery::{deliver, messages};
use crate::journal::{Event, Finding, Otherwise, fails, holds, not_applicable};
use crate::words::{count, size, time as spoken};

/// After so many batches an exporter has what it needs.
const SETTLED: u64 = 100;
/// Messages of each batch while the memory is watched.
const SMALL: u64 = 2;
/// What may come on top of it all the same: what an allocator keeps, or a garbage collector, is no leak.
const SLACK: u64 = 1 << 20;

/// The memory after many batches is that after a few.
pub(super) async fn memory(subject: &Subject<'_>, observer: &dyn Fn(Event<'_>)) -> Finding {
    let stage = subject.stage;
    // An instance that grows would be made anew, and its growth would not show.
    let limits = Limits {
        recycle_above: u64::MAX,
        ..stage.options.limits
    };
    let opened = stage.open(&subject.description, subject.config.clone(), limits);
    let mut exporter = opened
        .await
        .map_err(|error| Otherwise::DoesNotHold(format!("Opened once more, {error}")))?;
    let wanted = stage.options.batches;
    let each = SMALL.min(u64::from(subject.description.limits.max_messages));
    let started = Instant::now();
    let mut shown = started;
    let (mut early, mut latest, mut renewed) = (0, 0, 0);
    let mut done = 0;
    while done < wanted && started.elapsed() < stage.options.batches_within {
        let batch = messages(subject, done * each, each, 0);
        if let Err(instead) = deliver(&mut exporter, &batch).await.delivered() {
            return fails(format!("Batch {} is not delivered: {instead}.", done + 1));
        }
        done += 1;
        match exporter.memory() {
            Some(memory) => latest = memory,
            None => renewed += 1,
        }
        if done <= SETTLED {
            early = latest;
        }
        if shown.elapsed() >= Duration::from_secs(1) {
            shown = Instant::now();
            observer(Event::Progress(&format!(
                "{done} of {wanted} batches, {}",
                size(latest)
            )));
        }
    }
    if done <= SETTLED {
        return not_applicable(format!(
            "Only {done} of {wanted} batches were handed over in {}; ask for more than {SETTLED} with \
             --batches, and give it time with --batches-within.",
            spoken(started.elapsed())
        ));
    }
    let renewals = match renewed {
        0 => String::new(),
        _ => format!(
            "; the host made the instance anew {}, because it held many resources of the host",
            count(renewed, "time")
        ),
    };
    let sentence = format!(
        "{} after {SETTLED} batches, {} after {done}{renewals}",
        size(early),
        size(latest)
    );
    if latest > early + SLACK + early / 20 {
        return fails(format!(
            "{sentence}: it grows by about {} a batch. Keep nothing from call to call.",
            size((latest - early) / (done - SETTLED))
        ));
    }
    holds(format!("{sentence}."))
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
