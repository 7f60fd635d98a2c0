//! The reading side of a connection.
//!
//! Everything that has arrived is decoded before anything is waited for, and the appends in it go to
//! the store together: a client that does not wait for each answer pays for one commit, not for
//! hundreds. Reads run beside, so that a long poll holds nothing up. The rest is carried out in
//! order, after the appends before it were handed over.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use millstream_protocol::frame::Incoming;
use millstream_protocol::{
    Call, Failure, Frame, FrameDecoder, Name, Operation, Request, RequestError, RequestId,
    ResponseEncoder, ResponseStatusCode, decode_request_noting,
};
use millstream_streams::{Error, Payloads, StreamHandle};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::greeting::Greeted;
use super::outgoing::{self, Outgoing};
use super::reads::Read;
use super::{Context, permission, requests};
use crate::access::Client;

/// The buffer of a connection that says little, and of one that says much.
const SMALL_READ: usize = 4 << 10;
const LARGE_READ: usize = 64 << 10;
/// Appends are handed over when this many bytes of them have come together.
const RUN_BYTES: usize = 256 << 10;
/// Answers that wait to be sent; the connection is not read while there are more.
const OUTGOING: usize = 8;
/// Reads of one connection that may wait at the same time; further ones are refused.
const READS: usize = 256;
/// Reads of one connection whose messages are in memory at the same time.
const RESULTS: usize = 2;

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
        socket,
        peer,
        buffer,
        version,
        client,
        place,
        ..
    } = greeted;
    let encoder = ResponseEncoder::new(version, context.max_answer);
    let (reading, writing) = socket.into_split();
    let (outgoing, queue) = mpsc::channel(OUTGOING);
    let writer = tokio::spawn(outgoing::write(writing, queue, encoder));
    let mut reader = Reader {
        socket: reading,
        peer,
        noted: false,
        buffer,
        decoder: FrameDecoder::new(context.max_frame),
        run: Run::default(),
        outgoing,
        encoder,
        reads: JoinSet::new(),
        waiting: Vec::new(),
        results: Arc::new(Semaphore::new(RESULTS)),
        client: client.clone(),
        context,
    };
    let ended = tokio::select! {
        _ = stop.wait_for(|stop| *stop) => Ok(()),
        () = client.revoked() => Err("the client was removed, or got another token".to_owned()),
        ended = reader.run() => ended,
    };
    // What was handed over is answered; waiting reads end with the connection.
    drop(reader);
    let _ = writer.await;
    drop(place);
    ended
}

/// Appends that go to the store together.
#[derive(Default)]
struct Run {
    ids: Vec<RequestId>,
    appends: Vec<(Result<StreamHandle, Error>, Payloads)>,
    bytes: usize,
    /// The stream that was looked up last. It is forgotten with each run, so that it is never much
    /// older than the request.
    stream: Option<(Name, StreamHandle)>,
}

