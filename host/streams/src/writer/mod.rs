//! The one thread that writes.
//!
//! Everything that changes a stream is a [`Job`] in one bounded queue. The writer takes a job and
//! whatever else waits behind it, lets appends and cursors work on its own ledgers, and brings all
//! of it to the engine in one commit, with one sync if any of them asked for it. Only then does it
//! publish the new positions and answer. A job that is no append or cursor (create, update, delete,
//! expire) first has the group before it committed.
//!
//! So there is one order of events for a store, an append costs a share of a commit, and no caller
//! ever blocks on the disk itself.

mod admin;
mod group;
mod time;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::catalog::Catalog;
use crate::clock::{Clock, Steps};
use crate::cursor::Cursor;
use crate::definition::StreamDefinition;
use crate::engine::Engine;
use crate::error::Error;
use crate::filter::Heads;
use crate::health::Health;
use crate::memory::{MemoryBudget, MemoryUse};
use crate::registry::Registry;
use crate::segment::Ledger;
use crate::space::SpaceGate;
use crate::stream::Stream;
use crate::tails::{Slot, Slots, Tails};
use crate::types::{SequenceNumber, StreamId, StreamName};

/// What goes into a stream at once, all or nothing.
#[derive(Debug, Clone)]
pub enum Payloads {
    /// One message.
    One(Bytes),
    /// Several messages in order.
    Many(Vec<Bytes>),
}

impl Payloads {
    pub(crate) fn as_slice(&self) -> &[Bytes] {
        match self {
            Self::One(payload) => std::slice::from_ref(payload),
            Self::Many(payloads) => payloads,
        }
    }
}

/// The number of the first message of each append, or why it failed.
pub(crate) type Appended = Vec<Result<SequenceNumber, Error>>;

/// One append of a job: a stream, or why there is none, and what to append.
pub(crate) struct Append {
    pub(crate) stream: Result<Arc<Stream>, Error>,
    pub(crate) payloads: Payloads,
}

/// Something for the writer to do.
pub(crate) enum Job {
    Append {
        appends: Vec<Append>,
        reply: oneshot::Sender<Appended>,
        /// Room in the queue, given back when the job is done.
        room: OwnedSemaphorePermit,
    },
    SaveCursor {
        stream: Arc<Stream>,
        identifier: String,
        cursor: Cursor,
        reply: oneshot::Sender<Result<(), Error>>,
    },
    Create {
        definition: StreamDefinition,
        reply: oneshot::Sender<Result<(), Error>>,
    },
    Update {
        definition: StreamDefinition,
        reply: oneshot::Sender<Result<(), Error>>,
    },
    Delete {
        name: StreamName,
        reply: oneshot::Sender<Result<(), Error>>,
    },
    /// Deletes what has outlived its time.
    Expire {
        reply: oneshot::Sender<Result<(), Error>>,
    },
    /// Ends the writer after everything before it.
    Close {
        reply: oneshot::Sender<Result<(), Error>>,
    },
}

/// A stream as the writer alone knows it.
pub(crate) struct Open {
    pub(crate) stream: Arc<Stream>,
    pub(crate) definition: Arc<StreamDefinition>,
    pub(crate) ledger: Ledger,
    /// Its slot in the file of tails; none for a memory stream.
    pub(crate) slot: Option<Slot>,
    /// What it uses of the memory that all memory streams share; none for a stream on disk.
    pub(crate) memory: Option<MemoryUse>,
}

/// The writer's belongings.
pub(crate) struct Writer {
    pub(crate) engine: Arc<Engine>,
    pub(crate) catalog: Catalog,
    pub(crate) tails: Arc<Tails>,
    pub(crate) slots: Slots,
    pub(crate) heads: Arc<Heads>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) steps: Steps,
    pub(crate) space: SpaceGate,
    pub(crate) memory: Arc<MemoryBudget>,
    pub(crate) streams: HashMap<u64, Open>,
    /// Bytes deleted since the store opened, for whoever gives space back.
    pub(crate) deleted_bytes: Arc<AtomicU64>,
    pub(crate) health: Arc<Health>,
}

/// A group is committed when it holds this much, even if more is waiting.
const GROUP_BYTES: u64 = 2 << 20;

impl Writer {
    /// Works until the queue closes or a job asks for the end.
    pub(crate) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        // Dropped before the queue closes, so who finds it closed can see why.
        let _alarm = Alarm(Arc::clone(&self.health));
        while let Some(first) = jobs.blocking_recv() {
            let mut group = self.begin();
            let mut next = Some(first);
            while let Some(job) = next.take() {
                match job {
                    Job::Append {
                        appends,
                        reply,
                        room,
                    } => {
                        self.append(&mut group, appends, reply, room);
                    }
                    Job::SaveCursor {
                        stream,
                        identifier,
                        cursor,
                        reply,
                    } => {
                        self.save_cursor(&mut group, stream, identifier, cursor, reply);
                    }
                    admin => {
                        self.commit(group);
                        if self.administer(admin) == Flow::End {
                            return;
                        }
                        group = self.begin();
                    }
                }
                if group.bytes() < GROUP_BYTES {
                    next = jobs.try_recv().ok();
                }
            }
            self.commit(group);
        }
    }

    fn administer(&mut self, job: Job) -> Flow {
        match job {
            Job::Create { definition, reply } => {
                let _ = reply.send(self.create(definition));
            }
            Job::Update { definition, reply } => {
                let _ = reply.send(self.update(definition));
            }
            Job::Delete { name, reply } => {
                let _ = reply.send(self.delete(&name));
            }
            Job::Expire { reply } => {
                let _ = reply.send(self.expire());
            }
            Job::Close { reply } => {
                let _ = reply.send(self.close());
                return Flow::End;
            }
            // The caller has taken these out.
            Job::Append { .. } | Job::SaveCursor { .. } => {}
        }
        Flow::Continue
    }

    fn close(&mut self) -> Result<(), Error> {
        self.engine.sync()?;
        self.tails.sync().map_err(Error::failed)
    }

    fn usable(&self) -> Result<(), Error> {
        self.health.check()
    }

    /// Remembers that the engine has failed: from here on everything is refused, because nobody
    /// knows what is on the disk.
    fn fail(&self, error: Error) -> Error {
        self.health.fail(error)
    }
}

/// Tells everybody when a panic ends the writer.
struct Alarm(Arc<Health>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0
                .fail(Error::failed("the thread that writes has died"));
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Flow {
    Continue,
    End,
}

/// The bytes a job takes up in the queue.
pub(crate) fn queue_bytes(appends: &[Append]) -> usize {
    appends
        .iter()
        .flat_map(|append| append.payloads.as_slice())
        .map(|payload| payload.len() + 64)
        .sum()
}

/// The id that a stream on disk has; memory streams have none.
fn disk_id(open: &Open) -> Option<StreamId> {
    open.stream.id
}
