//! A stream as simply as it can be said: segments of messages.

use std::collections::{BTreeMap, VecDeque};

use millstream_streams::{Cursor, Persistence, StrategyOnFull, StreamDefinition, message_size};

/// What the clock shows, and how long it has run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) shown: u64,
    pub(crate) ran: u64,
}

/// A message as simply as it can be said.
#[derive(Debug, Clone, Copy)]
struct ModelMessage {
    number: u64,
    ingest_time: u64,
    /// When it was taken, by a clock that is never corrected.
    taken: u64,
    size: usize,
}

/// A stream as simply as it can be said: segments of messages.
pub(crate) struct ModelStream {
    pub(crate) definition: StreamDefinition,
    segments: VecDeque<Vec<ModelMessage>>,
    pub(crate) tail: u64,
    pub(crate) cursors: BTreeMap<String, Cursor>,
}

impl ModelStream {
    pub(crate) fn new(definition: StreamDefinition) -> Self {
        let cursors = definition
            .exports
            .iter()
            .map(|export| (export.identifier.clone(), Cursor::starting_at(export.start)))
            .collect();
        Self {
            definition,
            segments: VecDeque::new(),
            tail: 0,
            cursors,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.segments
            .iter()
            .flatten()
            .map(|message| message_size(message.size))
            .sum()
    }

    pub(crate) fn head(&self) -> u64 {
        self.segments
            .front()
            .map_or(self.tail, |segment| segment[0].number)
    }

    pub(crate) fn append(&mut self, now: Now, sizes: &[usize]) -> Result<u64, &'static str> {
        let max = self.definition.max_size;
        if sizes.is_empty() || sizes.contains(&0) {
            return Err("empty");
        }
        if sizes.iter().any(|size| message_size(*size) > max) {
            return Err("too large");
        }
        let total: u64 = sizes.iter().map(|size| message_size(*size)).sum();
        if self.definition.strategy_on_full == StrategyOnFull::RejectNewData {
            if total > max {
                return Err("too large");
            }
            if self.bytes() + total > max {
                return Err("full");
            }
        }
        let first = self.tail;
        for &size in sizes {
            while self.bytes() + message_size(size) > max {
                self.segments.pop_front();
            }
            let message = ModelMessage {
                number: self.tail,
                ingest_time: now.shown,
                taken: now.ran,
                size,
            };
            let room = self.definition.segment_size;
            match self.segments.back_mut() {
                Some(last)
                    if last.iter().map(|m| message_size(m.size)).sum::<u64>()
                        + message_size(size)
                        <= room =>
                {
                    last.push(message);
                }
                _ => self.segments.push_back(vec![message]),
            }
            self.tail += 1;
        }
        Ok(first)
    }

    pub(crate) fn read(
        &self,
        start: u64,
        min: u64,
        max: u64,
        max_bytes: u64,
    ) -> Result<Vec<(u64, u64)>, &str> {
        let from = start.max(self.head());
        if self.tail.saturating_sub(from) < min {
            return Err(if start >= self.tail {
                "beyond"
            } else {
                "not enough"
            });
        }
        let mut bytes = 0;
        let mut read = Vec::new();
        for message in self.segments.iter().flatten() {
            if message.number < from {
                continue;
            }
            bytes += message.size as u64;
            if read.len() as u64 >= max || (bytes > max_bytes && !read.is_empty()) {
                break;
            }
            read.push((message.number, message.ingest_time));
        }
        Ok(read)
    }

    pub(crate) fn expire(&mut self, now: Now) {
        let Some(ttl) = self.definition.time_to_live_millis else {
            return;
        };
        while self
            .segments
            .front()
            .is_some_and(|segment| segment.iter().all(|message| message.taken + ttl < now.ran))
        {
            self.segments.pop_front();
        }
    }

    pub(crate) fn update(&mut self, definition: StreamDefinition) -> Result<(), &'static str> {
        if (self.definition.persistence == Persistence::Memory)
            != (definition.persistence == Persistence::Memory)
        {
            return Err("not allowed");
        }
        if definition.max_size < self.bytes() {
            return Err("invalid");
        }
        let start_of = |id: &str| {
            self.definition
                .exports
                .iter()
                .find(|e| e.identifier == id)
                .map(|e| e.start.get())
        };
        for export in &definition.exports {
            let start = export.start.get();
            let asks = start != 0 && start_of(&export.identifier) != Some(start);
            if asks && start + 1 >= self.tail {
                return Err("invalid");
            }
        }
        let cursors = definition
            .exports
            .iter()
            .map(|export| {
                let start = export.start.get();
                let stays = start == 0 || start_of(&export.identifier) == Some(start);
                let kept = stays
                    .then(|| self.cursors.get(&export.identifier).cloned())
                    .flatten();
                let cursor = kept.unwrap_or_else(|| Cursor::starting_at(export.start));
                (export.identifier.clone(), cursor)
            })
            .collect();
        self.cursors = cursors;
        self.definition = definition;
        Ok(())
    }
}
