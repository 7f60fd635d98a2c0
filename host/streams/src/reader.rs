//! Reading: never consumes, never waits for the writer.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::chunk::Chunk;
use crate::engine::{Engine, Unreadable};
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
///
/// Fewer messages than the minimum come back only where their bytes are the reason. Where damage is,
/// the read fails and says which messages stand in its way (protocol specification, 6.2): a start
/// behind them, or a minimum that ends before them, gets the others.
pub(crate) fn read(
    engine: &Engine,
    stream: &Arc<Stream>,
    options: &ReadOptions,
) -> Result<Vec<Message>, Error> {
    loop {
        let position = stream.position();
        let from = options.start.max(position.head);
        if position.tail - from < options.min {
            return Err(match options.start >= position.tail {
                true => Error::BeyondEnd,
                false => Error::NotEnoughMessages,
            });
        }
        let found = match stream.id {
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
        };
        match found {
            Ok(Some(messages)) => return Ok(messages),
            Ok(None) => return Err(Error::NotEnoughMessages),
            Err(Unreadable::Refused(error)) => return Err(error),
            // Retention has taken them meanwhile.
            Err(Unreadable::Damaged { .. }) if stream.position().head > from => {}
            Err(Unreadable::Damaged { lost, .. }) => {
                return Err(Error::Damaged {
                    first: lost.start,
                    last: lost.end.previous().unwrap_or(lost.start),
                });
            }
        }
    }
}

/// Takes messages out of chunks; none if there are fewer than the minimum. Numbers that are missing
/// between two chunks were reported as lost when the store opened. Reading steps over them, and a
/// minimum counts messages; only where nothing else is left they stand in the way.
fn collect(
    chunks: impl Iterator<Item = Result<Chunk, Unreadable>>,
    from: SequenceNumber,
    tail: SequenceNumber,
    options: &ReadOptions,
) -> Result<Option<Vec<Message>>, Unreadable> {
    let mut messages = Vec::new();
    let mut bytes = 0_u64;
    let mut expected = from;
    let mut lost = None;
    for found in chunks {
        let chunk = match found {
            Ok(chunk) => chunk,
            Err(Unreadable::Damaged { .. }) if messages.len() as u64 >= options.min => {
                return Ok(Some(messages));
            }
            Err(Unreadable::Damaged { lost, .. }) if lost.end <= from => continue,
            Err(Unreadable::Damaged { lost, .. }) => {
                return Err(damaged(lost.start.max(from)..lost.end.min(tail)));
            }
            Err(refused) => return Err(refused),
        };
        let base = chunk.header().base.min(tail);
        if base > expected {
            lost.get_or_insert(expected..base);
        }
        for message in chunk.messages() {
            if message.sequence_number < from {
                continue;
            }
            if message.sequence_number >= tail {
                break;
            }
            bytes += message.payload.len() as u64;
            let full = messages.len() as u64 >= options.max;
            let heavy = bytes > options.max_bytes && !messages.is_empty();
            if full || heavy {
                return Ok(Some(messages));
            }
            expected = message.sequence_number + 1;
            messages.push(message);
        }
        if chunk.header().end() >= tail {
            break;
        }
    }
    if messages.is_empty() {
        return Err(damaged(lost.unwrap_or(expected..tail)));
    }
    Ok((messages.len() as u64 >= options.min).then_some(messages))
}

fn damaged(lost: Range<SequenceNumber>) -> Unreadable {
    Unreadable::Damaged {
        certain: lost.end,
        lost,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::chunk::Builder;
    use crate::types::Timestamp;

    type Found = Result<Chunk, Unreadable>;

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

    fn bad(start: u64, end: u64) -> Found {
        Err(damaged(number(start)..number(end)))
    }

    /// The payloads of a read from a stream that ends before 9, or the numbers that stand in its way.
    fn take(
        chunks: Vec<Found>,
        from: u64,
        (min, max): (u64, u64),
        max_bytes: u64,
    ) -> Result<Option<Vec<Bytes>>, (u64, u64)> {
        let options = ReadOptions {
            start: number(from),
            min,
            max,
            max_bytes,
            wait: Duration::ZERO,
        };
        match collect(chunks.into_iter(), number(from), number(9), &options) {
            Ok(messages) => Ok(messages.map(|messages| {
                let payloads = messages.into_iter().map(|message| message.payload);
                payloads.collect()
            })),
            Err(Unreadable::Damaged { lost, .. }) => Err((lost.start.get(), lost.end.get())),
            Err(Unreadable::Refused(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn a_read_stops_at_its_count_its_bytes_and_the_tail() {
        let chunks = || vec![chunk(5, &["aa", "bb"]), chunk(7, &["cc", "dd", "beyond"])];
        assert_eq!(
            take(chunks(), 6, (1, 2), 100).unwrap().unwrap(),
            ["bb", "cc"]
        );
        assert_eq!(take(chunks(), 5, (1, 10), 3).unwrap().unwrap(), ["aa"]);
        assert_eq!(
            take(chunks(), 5, (2, 10), 1).unwrap().unwrap(),
            ["aa"],
            "one message whatever its size, and fewer than asked for"
        );
        assert_eq!(
            take(chunks(), 5, (4, 10), 100).unwrap().unwrap(),
            ["aa", "bb", "cc", "dd"]
        );
    }

    #[test]
    fn damage_stops_a_read_that_has_not_its_minimum_and_says_where_it_is() {
        let chunks = || vec![chunk(0, &["a"]), bad(1, 4), chunk(4, &["e"])];
        assert_eq!(take(chunks(), 0, (1, 10), 100).unwrap().unwrap(), ["a"]);
        assert_eq!(take(chunks(), 0, (2, 10), 100), Err((1, 4)));
        assert_eq!(take(chunks(), 2, (1, 10), 100), Err((2, 4)));
        assert_eq!(take(chunks(), 4, (1, 10), 100).unwrap().unwrap(), ["e"]);
        let to_the_end = vec![bad(1, u64::MAX)];
        assert_eq!(take(to_the_end, 1, (1, 10), 100), Err((1, 9)));
    }

    #[test]
    fn numbers_that_are_known_to_be_lost_are_stepped_over_if_enough_are_left() {
        let chunks = || vec![chunk(0, &["a"]), chunk(4, &["b"]), chunk(8, &["c"])];
        assert_eq!(
            take(chunks(), 0, (3, 10), 9).unwrap().unwrap(),
            ["a", "b", "c"]
        );
        assert_eq!(take(chunks(), 1, (2, 10), 9).unwrap().unwrap(), ["b", "c"]);
        assert_eq!(take(chunks(), 0, (4, 10), 9), Ok(None));
        assert_eq!(take(vec![chunk(4, &["b"])], 0, (2, 10), 9), Ok(None));
        assert_eq!(take(vec![chunk(0, &["a"])], 1, (1, 10), 9), Err((1, 9)));
    }
}
