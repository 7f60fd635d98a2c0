//! The public face of the crate.

mod open;

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::counters::Counters;
use crate::cursor::Cursor;
use crate::definition::StreamDefinition;
use crate::engine::Engine;
use crate::error::Error;
use crate::filter::Heads;
use crate::health::Health;
use crate::maintenance::Maintenance;
use crate::reader::{self, ReadOptions};
use crate::recovery::Loss;
use crate::registry::Registry;
use crate::segment::Position;
use crate::stream::{State, Stream, lock};
use crate::tails::Tails;
use crate::types::{Message, SequenceNumber, StreamName, Timestamp};
use crate::watch::Watch;
use crate::writer::{Append, Appended, Job, Payloads, queue_bytes};

/// What had happened to a store before it was opened.
#[derive(Debug, Default)]
pub struct OpenReport {
    /// Messages that were acknowledged and are not there.
    pub losses: Vec<Loss>,
    /// Damaged files that were moved out of the way; nothing is deleted.
    pub set_aside: Vec<PathBuf>,
}

/// What the store's threads and handles share.
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) tails: Arc<Tails>,
    /// Bytes deleted by retention and by deleting streams since the store opened.
    pub(crate) deleted_bytes: Arc<AtomicU64>,
    /// The part of them whose heads are on the disk.
    pub(crate) reclaimable_bytes: AtomicU64,
    /// The heads that are on the disk.
    pub(crate) heads: Arc<Heads>,
    pub(crate) health: Arc<Health>,
    pub(crate) folder: PathBuf,
    pub(crate) min_free_disk: u64,
    jobs: mpsc::Sender<Job>,
    queue: Arc<Semaphore>,
    queue_bytes: u32,
}

impl Shared {
    /// Lets the writer delete what has outlived its time. Not for async tasks: it blocks.
    pub(crate) fn expire_blocking(&self) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.jobs
            .blocking_send(Job::Expire { reply })
            .map_err(|_| Error::Closing)?;
        answer.blocking_recv().map_err(|_| Error::Closing)?
    }
}

/// The threads of an open store.
struct Threads {
    writer: std::thread::JoinHandle<()>,
    maintenance: Maintenance,
}

/// An open store. Clones are cheap and all mean the same store.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    threads: Arc<Mutex<Option<Threads>>>,
}

/// A stream that was looked up once, for callers that append to it again and again. It outlives the
/// stream harmlessly: what is appended to a deleted stream fails.
#[derive(Clone)]
pub struct StreamHandle(Arc<Stream>);

/// Appends that the writer has and has not answered yet.
pub struct PendingAppends(oneshot::Receiver<Appended>);

impl PendingAppends {
    /// Waits until all are as safe as their streams' definitions say, and returns for each the number
    /// of its first message, or why nothing was appended. It is empty if the store closed first.
    pub async fn answers(self) -> Vec<Result<SequenceNumber, Error>> {
        self.0.await.unwrap_or_default()
    }
}

/// What a stream is and how its exports fare.
#[derive(Debug, Clone)]
pub struct StreamInfo {
    /// What it was asked to be.
    pub definition: Arc<StreamDefinition>,
    /// Where it begins and ends.
    pub position: Position,
    /// The cursor of each export, in the order of the definition.
    pub cursors: Vec<(String, Cursor)>,
    /// What has happened to it since the store opened.
    pub counters: Counters,
}

impl Store {
    /// Creates a stream.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyExists`], [`Error::InvalidDefinition`], [`Error::DiskFull`].
    pub async fn create(&self, definition: StreamDefinition) -> Result<(), Error> {
        self.ask(|reply| Job::Create { definition, reply }).await
    }

