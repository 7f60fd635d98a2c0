//! A destination that is slow or fails: nothing may count as delivered that is not, nothing may be
//! rejected for it, and afterwards the work goes on.

use std::time::{Duration, Instant};

use millstream_runtime::Limits;

use super::Subject;
use super::batches::fresh;
use super::delivery::{Fate, deliver, messages};
use crate::journal::{Finding, Journal, Otherwise, fails, holds};
use crate::sink::{Answer, Sink};
use crate::words::{quoted, time};

/// The checks of this module, in their order.
pub(super) const CHECKS: [&str; 6] = [
    "slow-destination",
    "silent-destination",
    "status-500",
    "status-503",
    "closed-connection",
    "garbage-answer",
];

/// How long a slow destination takes for an answer.
const SLOW: Duration = Duration::from_millis(1500);
/// The time limit of a call while the destination says nothing; a host gives a minute. The host gives
/// half of it to a request that sets no limit of its own.
const SHORT_CALL: Duration = Duration::from_secs(6);
/// The pause that the sink asks for with 503, in seconds.
const PAUSE: u64 = 7;

pub(super) async fn run(subject: &Subject<'_>, journal: &mut Journal<'_>) {
    journal.check("slow-destination", slow(subject)).await;
    journal.check("silent-destination", silent(subject)).await;
    let failing = [
        ("status-500", Answer::Status(500, None), "Answered with 500"),
        (
            "status-503",
            Answer::Status(503, Some(PAUSE)),
            "Answered with 503",
        ),
        (
            "closed-connection",
            Answer::Close,
            "With the connection closed instead of an answer",
        ),
        (
            "garbage-answer",
            Answer::Garbage,
            "Answered with bytes that are not HTTP",
        ),
    ];
    for (name, answer, what) in failing {
        journal
            .check(name, fails_and_recovers(subject, answer, what))
            .await;
    }
}

/// Makes the sink answer well again.
struct Restored<'a>(&'a Sink);

impl<'a> Restored<'a> {
    fn after(sink: &'a Sink, answer: Answer) -> Self {
        sink.answer(answer);
        Self(sink)
    }
}

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        self.0.answer(Answer::Good);
    }
}

async fn slow(subject: &Subject<'_>) -> Finding {
    let mut exporter = fresh(subject).await?;
    let _restored = Restored::after(&subject.stage.sink, Answer::Slow(SLOW));
    let started = Instant::now();
    let fate = deliver(&mut exporter, &messages(subject, 0, 1, 0)).await;
    match fate.delivered() {
        Ok(()) => holds(format!(
            "It waits for the answer; the call took {}.",
            time(started.elapsed())
        )),
        Err(instead) => fails(format!(
            "The answer came after {}, and the message is not delivered: {instead}.",
            time(SLOW)
        )),
    }
}

/// It has to give up before the host cuts it off: only then an operator reads why.
async fn silent(subject: &Subject<'_>) -> Finding {
    let stage = subject.stage;
    let limits = Limits {
        call_deadline: stage.options.limits.call_deadline.min(SHORT_CALL),
        ..stage.options.limits
    };
    let opened = stage.open(&subject.description, subject.config.clone(), limits);
    let mut exporter = opened
        .await
        .map_err(|error| Otherwise::DoesNotHold(format!("Opened once more, {error}")))?;
    let restored = Restored::after(&stage.sink, Answer::Silent);
    let started = Instant::now();
    let batch = messages(subject, 0, 1, 0);
    let fate = deliver(&mut exporter, &batch).await;
    let after = time(started.elapsed());
    drop(restored);
    let sentence = match fate {
        Fate::Waits { reason, .. } => {
            format!(
                "It gives up after {after} of {}: {}",
                time(limits.call_deadline),
                quoted(&reason)
            )
        }
        Fate::Settled { rejected } if rejected.is_empty() => {
            return fails("The destination said nothing, and the message counts as delivered.");
        }
        Fate::Settled { .. } => {
            return fails(
                "The destination said nothing, and the message is rejected, so it is lost.",
            );
        }
        Fate::Broken(reason) => {
            return fails(format!(
                "{reason}. Leave time limits to the host, or set one below that of the call, and return \
                 `unavailable`."
            ));
        }
    };
    recovered(deliver(&mut exporter, &batch).await, sentence)
}

async fn fails_and_recovers(subject: &Subject<'_>, answer: Answer, what: &str) -> Finding {
    let mut exporter = fresh(subject).await?;
    let sink = &subject.stage.sink;
    let restored = Restored::after(sink, answer);
    let batch = messages(subject, 0, 1, 0);
    let fate = deliver(&mut exporter, &batch).await;
    drop(restored);
    let sentence = match fate {
        Fate::Waits {
            reason,
            rejected,
            pause,
        } if rejected.is_empty() => {
            let pause = match (pause, answer) {
                (Some(pause), _) => {
                    format!(", after the pause of {} that was asked for", time(pause))
                }
                (None, Answer::Status(_, Some(_))) => {
                    ", though without the pause of `retry-after`".to_owned()
                }
                (None, _) => String::new(),
            };
            format!(
                "{what}, the message is to come again{pause}: {}",
                quoted(&reason)
            )
        }
        Fate::Settled { rejected } if rejected.is_empty() => {
            return fails(format!(
                "{what}, the message counts as delivered. It is so only when the destination has \
                 acknowledged it."
            ));
        }
        Fate::Settled { rejected } | Fate::Waits { rejected, .. } => {
            let reason = rejected
                .first()
                .map_or_else(String::new, |reason| quoted(reason));
            return fails(format!(
                "{what}, the message is rejected, {reason}, and lost, though it may succeed later."
            ));
        }
        Fate::Broken(reason) => return fails(format!("{what}: {reason}.")),
    };
    recovered(deliver(&mut exporter, &batch).await, sentence)
}

/// The same exporter has to deliver once the destination is well.
fn recovered(fate: Fate, sentence: String) -> Finding {
    match fate.delivered() {
        Ok(()) => holds(format!("{sentence}; then it is delivered.")),
        Err(instead) => fails(format!(
            "{sentence}. But when the destination is well again, it is not delivered: {instead}."
        )),
    }
}
