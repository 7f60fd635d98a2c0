//! The store's streams as the runtime's components reach them.

use std::sync::Arc;

use bytes::Bytes;
use millstream_runtime::{BoxFuture, Message, ReadOptions, StreamAccess, StreamError};
use millstream_streams::{self as streams, Error, Payloads, SequenceNumber, Store};

/// Joins the two crates, which do not know each other.
pub(crate) struct StoreAccess(Store);

impl StoreAccess {
    pub(crate) fn shared(store: &Store) -> Arc<dyn StreamAccess> {
        Arc::new(Self(store.clone()))
    }
}

impl StreamAccess for StoreAccess {
    fn append<'a>(
        &'a self,
        stream: &'a str,
        payloads: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<u64, StreamError>> {
        Box::pin(async move {
            let first = self.0.append(stream, Payloads::Many(payloads)).await;
            first.map(SequenceNumber::get).map_err(translate)
        })
    }

    fn read<'a>(
        &'a self,
        stream: &'a str,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<Vec<Message>, StreamError>> {
        Box::pin(async move {
            let options = streams::ReadOptions {
                start: SequenceNumber::new(options.start),
                min: u64::from(options.min_count),
                max: u64::from(options.max_count),
                max_bytes: options.max_bytes as u64,
                wait: options.timeout,
            };
            let found = self.0.read(stream, options).await.map_err(translate)?;
            let message = |message: streams::Message| Message {
                sequence_number: message.sequence_number.get(),
                ingest_time: message.ingest_time.as_millis(),
                payload: message.payload,
            };
            Ok(found.into_iter().map(message).collect())
        })
    }
}

fn translate(error: Error) -> StreamError {
    match error {
        Error::NotFound { .. } => StreamError::NotFound,
        Error::Full { .. } | Error::OutOfMemory { .. } => StreamError::Full,
        Error::BeyondEnd | Error::NotEnoughMessages => StreamError::NotEnoughMessages,
        Error::EmptyPayload | Error::TooLarge { .. } | Error::InvalidReadRange => {
            StreamError::Invalid(error.to_string())
        }
        other => StreamError::Unavailable(other.to_string()),
    }
}
