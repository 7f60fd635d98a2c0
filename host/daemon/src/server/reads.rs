//! Reads, which may wait for messages to come.
//!
//! A read that waits holds no messages. When they are there it takes one of the connection's few
//! places for results, and keeps it until the answer is on its way: a client that asks for much and
//! takes nothing costs no more than that.

use std::time::Duration;

use bytes::BytesMut;
use millstream_protocol::request::ReadMessagesOptions;
use millstream_protocol::response::{encoded_message_size, read_response_overhead};
use millstream_protocol::{
    Failure, Name, Operation, RequestId, ResponseEncoder, ResponseStatusCode,
};
use millstream_streams::{Error, Message, ReadOptions, SequenceNumber};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::Context;
use super::requests::failure;

/// The longest that a read waits: a little under the 60 s after which the SDKs give up, because an
/// answer after that breaks them (specification, 6.2).
const LONGEST_WAIT: Duration = Duration::from_secs(59);

/// A read as it arrived.
pub(super) struct Read {
    pub(super) id: RequestId,
    pub(super) name: Name,
    pub(super) options: ReadMessagesOptions,
    pub(super) arrival: Instant,
}

impl Read {
    /// Waits for the messages and writes the answer, which is to be sent before the place is given
    /// back.
    pub(super) async fn answer<'a>(
        &self,
        context: &Context,
        encoder: &ResponseEncoder,
        places: &'a Semaphore,
    ) -> (BytesMut, Option<SemaphorePermit<'a>>) {
        let mut out = BytesMut::new();
        match self.messages(context, places).await {
            Ok((messages, place)) => {
                let messages = messages.iter().map(|message| {
                    let number = message.sequence_number.get();
                    (
                        number,
                        message.ingest_time.as_millis(),
                        message.payload.as_ref(),
                    )
                });
                encoder.messages(&mut out, &self.id, &self.name, messages);
                (out, place)
            }
            Err(failure) => {
                self.refuse(encoder, &mut out, &failure);
                (out, None)
            }
        }
    }

    /// Writes a refusal.
    pub(super) fn refuse(&self, encoder: &ResponseEncoder, out: &mut BytesMut, failure: &Failure) {
        encoder.failed(out, Operation::ReadMessagesResponse, &self.id, failure);
    }

    async fn messages<'a>(
        &self,
        context: &Context,
        places: &'a Semaphore,
    ) -> Result<(Vec<Message>, Option<SemaphorePermit<'a>>), Failure> {
        let asked = Duration::from_millis(self.options.read_timeout_millis.get());
        let deadline = self.arrival + asked.min(LONGEST_WAIT);
        let room = context
            .max_answer
            .saturating_sub(read_response_overhead(&self.id));
        let min = self.options.min_message_count.get();
        let wanted = ReadOptions {
            start: SequenceNumber::new(self.options.desired_start_sequence_number.get()),
            min,
            max: self.options.max_message_count.get(),
            max_bytes: room as u64,
            wait: Duration::ZERO,
        };
        let (store, name) = (context.service.store(), self.name.as_str());
        let mut watch = store.watch(name).map_err(|error| failure(&error))?;
        loop {
            let seen = watch.position().tail;
            let place = places.acquire().await.ok();
            match store.read(name, wanted).await {
                Ok(messages) => return Ok((self.fitting(messages, room)?, place)),
                Err(Error::NotEnoughMessages | Error::BeyondEnd) if Instant::now() < deadline => {
                    drop(place);
                }
                Err(error) => return Err(failure(&error)),
            }
            // Where numbers were lost there are fewer messages than numbers: what was there did not
            // suffice, so that at least one more is needed.
            let first = wanted.start.max(watch.position().head);
            let enough = watch.reach(seen.max(first + (min - 1)));
            if let Ok(found) = tokio::time::timeout_at(deadline, enough).await {
                found.map_err(|error| failure(&error))?;
            }
        }
    }

    /// As many messages as fit in a frame: fewer than asked for, but not fewer than the minimum
    /// (specification, 6.2).
    fn fitting(&self, mut messages: Vec<Message>, room: usize) -> Result<Vec<Message>, Failure> {
        let mut size = 0;
        let fitting = messages
            .iter()
            .take_while(|message| {
                size += encoded_message_size(
                    &self.name,
                    message.sequence_number.get(),
                    message.ingest_time.as_millis(),
                    message.payload.len(),
                );
                size <= room
            })
            .count();
        let min = self.options.min_message_count.get();
        if (fitting as u64) < min {
            return Err(Failure::new(
                ResponseStatusCode::ResponsePayloadTooLarge,
                format!("{min} messages do not fit in a frame; ask for fewer at a time"),
            ));
        }
        messages.truncate(fitting);
        Ok(messages)
    }
}
