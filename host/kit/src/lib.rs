//! The conformance kit: tries out whether a component keeps the contract (`wit/`), for its author.
//!
//! [`run`] puts a component through a list of checks and tells of each what it found, in a sentence. It
//! gives the component what it asks for and nothing of the device: a [`sink`] that answers HTTP as it is
//! told, on the loopback interface; folders that are deleted afterwards; streams in memory.
//!
//! * [`stage`] is these surroundings.
//! * [`configuration`] makes a configuration from the component's own [`schema`], where its author gives
//!   none.
//! * [`exporter`] has the checks of exporters, [`producer`] those of producers, [`transform`] those of
//!   transforms, [`webhook`] those of webhooks; [`journal`] writes down what they find.
//! * [`refusals`] and [`memory`] are checks of exporters and transforms alike.
//! * [`misfits`] needs no component: it holds a configuration against a schema, for `millstream check`.
//!
//! A check *holds*, *does not hold*, or is *not applicable*, as what happens when a server fails is for a
//! component that speaks to none.

mod configuration;
mod exporter;
mod journal;
mod memory;
mod misfits;
mod options;
mod producer;
mod refusals;
mod schema;
mod sink;
mod stage;
mod streams;
#[cfg(test)]
mod testing;
mod transform;
mod webhook;
mod words;

use std::io;

use millstream_runtime::{Component, ComponentKind};

pub use journal::{Check, Event, Report, Verdict};
pub use misfits::{Misfit, misfits};
pub use options::Options;

use journal::Journal;
use stage::Stage;

/// Why the kit could not try anything out.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// The kit's own HTTP server cannot listen.
    #[error("The kit cannot listen on the loopback interface: {0}. It needs a free port there.")]
    Sink(io::Error),
    /// The folders that a component is granted cannot be made.
    #[error(
        "The kit cannot make a temporary folder: {0}. Make room, or set TMPDIR to a folder that can be written."
    )]
    Folder(io::Error),
}

/// Puts a component through all checks of its kind, one after the other, and tells `observer` of each as
/// it goes on. It takes seconds to minutes, most of it for [`Options::batches`].
///
/// # Errors
///
/// [`KitError`], if the surroundings cannot be made. What is wrong with the component stands in the
/// report.
pub async fn run(
    component: &Component,
    options: Options,
    observer: &dyn Fn(Event<'_>),
) -> Result<Report, KitError> {
    let stage = Stage::build(component, options).await?;
    let mut journal = Journal::new(observer);
    match component.kind() {
        ComponentKind::Exporter => exporter::run(&stage, &mut journal).await,
        ComponentKind::Producer => producer::run(&stage, &mut journal).await,
        ComponentKind::Transform => transform::run(&stage, &mut journal).await,
        ComponentKind::Webhook => webhook::run(&stage, &mut journal).await,
    }
    Ok(journal.into_report())
}
