//! Reads, which may wait for messages to come.
//!
//! A read that waits holds no messages. When they are there it takes one of the connection's few
//! places for results, and keeps it until the answer is sent: a client that asks for much and takes
//! nothing costs no more than that. A result begins with a page for which there is room in any case,
//! and grows as long as more is free. If it has enough by then for the client's minimum, that is the
//! answer; if not, it waits in line for room for a whole frame.

use std::time::Duration;

use bytes::BytesMut;
use millstream_protocol::request::ReadMessagesOptions;
use millstream_protocol::response::{encoded_message_size, read_response_overhead};
use millstream_protocol::{
    Failure, Name, Operation, RequestId, ResponseEncoder, ResponseStatusCode,
};
use millstream_streams::{Error, Message, ReadOptions, SequenceNumber};
use tokio::time::Instant;

use super::Context;
use super::budget::{Account, Exhausted, Held};
use super::requests::failure;

/// The longest that a read waits: a little under the 60 s after which the SDKs give up, because an
/// answer after that breaks them (specification, 6.2).
const LONGEST_WAIT: Duration = Duration::from_secs(59);
/// The first page of a result, if there is room for it.
const FIRST_PAGE: usize = 64 << 10;
/// How much larger the next page is.
const GROWTH: usize = 4;

/// A read as it arrived.
pub(super) struct Read {
    pub(super) id: RequestId,
    pub(super) name: Name,
    pub(super) options: ReadMessagesOptions,
    pub(super) arrival: Instant,
}

/// Messages of a result, with the size that they have in a frame.
#[derive(Default)]
struct Page {
    messages: Vec<Message>,
    size: usize,
}

/// Why there is no result yet.
enum Unread {
    /// The messages are not there yet, or something is wrong with them.
    Failed(Error),
    /// As many as the client wants at least do not fit in any frame.
    TooLarge,
    /// As many as the client wants at least take more room than is free.
    NoRoom,
}

impl Read {
    /// Waits for the messages and writes the answer. What it holds is to be given back when it is
    /// sent.
    pub(super) async fn answer(
        &self,
        context: &Context,
        encoder: &ResponseEncoder,
        account: &Account,
    ) -> (BytesMut, Option<Held>) {
        match self.result(context, encoder, account).await {
            Ok((frame, held)) => (frame, Some(held)),
            Err(failure) => (self.refusal(encoder, &failure), None),
        }
    }

    /// Writes a refusal.
    pub(super) fn refusal(&self, encoder: &ResponseEncoder, failure: &Failure) -> BytesMut {
        let mut out = BytesMut::new();
        encoder.failed(&mut out, Operation::ReadMessagesResponse, &self.id, failure);
        out
    }

    async fn result(
        &self,
        context: &Context,
        encoder: &ResponseEncoder,
        account: &Account,
    ) -> Result<(BytesMut, Held), Failure> {
        let asked = Duration::from_millis(self.options.read_timeout_millis.get());
        let deadline = self.arrival + asked.min(LONGEST_WAIT);
        let room = self.room(context);
        loop {
            let mut held = account.result().await;
            held.claim(account.try_claim_modestly(FIRST_PAGE));
            let mut read = self.read(context, encoder, account, &mut held).await;
            if let Err(Unread::NoRoom) = read {
                // Who waits holds nothing, or those who wait would wait for each other.
                held.claim(None);
                let claim = account.claim(room, deadline).await;
                held.claim(Some(claim.map_err(|full| full.failure(room))?));
                read = self.read(context, encoder, account, &mut held).await;
            }
            match read {
                Ok(frame) => return Ok((frame, held)),
                Err(Unread::Failed(Error::NotEnoughMessages | Error::BeyondEnd))
                    if Instant::now() < deadline => {}
                Err(Unread::Failed(error)) => return Err(failure(&error)),
                Err(Unread::NoRoom) => return Err(Exhausted.failure(room)),
                Err(Unread::TooLarge) => {
                    let min = self.options.min_message_count;
                    return Err(Failure::new(
                        ResponseStatusCode::ResponsePayloadTooLarge,
                        format!("{min} messages do not fit in a frame; ask for fewer at a time"),
                    ));
                }
            }
            drop(held);
            self.wait(context, deadline).await?;
        }
    }

