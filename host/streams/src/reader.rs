//! Reading: never consumes, never waits for the writer.

use std::sync::Arc;
use std::time::Duration;

use crate::chunk::Chunk;
use crate::engine::Engine;
use crate::error::Error;
use crate::stream::Stream;
use crate::types::{Message, SequenceNumber};

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions {
    /// The first number wanted; the oldest message that is there, if this one is gone.
    pub start: SequenceNumber,
    /// Fail unless this many messages are there; at least 1.
    pub min: u64,
    /// Return at most this many; at least `min`.
    pub max: u64,
    /// Stop before the payloads exceed this many bytes, though never before one message, but before
    /// `min` if need be.
    pub max_bytes: u64,
    /// How long to wait for `min` messages.
    pub wait: Duration,
}

/// Where the engine itself cannot read a chunk, not even its key, this many numbers are given up at
/// a time until something is readable again.
const UNREADABLE_STEP: u64 = 1000;

/// Whether there may be enough to read: as many numbers as messages are asked for.
pub(crate) fn check(stream: &Stream, options: &ReadOptions) -> Result<(), Error> {
    if options.min == 0 || options.min > options.max {
        return Err(Error::InvalidReadRange);
    }
    let state = stream.state();
    let position = state.position;
    if state.deleted {
        Err(Error::NotFound {
            name: stream.name.to_string(),
        })
    } else if position.tail - options.start.max(position.head) >= options.min {
        Ok(())
    } else if options.start >= position.tail {
        Err(Error::BeyondEnd)
    } else {
        Err(Error::NotEnoughMessages)
    }
}

/// Waits until the stream goes on beyond `seen` and [`check`] has something else to say, or the time
/// is up.
pub(crate) async fn wait(
    stream: &Stream,
    options: &ReadOptions,
    seen: SequenceNumber,
    time: Duration,
) {
    let mut state = stream.subscribe();
    let more = state.wait_for(|state| {
        let position = state.position;
        let numbers = position.tail - options.start.max(position.head);
        state.deleted || (position.tail > seen && numbers >= options.min)
    });
    // Whatever ends the wait, the next look at the stream tells it.
    let _ = tokio::time::timeout(time, more).await;
}

/// Reads what is there, from `start` or the oldest message on. It may block on the disk.
pub(crate) fn read(
    engine: &Engine,
    stream: &Arc<Stream>,
    options: &ReadOptions,
) -> Result<Vec<Message>, Error> {
    let position = stream.position();
    let from = options.start.max(position.head);
    match stream.id {
        Some(id) => {
            let chunks = engine.chunks(id, position.head, from);
            collect(chunks, from, position.tail, options)
        }
        None => {
            let memory = stream.memory();
            let first = memory
                .range(..=from)
                .next_back()
                .map_or(from, |(base, _)| *base);
            let chunks = memory.range(first..).map(|(_, chunk)| Ok(chunk.clone()));
            collect(chunks, from, position.tail, options)
        }
    }
}

/// Takes messages out of chunks. Numbers that are missing between two chunks were deleted by
/// retention or reported as lost when the store opened; reading steps over them, and so there may be
/// fewer messages than numbers. It returns fewer than the minimum only where their bytes are too many.
fn collect(
    chunks: impl Iterator<Item = Result<Chunk, Option<SequenceNumber>>>,
    from: SequenceNumber,
    tail: SequenceNumber,
    options: &ReadOptions,
) -> Result<Vec<Message>, Error> {
    let mut messages = Vec::new();
    let mut bytes = 0_u64;
    let mut expected = from;
    // Where an unreadable chunk begins; it ends where the next readable one does.
    let mut damaged: Option<SequenceNumber> = None;
    for found in chunks {
        match found {
            Ok(chunk) => {
                if let Some(first) = damaged {
                    return damage(first, chunk.header().base);
                }
                for message in chunk.messages() {
                    if message.sequence_number < from {
                        continue;
                    }
                    bytes += message.payload.len() as u64;
                    let full = messages.len() as u64 >= options.max;
                    let heavy = bytes > options.max_bytes && !messages.is_empty();
                    if full || heavy {
                        return Ok(messages);
                    }
                    if message.sequence_number >= tail {
                        return enough(messages, options);
                    }
                    expected = message.sequence_number + 1;
                    messages.push(message);
                }
            }
            Err(_) if messages.len() as u64 >= options.min => return Ok(messages),
            Err(base) => {
                let first = damaged.or(base).unwrap_or(expected).max(from);
                damaged = Some(first);
                if base.is_none() {
                    return damage(first, (first + UNREADABLE_STEP).min(tail));
                }
            }
        }
    }
    match damaged {
        Some(first) => damage(first, tail),
        None if messages.is_empty() && from < tail => damage(from, tail),
        None => enough(messages, options),
    }
}

