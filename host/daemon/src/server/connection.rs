//! A connection that is open.
//!
//! One task serves it. Everything that has arrived is decoded before anything is waited for, and the
//! appends in it go to the store together: a client that does not wait for each answer pays for one
//! commit, not for hundreds. What is to be sent is sent in the same turn, so an append costs two
//! turns of one task: when it arrives and when the store has it.
//!
//! Reads run beside, so that a long poll holds nothing up. The rest is carried out in order, after
//! the appends before it were handed over.

use std::sync::Arc;

use bytes::Bytes;
use millstream_protocol::frame::Incoming;
use millstream_protocol::{
    Call, Failure, Name, Operation, Request, RequestError, RequestId, ResponseEncoder,
    ResponseStatusCode, decode_request,
};
use millstream_streams::{Error, Payloads, StreamHandle};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::budget::{Account, Claim, OWN_RESULT};
use super::greeting::Greeted;
use super::inbox::{Inbox, Unfilled};
use super::outgoing::{self, Answers, Outgoing};
use super::reads::Read;
use super::{Context, permission, requests};
use crate::access::Client;

/// Reads of one connection that may wait at the same time; further ones are refused.
const READS: usize = 256;

/// Serves one connection to its end.
///
/// # Errors
///
/// Why it ended otherwise than by the peer closing it, for the log.
pub(super) async fn serve(
    greeted: Greeted,
    context: Arc<Context>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), String> {
    let Greeted {
        mut socket,
        buffer,
        version,
        client,
        place: _place,
        ..
    } = greeted;
    let encoder = ResponseEncoder::new(version, context.limits.max_frame);
    let account = context.budget.account();
    let answers = Arc::new(Answers::default());
    let (incoming, mut outgoing) = socket.split();
    let mut writing = std::pin::pin!(outgoing::write(&answers, &mut outgoing, encoder));
    let mut reader = Reader {
        inbox: Inbox::new(incoming, buffer, account.clone(), context.limits),
        run: Run::default(),
        answers: Arc::clone(&answers),
        encoder,
        reads: JoinSet::new(),
        waiting: Vec::new(),
        account,
        client: client.clone(),
        context,
    };
    let ended = tokio::select! {
        // What is read is sent by what follows.
        biased;
        ended = reader.run() => ended,
        // The peer is gone, or takes nothing.
        _ = &mut writing => return Ok(()),
        _ = stop.wait_for(|stop| *stop) => Ok(()),
        () = client.revoked() => Err("the client was removed, or got another token".to_owned()),
    };
    // What was handed over is answered; waiting reads end with the connection.
    drop(reader);
    answers.end();
    let _ = writing.await;
    ended
}

/// Appends that go to the store together.
#[derive(Default)]
struct Run {
    ids: Vec<RequestId>,
    appends: Vec<(Result<StreamHandle, Error>, Payloads)>,
    /// The length of their frames.
    bytes: usize,
    /// The stream that was looked up last. It is forgotten with each run, so that it is never much
    /// older than the request.
    stream: Option<(Name, StreamHandle)>,
}

impl Run {
    /// Whether this is an append to the stream of the one before it, for which all is known.
    fn knows(&self, call: &Call) -> bool {
        match (call, &self.stream) {
            (Call::Append { name, .. }, Some((known, _))) => known == name,
            _ => false,
        }
    }
}

struct Reader<'s> {
    inbox: Inbox<'s>,
    run: Run,
    answers: Arc<Answers>,
    encoder: ResponseEncoder,
    /// Reads under way, which return their ids.
    reads: JoinSet<RequestId>,
    waiting: Vec<RequestId>,
    account: Account,
    client: Client,
    context: Arc<Context>,
}

