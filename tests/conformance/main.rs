//! The conformance suite: one list of behaviours, each held against the real program with each of
//! four clients.
//!
//! ```text
//! behaviours/  the list: a sentence of the specification, and the function that proves it
//!     │
//!     ▼          stage.rs: a host, names of its own, and clients
//! clients/     ── Raw ──────────────► wire/ ──────┐
//!     └────────── Sdk ──► drivers/ ──► an SDK ────┴──► millstream
//! ```
//!
//! A [`Behaviour`] has a name, the section of the protocol's specification it comes from, a sentence,
//! and a function that panics if the host does otherwise. Most are for every client: our own, which
//! writes as the Java SDK does, the two Python SDKs, and the one for Node.js. What no SDK can send is
//! for our own client alone, with the bytes in its hands. Each pair of behaviour and client is a test
//! of its own, named `section::behaviour::client`.
//!
//! Behaviours share one host and keep apart by the names of their streams; those that need a host of
//! their own (restarts, limits, damage) start one. SDKs run in processes that are used again and
//! again, with a new connection for each behaviour.
//!
//! `docs/conformance.md` is the list as a table. The suite renders it and fails if the file says
//! something else; `MILLSTREAM_BLESS=1 cargo xtask test conformance` writes it. The behaviours that
//! `docs/decisions-open-points.md` names have to exist.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod behaviour;
mod behaviours;
mod clients;
mod document;
mod stage;
mod wire;

use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use behaviour::{Behaviour, Section};
use clients::Kind;
use stage::{Stage, Suite};

/// Tests at the same time, unless the command line says otherwise: most of them wait.
const THREADS: usize = 4;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let suite = Arc::new(Suite::default());
    let mut trials = vec![
        Trial::test("conformance::document", || {
            document::check().map_err(Failed::from)
        }),
        Trial::test("conformance::decisions", || {
            document::check_decisions().map_err(Failed::from)
        }),
    ];
    for section in behaviours::SECTIONS {
        for behaviour in section.behaviours {
            for kind in Kind::ALL {
                if behaviour.clients.include(kind) {
                    trials.push(trial(&suite, section, behaviour, kind));
                }
            }
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Exiting drops nothing, and the hosts and SDKs are to end.
    drop(suite);
    conclusion.exit();
}

fn trial(
    suite: &Arc<Suite>,
    section: &'static Section,
    behaviour: &'static Behaviour,
    kind: Kind,
) -> Trial {
    let name = format!(
        "conformance::{}::{}::{}",
        section.id,
        behaviour.id,
        kind.name()
    );
    let suite = Arc::clone(suite);
    Trial::test(name, move || {
        (behaviour.check)(&Stage::new(&suite, behaviour.id, kind));
        Ok(())
    })
}
