//! Streams in memory, for a component that appends or reads.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use millstream_runtime::{BoxFuture, Message, ReadOptions, StreamAccess, StreamError};
use tokio::sync::watch;

/// Messages that each stream keeps: the last ones, and none that is longer than this.
const KEPT: usize = 256;
const MAX_KEPT: usize = 64 << 10;

/// Streams of any name; each is there as soon as it is named.
#[derive(Debug)]
pub(crate) struct Streams {
    streams: Mutex<BTreeMap<String, Stream>>,
    /// The number of messages of all streams.
    total: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Stream {
    appended: u64,
    kept: VecDeque<Message>,
}

impl Streams {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            streams: Mutex::default(),
            total: watch::Sender::new(0),
        })
    }

    /// How many messages were appended to a stream.
    pub(crate) fn appended(&self, stream: &str) -> u64 {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.get(stream).map_or(0, |stream| stream.appended)
    }

    /// The names of the streams that have messages.
    pub(crate) fn names(&self) -> Vec<String> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let with_messages = streams.iter().filter(|(_, stream)| stream.appended > 0);
        with_messages.map(|(name, _)| name.clone()).collect()
    }

    /// The last message of a stream that was kept.
    pub(crate) fn last(&self, stream: &str) -> Option<Bytes> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let message = streams.get(stream)?.kept.back()?;
        Some(message.payload.clone())
    }

    fn add(&self, stream: &str, payloads: Vec<Bytes>) -> u64 {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = streams.entry(stream.to_owned()).or_default();
        let first = stream.appended;
        let ingest_time = now();
        let count = payloads.len() as u64;
        for (sequence_number, payload) in (first..).zip(payloads) {
            stream.appended += 1;
            if payload.len() > MAX_KEPT {
                continue;
            }
            stream.kept.push_back(Message {
                sequence_number,
                ingest_time,
                payload,
            });
            if stream.kept.len() > KEPT {
                stream.kept.pop_front();
            }
        }
        drop(streams);
        self.total.send_modify(|total| *total += count);
        first
    }

    fn find(&self, stream: &str, options: ReadOptions) -> Option<Vec<Message>> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = streams.get(stream)?.kept.iter();
        let mut bytes = 0;
        let found: Vec<_> = kept
            .filter(|message| message.sequence_number >= options.start)
            .take(options.max_count as usize)
            .take_while(|message| {
                let is_first = bytes == 0;
                bytes += message.payload.len();
                is_first || bytes <= options.max_bytes
            })
            .cloned()
            .collect();
        (found.len() >= options.min_count as usize).then_some(found)
    }
}

impl StreamAccess for Streams {
    fn append<'a>(
        &'a self,
        stream: &'a str,
        payloads: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<u64, StreamError>> {
        Box::pin(async move { Ok(self.add(stream, payloads)) })
    }

    fn read<'a>(
        &'a self,
        stream: &'a str,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<Vec<Message>, StreamError>> {
        Box::pin(async move {
            let mut total = self.total.subscribe();
            let reading = async {
                loop {
                    if let Some(found) = self.find(stream, options) {
                        return found;
                    }
                    // The sender lives as long as these streams.
                    if total.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            };
            tokio::time::timeout(options.timeout, reading)
                .await
                .map_err(|_| StreamError::NotEnoughMessages)
        })
    }
}

/// The time, in milliseconds since the epoch.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn options(start: u64, min_count: u32) -> ReadOptions {
        ReadOptions {
            start,
            min_count,
            max_count: 10,
            max_bytes: 1 << 20,
            timeout: Duration::from_secs(5),
        }
    }

    #[tokio::test]
    async fn what_is_appended_is_counted_and_can_be_read_also_by_whoever_waits() {
        let streams = Streams::new();
        assert_eq!(
            streams.append("s", vec!["a".into(), "b".into()]).await,
            Ok(0)
        );
        let waiting = streams.read("s", options(1, 2));
        let (read, first) = tokio::join!(waiting, streams.append("s", vec!["c".into()]));
        let payloads: Vec<_> = read.unwrap().into_iter().map(|one| one.payload).collect();
        assert_eq!(
            (payloads, first),
            (vec![Bytes::from("b"), "c".into()], Ok(2))
        );
        assert_eq!((streams.appended("s"), streams.appended("t")), (3, 0));
        assert_eq!(
            (streams.names(), streams.last("s")),
            (vec!["s".into()], Some("c".into()))
        );
    }

    #[tokio::test]
    async fn only_the_last_messages_stay_in_memory() {
        let streams = Streams::new();
        let many = vec![Bytes::from_static(b"x"); KEPT * 2];
        streams.append("s", many).await.unwrap();
        let read = streams.read("s", options(0, 1)).await.unwrap();
        assert_eq!(read[0].sequence_number, KEPT as u64);
        let none = ReadOptions {
            timeout: Duration::ZERO,
            ..options(u64::MAX, 1)
        };
        assert_eq!(
            streams.read("s", none).await,
            Err(StreamError::NotEnoughMessages)
        );
    }
}