struct Reader {
    socket: OwnedReadHalf,
    peer: SocketAddr,
    /// A key that the protocol does not know was logged.
    noted: bool,
    buffer: BytesMut,
    decoder: FrameDecoder,
    run: Run,
    outgoing: mpsc::Sender<Outgoing>,
    encoder: ResponseEncoder,
    /// Reads under way, which return their ids.
    reads: JoinSet<RequestId>,
    waiting: Vec<RequestId>,
    results: Arc<Semaphore>,
    client: Client,
    context: Arc<Context>,
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

/// The peer is gone, or does not take answers any more.
struct Gone;

impl Reader {
    async fn run(&mut self) -> Result<(), String> {
        let mut size = SMALL_READ;
        loop {
            loop {
                let incoming = self.decoder.next_frame(&mut self.buffer);
                let Some(incoming) = incoming.map_err(|error| error.to_string())? else {
                    break;
                };
                let taken = match incoming {
                    Incoming::Frame(frame) => match self.decode(&frame) {
                        Ok(request) => self.take(request).await,
                        Err(error) => self.refuse(&error).await?,
                    },
                    Incoming::TooLarge(frame) => self.refuse(&frame.into_request_error()).await?,
                };
                if let Err(Gone) = taken {
                    return Ok(());
                }
            }
            if let Err(Gone) = self.hand_over().await {
                return Ok(());
            }
            match self.fill(size).await {
                Ok(0) => return Ok(()),
                // A buffer that was filled will be filled again.
                Ok(count) => {
                    size = if count >= size / 2 {
                        LARGE_READ
                    } else {
                        SMALL_READ
                    }
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Decodes a request, and logs the first key of the connection that is ignored.
    fn decode(&mut self, frame: &Frame) -> Result<Request, RequestError> {
        let (peer, operation) = (self.peer, frame.operation);
        decode_request_noting(operation, &frame.payload, &mut |key| {
            if !std::mem::replace(&mut self.noted, true) {
                tracing::debug!(%peer, operation, ?key, "a request has a key that is not known");
            }
        })
    }

    /// Reads what has arrived. While nothing does, an idle connection has no buffer.
    async fn fill(&mut self, size: usize) -> std::io::Result<usize> {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
            self.socket.readable().await?;
        } else {
            // The SDK for Node.js writes head and payload of a frame apart, and its system holds the
            // second back until the first is acknowledged: by default that takes 40 ms a request. It
            // is a wish; a system that knows it not goes on as before.
            let _ = self.socket.as_ref().set_quickack(true);
        }
        self.buffer.reserve(size);
        self.socket.read_buf(&mut self.buffer).await
    }

    async fn take(&mut self, request: Request) -> Result<(), Gone> {
        let arrival = Instant::now();
        let id = request.request_id;
        self.await_namesakes(&id).await;
        if !self.run.knows(&request.call)
            && let Err(forbidden) = permission::check(&self.client, &request.call)
        {
            self.hand_over().await?;
            let operation = request.call.operation().response();
            return self
                .fail(operation, &id, &permission::refusal(&forbidden))
                .await;
        }
        match request.call {
            Call::Append { name, payload } => {
                self.append(id, name, payload);
                if self.run.bytes >= RUN_BYTES {
                    self.hand_over().await
                } else {
                    Ok(())
                }
            }
            Call::Read { name, options } => {
                // Appends that came before it are on their way before it.
                self.hand_over().await?;
                self.read(Read {
                    id,
                    name,
                    options,
                    arrival,
                })
                .await
            }
            call => {
                self.hand_over().await?;
                let frame =
                    requests::carry_out(&self.context, &self.client, &self.encoder, &id, call)
                        .await;
                self.send(Outgoing::Frames(frame)).await
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

    async fn read(&mut self, read: Read) -> Result<(), Gone> {
        if self.waiting.len() >= READS {
            let mut frame = BytesMut::new();
            let reason = format!("{READS} reads of this connection are waiting already");
            let failure = Failure::new(ResponseStatusCode::UnknownFailure, reason);
            read.refuse(&self.encoder, &mut frame, &failure);
            return self.send(Outgoing::Frames(frame)).await;
        }
        self.waiting.push(read.id.clone());
        let (context, results) = (Arc::clone(&self.context), Arc::clone(&self.results));
        let (encoder, outgoing) = (self.encoder, self.outgoing.clone());
        self.reads.spawn(async move {
            let (frame, place) = read.answer(&context, &encoder, &results).await;
            let _ = outgoing.send(Outgoing::Frames(frame)).await;
            drop(place);
            read.id
        });
        Ok(())
    }

    fn append(&mut self, id: RequestId, name: Name, payload: Bytes) {
        let run = &mut self.run;
        run.bytes += payload.len();
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

    /// Gives the store the appends that have come together.
    async fn hand_over(&mut self) -> Result<(), Gone> {
        if self.run.ids.is_empty() {
            return Ok(());
        }
        let Run { ids, appends, .. } = std::mem::take(&mut self.run);
        let submitted = self.context.service.store().submit(appends).await;
        match submitted {
            Ok(pending) => self.send(Outgoing::Appends { ids, pending }).await,
            Err(_) => Err(Gone),
        }
    }

    /// Answers a request that cannot be understood; without its id the connection has to end.
    async fn refuse(&mut self, error: &RequestError) -> Result<Result<(), Gone>, String> {
        let Some(id) = &error.request_id else {
            return Err(format!("a frame without a readable request id: {error}"));
        };
        if let Err(Gone) = self.hand_over().await {
            return Ok(Err(Gone));
        }
        Ok(self.fail(error.operation, id, &error.failure()).await)
    }

    async fn fail(
        &self,
        operation: Operation,
        id: &RequestId,
        failure: &Failure,
    ) -> Result<(), Gone> {
        let mut frame = BytesMut::new();
        self.encoder.failed(&mut frame, operation, id, failure);
        self.send(Outgoing::Frames(frame)).await
    }

    async fn send(&self, outgoing: Outgoing) -> Result<(), Gone> {
        self.outgoing.send(outgoing).await.map_err(|_| Gone)
    }
}