impl Reader<'_> {
    /// Reads requests until the peer sends no more.
    async fn run(&mut self) -> Result<(), String> {
        let mut no_room = None;
        loop {
            while let Some(incoming) = self.inbox.next_frame()? {
                match incoming {
                    Incoming::Frame(frame) => {
                        match decode_request(frame.operation, &frame.payload) {
                            Ok(request) => self.take(request, frame.payload.len()).await?,
                            Err(error) => self.refuse(&error, &error.failure()).await?,
                        }
                    }
                    Incoming::TooLarge(frame) => {
                        let error = frame.into_request_error();
                        let failure = no_room.take().unwrap_or_else(|| error.failure());
                        self.refuse(&error, &failure).await?;
                    }
                }
            }
            let claim = self.inbox.last_part(self.run.bytes);
            self.submit(claim).await?;
            match self.inbox.fill().await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(Unfilled::NoRoom(full, bytes)) => {
                    no_room = Some(full.failure(bytes));
                    self.inbox.refuse();
                }
                Err(Unfilled::Ended(reason)) => return Err(reason),
            }
        }
    }

    /// Takes a request, whose frame has so many bytes.
    async fn take(&mut self, request: Request, bytes: usize) -> Result<(), String> {
        let Request { request_id, call } = request;
        self.await_namesakes(&request_id).await;
        if !self.run.knows(&call)
            && let Err(forbidden) = permission::check(&self.client, &call)
        {
            let operation = call.operation().response();
            let failure = permission::refusal(&forbidden);
            return self.fail(operation, &request_id, &failure).await;
        }
        match call {
            Call::Append { name, payload } => {
                self.append(request_id, name, payload);
                self.run.bytes += bytes;
                Ok(())
            }
            Call::Read { name, options } => {
                let read = Read {
                    id: request_id,
                    name,
                    options,
                    arrival: Instant::now(),
                };
                // Appends that came before it are on their way before it.
                self.hand_over().await?;
                self.read(read).await
            }
            call => {
                self.hand_over().await?;
                // Rare, and larger than all the rest of a connection: it has memory only meanwhile.
                Box::pin(self.carry_out(&request_id, call)).await
            }
        }
    }

    /// Request ids need not be unique: one SDK sends a single space with every request. Answers to
    /// equal ids have to come in the order of the requests (specification, 1.5), so a request waits
    /// for the reads that have its id.
    async fn await_namesakes(&mut self, id: &RequestId) {
        while let Some(done) = self.reads.try_join_next() {
            self.forget(done.ok());
        }
        while self.waiting.contains(id)
            && let Some(done) = self.reads.join_next().await
        {
            self.forget(done.ok());
        }
    }

    fn forget(&mut self, id: Option<RequestId>) {
        match id.and_then(|id| self.waiting.iter().position(|waiting| *waiting == id)) {
            Some(place) => drop(self.waiting.swap_remove(place)),
            // A read that did not end by itself: nothing is known of it, so wait for none.
            None => self.waiting.clear(),
        }
    }

    async fn read(&mut self, read: Read) -> Result<(), String> {
        let place = if self.waiting.len() < READS {
            self.context.budget.waiting_read()
        } else {
            let reason = format!("{READS} reads of this connection are waiting already");
            Err(Failure::new(ResponseStatusCode::OutOfMemoryError, reason))
        };
        let place = match place {
            Ok(place) => place,
            Err(failure) => {
                let frame = read.refusal(&self.encoder, &failure);
                self.answers.room().await;
                self.answers.push(Outgoing::Frame(frame, None));
                return Ok(());
            }
        };
        self.waiting.push(read.id.clone());
        let (context, answers) = (Arc::clone(&self.context), Arc::clone(&self.answers));
        let (encoder, account) = (self.encoder, self.account.clone());
        self.reads.spawn(async move {
            let (frame, held) = read.answer(&context, &encoder, &account).await;
            answers.push_from_elsewhere(Outgoing::Frame(frame, held));
            drop(place);
            read.id
        });
        Ok(())
    }

    fn append(&mut self, id: RequestId, name: Name, payload: Bytes) {
        let run = &mut self.run;
        let known = run.stream.as_ref().filter(|(known, _)| *known == name);
        let stream = match known {
            Some((_, stream)) => Ok(stream.clone()),
            None => self.context.service.store().handle(name.as_str()),
        };
        if let (None, Ok(stream)) = (known, &stream) {
            run.stream = Some((name, stream.clone()));
        }
        run.ids.push(id);
        run.appends.push((stream, Payloads::One(payload)));
    }

    /// Gives the store the appends that have come together, before something else is done.
    async fn hand_over(&mut self) -> Result<(), String> {
        let claim = self.inbox.part(self.run.bytes);
        self.submit(claim).await
    }

    /// Gives the store the appends that have come together. They hold a claim until they are
    /// answered.
    async fn submit(&mut self, claim: Option<Claim>) -> Result<(), String> {
        if self.run.ids.is_empty() {
            return Ok(());
        }
        let Run { ids, appends, .. } = std::mem::take(&mut self.run);
        self.answers.room().await;
        let submitted = self.context.service.store().submit(appends).await;
        let pending = submitted.map_err(|error| error.to_string())?;
        self.answers.push(Outgoing::Appends {
            ids,
            pending,
            claim,
        });
        Ok(())
    }

    /// Carries out what is neither append nor read.
    async fn carry_out(&mut self, id: &RequestId, call: Call) -> Result<(), String> {
        let mut held = self.account.result().await;
        let operation = call.operation().response();
        let (context, client) = (&self.context, &self.client);
        let mut frame = requests::carry_out(context, client, &self.encoder, id, call).await;
        if frame.len() > OWN_RESULT {
            match self.account.claim(frame.len(), Instant::now()).await {
                Ok(claim) => held.claim(Some(claim)),
                Err(full) => {
                    let failure = full.failure(frame.len());
                    frame.clear();
                    self.encoder.failed(&mut frame, operation, id, &failure);
                }
            }
        }
        self.answers.room().await;
        self.answers.push(Outgoing::Frame(frame, Some(held)));
        Ok(())
    }

    /// Answers a request that cannot be understood; without its id the connection has to end.
    async fn refuse(&mut self, error: &RequestError, failure: &Failure) -> Result<(), String> {
        match &error.request_id {
            Some(id) => self.fail(error.operation, id, failure).await,
            None => Err(format!("a frame without a readable request id: {error}")),
        }
    }

    /// Answers a request with a failure, behind the appends before it.
    async fn fail(
        &mut self,
        operation: Operation,
        id: &RequestId,
        failure: &Failure,
    ) -> Result<(), String> {
        self.hand_over().await?;
        let mut frame = bytes::BytesMut::new();
        self.encoder.failed(&mut frame, operation, id, failure);
        self.answers.room().await;
        self.answers.push(Outgoing::Frame(frame, None));
        Ok(())
    }
}