/// All messages that there are, if they are as many as were asked for.
fn enough(messages: Vec<Message>, options: &ReadOptions) -> Result<Vec<Message>, Error> {
    if messages.len() as u64 >= options.min {
        Ok(messages)
    } else {
        Err(Error::NotEnoughMessages)
    }
}

fn damage(first: SequenceNumber, end: SequenceNumber) -> Result<Vec<Message>, Error> {
    Err(Error::Damaged {
        first,
        last: end.previous().unwrap_or(first).max(first),
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::chunk::Builder;
    use crate::types::Timestamp;

    type Found = Result<Chunk, Option<SequenceNumber>>;

    fn number(number: u64) -> SequenceNumber {
        SequenceNumber::new(number)
    }

    fn chunk(base: u64, payloads: &[&'static str]) -> Found {
        let mut builder = Builder::new(number(base));
        for payload in payloads {
            builder.push(payload.as_bytes());
        }
        let (_, bytes) = builder.finish(number(0), 0, Timestamp::default());
        Ok(Chunk::decode(bytes).unwrap())
    }

    fn take(chunks: Vec<Found>, from: u64, max: u64, max_bytes: u64) -> Result<Vec<Bytes>, Error> {
        take_at_least(1, chunks, from, max, max_bytes)
    }

    fn take_at_least(
        min: u64,
        chunks: Vec<Found>,
        from: u64,
        max: u64,
        max_bytes: u64,
    ) -> Result<Vec<Bytes>, Error> {
        let options = ReadOptions {
            start: number(from),
            min,
            max,
            max_bytes,
            wait: Duration::ZERO,
        };
        let messages = collect(chunks.into_iter(), number(from), number(9), &options)?;
        Ok(messages
            .into_iter()
            .map(|message| message.payload)
            .collect())
    }

    #[test]
    fn a_read_stops_at_its_count_its_bytes_and_the_tail() {
        let chunks = || vec![chunk(5, &["aa", "bb"]), chunk(7, &["cc", "dd", "beyond"])];
        assert_eq!(take(chunks(), 6, 2, 100).unwrap(), ["bb", "cc"]);
        assert_eq!(take(chunks(), 5, 10, 3).unwrap(), ["aa"]);
        assert_eq!(
            take(chunks(), 5, 10, 1).unwrap(),
            ["aa"],
            "one message whatever its size"
        );
        assert_eq!(
            take(chunks(), 5, 10, 100).unwrap(),
            ["aa", "bb", "cc", "dd"]
        );
    }

    #[test]
    fn a_damaged_chunk_is_reported_with_its_numbers_after_what_is_before_it() {
        let chunks = || vec![chunk(0, &["a"]), Err(Some(number(1))), chunk(4, &["e"])];
        assert_eq!(take(chunks(), 0, 10, 100).unwrap(), ["a"]);
        let rest = chunks().split_off(1);
        let expected = Error::Damaged {
            first: number(1),
            last: number(3),
        };
        assert_eq!(take(rest, 1, 10, 100), Err(expected));
        let expected = Error::Damaged {
            first: number(1),
            last: number(8),
        };
        assert_eq!(take(vec![Err(Some(number(1)))], 1, 10, 100), Err(expected));
    }

    #[test]
    fn a_minimum_counts_messages_and_not_numbers() {
        let gap = || vec![chunk(0, &["a"]), chunk(6, &["b"])];
        assert_eq!(take_at_least(2, gap(), 0, 9, 9).unwrap(), ["a", "b"]);
        assert_eq!(
            take_at_least(3, gap(), 0, 9, 9),
            Err(Error::NotEnoughMessages)
        );
        let damaged = || vec![chunk(0, &["a"]), Err(Some(number(1))), chunk(4, &["e"])];
        let expected = Error::Damaged {
            first: number(1),
            last: number(3),
        };
        assert_eq!(take_at_least(2, damaged(), 0, 9, 9), Err(expected));
        let heavy = || vec![chunk(0, &["aa", "bb"])];
        assert_eq!(take_at_least(2, heavy(), 0, 9, 3).unwrap(), ["aa"]);
    }

    #[test]
    fn numbers_that_are_known_to_be_lost_are_stepped_over() {
        assert_eq!(
            take(vec![chunk(0, &["a"]), chunk(6, &["b"])], 0, 10, 9).unwrap(),
            ["a", "b"]
        );
    }
}
