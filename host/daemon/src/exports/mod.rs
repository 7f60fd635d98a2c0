//! Exports: from a stream, through a plugin, to a destination.
//!
//! One task for each export of each stream ([`pipeline`]). It reads from its cursor, fills a batch
//! ([`batch`]), waits for one of the slots that all exports share ([`slots`]), calls the plugin, and
//! settles what came back ([`settle`]): delivered and rejected messages are done, the others go
//! again, alone, after a pause ([`retry`]). [`progress`] keeps the cursor and [`meter`] counts; what
//! stands behind a plugin's call is a [`destination`], which a test puts its own in place of. The
//! cursor is the lowest message that is not settled, so
//! whatever happens, a message is delivered at least once, and in order for each export. With the
//! cursor goes what a plugin remembers of work that is longer than one call ([`memory`]); messages that
//! it will not get, because they or the export are gone, it is told of if it wants ([`canceling`]).
//!
//! A rejected message goes to the dead-letter stream of its export, if there is one
//! ([`dead_letters`]), and from there to the destination once more when an operator asks for it
//! ([`requeue`]); of two instances of one export only one is called at a time ([`lanes`]).
//!
//! The [`supervisor`] holds the tasks against the definitions of the streams: it starts, ends and
//! restarts them as streams come, change and go. What an export is, whether it came from the
//! configuration or from an SDK, is [`settings`].

mod batch;
mod canceling;
pub(crate) mod dead_letters;
mod destination;
mod lanes;
mod memory;
mod meter;
mod pipeline;
mod plugin_uri;
mod progress;
pub(crate) mod requeue;
mod retry;
mod settings;
mod settle;
mod slots;
mod supervisor;
mod transforms;

pub(crate) use meter::{Meter, Outcome};
pub(crate) use retry::Backoff;
pub(crate) use settings::{ExportSettings, Source};
pub(crate) use supervisor::Supervisor;