    /// Replaces the whole definition of a stream (protocol specification, 6.4). An export that keeps
    /// its identifier keeps its cursor, unless it is given another [`Export::start`](crate::Export).
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::UpdateNotAllowed`], [`Error::InvalidDefinition`].
    pub async fn update(&self, definition: StreamDefinition) -> Result<(), Error> {
        self.ask(|reply| Job::Update { definition, reply }).await
    }

    /// Deletes a stream with everything in it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        let name = self.shared.registry.get(name)?.name.clone();
        self.ask(|reply| Job::Delete { name, reply }).await
    }

    /// The names of all streams, sorted.
    pub fn list(&self) -> Vec<StreamName> {
        self.shared.registry.names()
    }

    /// What a stream is and how its exports fare.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub fn describe(&self, name: &str) -> Result<StreamInfo, Error> {
        let stream = self.shared.registry.get(name)?;
        let State {
            position,
            definition,
            ..
        } = stream.state();
        let known = stream.cursors();
        let cursors = definition
            .exports
            .iter()
            .map(|export| {
                let cursor = known.get(&export.identifier).cloned();
                let cursor = cursor.unwrap_or_else(|| Cursor::starting_at(export.start));
                (export.identifier.clone(), cursor)
            })
            .collect();
        drop(known);
        Ok(StreamInfo {
            definition,
            position,
            cursors,
            counters: stream.tally.read(),
        })
    }

    /// Looks a stream up.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub fn handle(&self, name: &str) -> Result<StreamHandle, Error> {
        self.shared.registry.get(name).map(StreamHandle)
    }

    /// Appends to one stream, all or nothing, and returns the number of the first message when all
    /// are as safe as the stream's definition says.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::EmptyPayload`], [`Error::TooLarge`], [`Error::Full`],
    /// [`Error::DiskFull`], [`Error::OutOfMemory`], [`Error::Failed`].
    pub async fn append(&self, name: &str, payloads: Payloads) -> Result<SequenceNumber, Error> {
        let pending = self.submit(vec![(self.handle(name), payloads)]).await?;
        match pending.answers().await.into_iter().next() {
            Some(answer) => answer,
            None => Err(self.ended().await),
        }
    }

    /// Hands over appends, each by itself all or nothing, which share one commit. It waits only for
    /// room in the queue; the answers come later, in the order of the appends. An append whose
    /// stream was not found answers what is given in its place.
    ///
    /// # Errors
    ///
    /// [`Error::Closing`], [`Error::Failed`].
    pub async fn submit(
        &self,
        appends: Vec<(Result<StreamHandle, Error>, Payloads)>,
    ) -> Result<PendingAppends, Error> {
        let appends: Vec<_> = appends
            .into_iter()
            .map(|(stream, payloads)| Append {
                stream: stream.map(|handle| handle.0),
                payloads,
            })
            .collect();
        let bytes = u32::try_from(queue_bytes(&appends)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.shared.queue)
            .acquire_many_owned(bytes.min(self.shared.queue_bytes))
            .await
            .map_err(|_| Error::Closing)?;
        let (reply, answer) = oneshot::channel();
        let job = Job::Append {
            appends,
            reply,
            room,
        };
        match self.shared.jobs.send(job).await {
            Ok(()) => Ok(PendingAppends(answer)),
            Err(_) => Err(self.ended().await),
        }
    }

    /// Reads messages in order.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::InvalidReadRange`], [`Error::BeyondEnd`],
    /// [`Error::NotEnoughMessages`], [`Error::Damaged`].
    pub async fn read(&self, name: &str, options: ReadOptions) -> Result<Vec<Message>, Error> {
        let stream = self.shared.registry.get(name)?;
        let start = Instant::now();
        loop {
            let seen = stream.position().tail;
            let outcome = self.read_now(&stream, options).await;
            let left = options.wait.saturating_sub(start.elapsed());
            match outcome {
                Err(Error::NotEnoughMessages | Error::BeyondEnd) if !left.is_zero() => {
                    reader::wait(&stream, &options, seen, left).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn read_now(
        &self,
        stream: &Arc<Stream>,
        options: ReadOptions,
    ) -> Result<Vec<Message>, Error> {
        reader::check(stream, &options)?;
        let (engine, stream) = (Arc::clone(&self.shared.engine), Arc::clone(stream));
        tokio::task::spawn_blocking(move || reader::read(&engine, &stream, &options))
            .await
            .map_err(Error::failed)?
    }

    /// When the store took the message with this number, or the first one behind it that is still
    /// there; none if there is none yet. It reads one chunk, so the age of what an export has to carry
    /// next costs little.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Damaged`].
    pub async fn ingest_time(
        &self,
        name: &str,
        number: SequenceNumber,
    ) -> Result<Option<Timestamp>, Error> {
        let stream = self.shared.registry.get(name)?;
        let engine = Arc::clone(&self.shared.engine);
        let options = ReadOptions {
            start: number,
            min: 1,
            max: 1,
            max_bytes: u64::MAX,
            wait: Duration::ZERO,
        };
        let read = move || reader::read(&engine, &stream, &options);
        match tokio::task::spawn_blocking(read)
            .await
            .map_err(Error::failed)?
        {
            Ok(found) => Ok(found.first().map(|message| message.ingest_time)),
            Err(Error::BeyondEnd | Error::NotEnoughMessages) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Follows a stream's position and definition.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub fn watch(&self, name: &str) -> Result<Watch, Error> {
        let stream = self.shared.registry.get(name)?;
        Ok(Watch::new(&stream))
    }

    /// Remembers how far an export has come. When it returns, it survives the end of the process.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::NoSuchExport`].
    pub async fn save_cursor(
        &self,
        name: &str,
        identifier: &str,
        cursor: Cursor,
    ) -> Result<(), Error> {
        let stream = self.shared.registry.get(name)?;
        let identifier = identifier.to_owned();
        self.ask(|reply| Job::SaveCursor {
            stream,
            identifier,
            cursor,
            reply,
        })
        .await
    }

    /// Deletes now what has outlived its time; it happens by itself about once a second.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`], [`Error::Closing`].
    pub async fn expire(&self) -> Result<(), Error> {
        self.ask(|reply| Job::Expire { reply }).await
    }

    /// Why the store takes nothing any more; none while all is well. Only a restart helps.
    pub fn failure(&self) -> Option<Error> {
        self.shared.health.failure()
    }

    /// Resolves with the reason when the store can no longer be written, and not before: the sign
    /// to end the process and start it again.
    pub async fn failed(&self) -> Error {
        self.shared.health.failed().await
    }

    /// Ends the store: everything accepted is written, and all of it brought to the disk. Calls on
    /// other clones fail from here on. The folder is free when the last clone is gone; a compaction
    /// that is under way is not waited for longer than a few seconds and holds the folder until it or
    /// the process ends.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the disk did not take it.
    pub async fn close(&self) -> Result<(), Error> {
        let outcome = self.ask(|reply| Job::Close { reply }).await;
        let threads = lock(&self.threads).take();
        if let Some(threads) = threads {
            tokio::task::spawn_blocking(move || {
                let _ = threads.writer.join();
                threads.maintenance.stop();
            })
            .await
            .map_err(Error::failed)?;
        }
        outcome
    }

    async fn ask(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<(), Error>>) -> Job,
    ) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        if self.shared.jobs.send(job(reply)).await.is_err() {
            return Err(self.ended().await);
        }
        match answer.await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.ended().await),
        }
    }

    /// Why the writer answers no more.
    async fn ended(&self) -> Error {
        self.shared.jobs.closed().await;
        self.failure().unwrap_or(Error::Closing)
    }
}