    /// What a frame has for messages, in bytes.
    fn room(&self, context: &Context) -> usize {
        let overhead = read_response_overhead(&self.id);
        context.limits.max_frame.saturating_sub(overhead)
    }

    /// Waits until there are enough messages, or the time is up.
    async fn wait(&self, context: &Context, deadline: Instant) -> Result<(), Failure> {
        let store = context.service.store();
        let watch = store.watch(self.name.as_str());
        let mut watch = watch.map_err(|error| failure(&error))?;
        let first = self.start().max(watch.position().head);
        let enough = watch.reach(first + (self.options.min_message_count.get() - 1));
        if let Ok(found) = tokio::time::timeout_at(deadline, enough).await {
            found.map_err(|error| failure(&error))?;
        }
        Ok(())
    }

    fn start(&self) -> SequenceNumber {
        SequenceNumber::new(self.options.desired_start_sequence_number.get())
    }

    /// Reads what is there and for which there is room, and writes the answer.
    async fn read(
        &self,
        context: &Context,
        encoder: &ResponseEncoder,
        account: &Account,
        held: &mut Held,
    ) -> Result<BytesMut, Unread> {
        let _place = context.budget.reader().await;
        let room = self.room(context);
        let mut page = Page::default();
        loop {
            let limit = held.bytes().min(room);
            let complete = self.turn(context, &mut page, limit).await;
            if complete.map_err(Unread::Failed)? && page.size <= limit || limit == room {
                break;
            }
            let Some(more) = account.try_claim_modestly((limit * GROWTH).min(room)) else {
                break;
            };
            held.claim(Some(more));
        }
        let limit = held.bytes().min(room);
        page.cut(self, limit);
        if (page.messages.len() as u64) < self.options.min_message_count.get() {
            return Err(if limit == room {
                Unread::TooLarge
            } else {
                Unread::NoRoom
            });
        }
        let mut out = BytesMut::with_capacity(page.size + read_response_overhead(&self.id));
        let messages = page.messages.iter().map(|message| {
            let number = message.sequence_number.get();
            let time = message.ingest_time.as_millis();
            (number, time, message.payload.as_ref())
        });
        encoder.messages(&mut out, &self.id, &self.name, messages);
        held.shrink(out.len());
        Ok(out)
    }

    /// Reads on behind a page until it has a size, and tells whether nothing more is wanted or there.
    async fn turn(&self, context: &Context, page: &mut Page, size: usize) -> Result<bool, Error> {
        let store = context.service.store();
        let max = self.options.max_message_count.get();
        // The least that a message takes: what is to be read is bounded in number too.
        let least = encoded_message_size(&self.name, 0, 0, 1);
        while (page.messages.len() as u64) < max && page.size < size {
            let (start, min) = match page.messages.last() {
                Some(last) => (last.sequence_number + 1, 1),
                None => (self.start(), self.options.min_message_count.get()),
            };
            let free = size - page.size;
            let most = (free / least).max(1) as u64;
            let wanted = ReadOptions {
                start,
                min,
                max: most.min(max - page.messages.len() as u64).max(min),
                max_bytes: free as u64,
                wait: Duration::ZERO,
            };
            match store.read(self.name.as_str(), wanted).await {
                Ok(messages) if messages.is_empty() => return Ok(true),
                Ok(messages) => page.add(self, messages),
                Err(error) if page.messages.is_empty() => return Err(error),
                // The end, or something that the next read will tell.
                Err(_) => return Ok(true),
            }
        }
        Ok(page.messages.len() as u64 >= max)
    }

    fn size_of(&self, message: &Message) -> usize {
        encoded_message_size(
            &self.name,
            message.sequence_number.get(),
            message.ingest_time.as_millis(),
            message.payload.len(),
        )
    }
}

impl Page {
    fn add(&mut self, read: &Read, messages: Vec<Message>) {
        let size = |message| read.size_of(message);
        self.size += messages.iter().map(size).sum::<usize>();
        self.messages.extend(messages);
    }

    /// Keeps what fits in so many bytes.
    fn cut(&mut self, read: &Read, limit: usize) {
        let mut size = 0;
        let fits = |message: &&Message| {
            let next = size + read.size_of(message);
            let fits = next <= limit;
            if fits {
                size = next;
            }
            fits
        };
        let fitting = self.messages.iter().take_while(fits).count();
        self.messages.truncate(fitting);
        self.size = size;
    }
}
