//! What many batches cost in memory: an instance grows until it has what it needs, and then no more.

use std::time::{Duration, Instant};

use millstream_runtime::Limits;

use crate::journal::{Event, Finding, Otherwise, fails, holds, not_applicable};
use crate::options::Options;
use crate::words::{count, size, time};

/// After so many batches an instance has what it needs; the further ones are watched.
const SETTLED: u64 = 100;
/// So many have to be watched before growth counts as one that goes on.
const WATCHED_TO_FAIL: u64 = 20;
/// So many have to be watched before it counts that there is none.
const WATCHED_TO_HOLD: u64 = 100;
/// What may come on top in all, in bytes, beside a twentieth of what was there: what an allocator keeps, or
/// a garbage collector, is no leak.
const SLACK: u64 = 1 << 20;
/// What may come on top in each of so many equal parts of the watched batches, in bytes a batch. Memory
/// grows by pages, and an allocator takes many at once, but not again and again.
const STEADY: u64 = 1 << 10;
const PARTS: u64 = 4;

/// Limits under which an instance that grows is not made anew, since its growth would not show then.
pub(crate) fn unrenewed(limits: Limits) -> Limits {
    Limits {
        recycle_above: u64::MAX,
        ..limits
    }
}

/// Hands over as many batches as are wanted, or as fit into the time, and judges the memory.
///
/// `hand_over` does it with the batch of this number, from 0, and returns the memory of the instance
/// afterwards; none if the host has given the instance up.
pub(crate) async fn watch(
    options: &Options,
    observer: &dyn Fn(Event<'_>),
    mut hand_over: impl AsyncFnMut(u64) -> Result<Option<u64>, Otherwise>,
) -> Finding {
    let wanted = options.batches;
    let started = Instant::now();
    let mut shown = started;
    let mut record = Record::default();
    while record.batches < wanted && started.elapsed() < options.batches_within {
        let memory = hand_over(record.batches).await?;
        record.add(memory);
        if shown.elapsed() >= Duration::from_secs(1) {
            shown = Instant::now();
            observer(Event::Progress(&format!(
                "{} of {wanted} batches, {}",
                record.batches,
                size(record.present.latest())
            )));
        }
    }
    record.finding(wanted, started.elapsed())
}

/// The memory after each batch, over all instances that worked on them.
#[derive(Debug, Default)]
struct Record {
    batches: u64,
    /// How often the host made the instance anew.
    renewals: u64,
    /// The instance that works.
    present: Life,
    /// The one before it that worked longest.
    longest_past: Life,
}

impl Record {
    /// A batch is done; none if the instance is gone after it. Memory never shrinks while an instance
    /// lives: with less there is another one.
    fn add(&mut self, memory: Option<u64>) {
        self.batches += 1;
        if memory.is_none_or(|memory| memory < self.present.latest()) {
            self.renewals += 1;
            let past = std::mem::take(&mut self.present);
            if past.batches > self.longest_past.batches {
                self.longest_past = past;
            }
        }
        if let Some(memory) = memory {
            self.present.add(memory);
        }
    }

    /// The instance that tells most.
    fn longest(&self) -> &Life {
        if self.longest_past.batches > self.present.batches {
            &self.longest_past
        } else {
            &self.present
        }
    }

    fn finding(&self, wanted: u64, took: Duration) -> Finding {
        let life = self.longest();
        let seen = format!(
            "{} after {SETTLED} batches, {} after {}",
            size(life.after(SETTLED)),
            size(life.latest()),
            life.batches
        );
        let beside = self.beside(wanted, took);
        match life.course() {
            Course::Unknown => {
                let enough = SETTLED + WATCHED_TO_HOLD;
                let advice = if self.batches < wanted {
                    "; give it time with --batches-within"
                } else if wanted < enough {
                    "; ask for more with --batches"
                } else {
                    ""
                };
                not_applicable(format!(
                    "It takes {enough} batches of one instance to say that its memory does not grow, and it \
                     did {}{advice}.{beside}",
                    life.batches
                ))
            }
            Course::Keeps if life.growth() == 0 => {
                holds(format!("{seen}: it does not grow.{beside}"))
            }
            Course::Keeps => holds(format!(
                "{seen}: it grows by {} in all, {} a batch, which is no more than allocators keep.{beside}",
                size(life.growth()),
                size(life.growth_per_batch())
            )),
            Course::Grows => fails(format!(
                "{seen}: it grows by {} a batch. Keep nothing from call to call.{beside}",
                size(life.growth_per_batch())
            )),
        }
    }

    /// What keeps the finding from being about all batches and one instance.
    fn beside(&self, wanted: u64, took: Duration) -> String {
        let mut text = String::new();
        if self.batches < wanted {
            text = format!(
                " Only {} of {wanted} batches were handed over, as many as fit into {}.",
                self.batches,
                time(took)
            );
        }
        if self.renewals > 0 {
            text += &format!(
                " The host made the instance anew {}, because it held many resources of the host; this is \
                 about the one that lived longest.",
                count(self.renewals, "time")
            );
        }
        text
    }
}

/// What the memory of an instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// It did too few batches to tell.
    Unknown,
    /// It keeps what it has, but for what an allocator may do.
    Keeps,
    /// It goes on growing.
    Grows,
}

/// The memory of one instance.
#[derive(Debug, Default)]
struct Life {
    batches: u64,
    /// After which of its batches, from 1, the memory was not what it was before, and what it was then.
    steps: Vec<(u64, u64)>,
}

impl Life {
    fn add(&mut self, memory: u64) {
        self.batches += 1;
        if self.steps.is_empty() || self.latest() != memory {
            self.steps.push((self.batches, memory));
        }
    }

    fn latest(&self) -> u64 {
        self.steps.last().map_or(0, |(_, memory)| *memory)
    }

    /// The memory after so many of its batches.
    fn after(&self, batches: u64) -> u64 {
        let mut steps = self.steps.iter();
        let step = steps.rfind(|(batch, _)| *batch <= batches);
        step.map_or(0, |(_, memory)| *memory)
    }

    fn watched(&self) -> u64 {
        self.batches.saturating_sub(SETTLED)
    }

    /// What has come on top while it was watched.
    fn growth(&self) -> u64 {
        self.latest().saturating_sub(self.after(SETTLED))
    }

    fn growth_per_batch(&self) -> u64 {
        self.growth() / self.watched().max(1)
    }

    /// It grows if it has grown by more than an allocator keeps, or in every part of the time that it was
    /// watched.
    fn course(&self) -> Course {
        let watched = self.watched();
        if watched < WATCHED_TO_FAIL {
            return Course::Unknown;
        }
        let is_beyond_slack = self.growth() > SLACK + self.after(SETTLED) / 20;
        let is_steady = (0..PARTS).all(|part| {
            let [from, to] = [part, part + 1].map(|part| SETTLED + watched * part / PARTS);
            self.after(to).saturating_sub(self.after(from)) > STEADY * (to - from)
        });
        if is_beyond_slack || is_steady {
            Course::Grows
        } else if watched < WATCHED_TO_HOLD {
            Course::Unknown
        } else {
            Course::Keeps
        }
    }
}

#[cfg(test)]
mod tests;
