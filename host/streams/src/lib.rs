//! Durable streams: append, read, follow, retain, and remember how far each export has come.
//!
//! # What it promises
//!
//! * An append that was answered survives the end of the process at any moment; on a stream that
//!   flushes every append it survives power loss too.
//! * On a relaxed stream a power cut, unlike the end of the process, may take about the last second.
//!   Numbers of messages that went with it, and that no export had delivered, are then given again.
//! * Apart from that the numbers of a stream start at 0, have no holes, and are never used twice,
//!   whatever happens to the disk. What damage takes away is counted and reported, once, when the
//!   store opens.
//! * Space is freed only behind what is on the disk: a power cut never finds messages missing above
//!   the head that the store remembers.
//! * Memory is bounded: for what waits, for what is written and not yet in tables, for what was read.
//!
//! # How
//!
//! ```text
//!   append, create, …           ┌─ queue, bounded in bytes
//!   ───────────────► Store ─────┤
//!                      │        └──► Writer (one thread) ──► Engine: chunks and marks, one commit
//!   read ──────────────┤                 │      │                      for all that waits
//!                      │                 │      └──────────► Tails: how far acknowledged
//!                      └── Engine        └─ then publishes positions, wakes readers, answers
//! ```
//!
//! The messages that one commit brings to a stream are one *chunk* (`chunk`): one key in the engine,
//! with a checksum of its own. A stream is a row of *segments* (`segment`); retention deletes the
//! oldest segment by moving the stream's head, which costs the same for any size, and the engine
//! frees the space behind it later (`filter`, `maintenance`). Which streams exist is in a file of its
//! own (`catalog`), and so is how far each was acknowledged (`tails`): a damaged engine takes neither
//! with it (`recovery`, `salvage`).
//!
//! A memory stream has the same chunks in a map and touches no disk; it ends with the store. All
//! memory streams share one budget (`memory`).
//!
//! # The folder
//!
//! ```text
//! catalog.json    format version, streams, definitions; and catalog.old.json, the one before
//! tails           32 bytes a stream
//! engine/         fjall's files
//! engine.suspect  the engine has failed: the next open reads its tables through
//! engine.damaged-N  set aside by an open that had to
//! ```
//!
//! `format` says what a change of this layout has to do so that folders written before can be opened.
//! A folder of a newer format is refused and left as it is; so are tails of a newer version, and a chunk
//! of a newer version is not read.

mod catalog;
mod chunk;
mod clock;
mod counters;
mod cursor;
mod definition;
mod engine;
mod error;
mod filter;
mod format;
mod health;
mod keys;
mod maintenance;
mod memory;
mod options;
mod reader;
mod recovery;
mod registry;
mod salvage;
mod segment;
mod space;
mod store;
mod stream;
mod tails;
mod types;
mod watch;
mod writer;

pub use catalog::names_in;
pub use clock::{Clock, ManualClock, SystemClock};
pub use counters::Counters;
pub use cursor::Cursor;
pub use definition::{
    Export, Flush, MAX_SIZE, Persistence, SEGMENT_SIZE, StrategyOnFull, StreamDefinition,
    TIME_TO_LIVE_MILLIS,
};
pub use error::Error;
pub use options::StoreOptions;
pub use reader::ReadOptions;
pub use recovery::Loss;
pub use segment::Position;
pub use store::{OpenReport, PendingAppends, Store, StreamHandle, StreamInfo};
pub use types::{MESSAGE_OVERHEAD, Message, SequenceNumber, StreamName, Timestamp, message_size};
pub use watch::Watch;
pub use writer::Payloads;
