//! An exporter that does what its configuration says, and nothing good: `{"attack": "endless-loop"}`.
//! `tests/scenarios/hostile` holds the host to stopping it.
//!
//! An attack either ends the call (a loop, a crash), or makes attempts and writes to the log what became
//! of each: `attempt NAME: got through`, or `attempt NAME: stopped (WHY)`. After the last it writes
//! `the attempts are over`, and delivers its batch as a good exporter does.

#![cfg(target_arch = "wasm32")]

mod attempts;
mod files;
mod logs;
mod memory;
mod requests;
mod secrets;
mod sockets;
mod streams;
mod surroundings;
mod time;

use millstream_plugin::{
    ConfigError, Description, ExportContext, ExportError, Exporter, Limits, Message, Undelivered,
    Wants, export_exporter,
};
use serde::Deserialize;

/// What to do in each call.
#[derive(Deserialize)]
#[serde(tag = "attack", rename_all = "kebab-case")]
enum Attack {
    EndlessLoop,
    EndlessOpening,
    EndlessHostCalls,
    SleepForEver,
    PollCrowd,
    MemoryGrab,
    DeepRecursion,
    HostHandles,
    OwnHandles,
    Headers,
    Listings,
    End,
    GiantAnswer,
    GiantLines,
    FloodOfLines(requests::Requests),
    Streams(streams::Streams),
    Files(files::Files),
    Requests(requests::Requests),
    Redirect(requests::Redirect),
    Sockets(sockets::Sockets),
    Secrets(secrets::Secrets),
    Surroundings,
}

struct Hostile(Attack);

impl Exporter for Hostile {
    type Config = Attack;

    fn describe() -> Description {
        Description {
            name: "hostile".into(),
            version: "1.0.0".into(),
            summary: "Attacks the sandbox.".into(),
            config_schema: r#"{"type":"object"}"#.into(),
            limits: Limits {
                max_messages: 10,
                max_batch_bytes: 1 << 20,
                max_message_bytes: 1 << 20,
            },
            wants: Wants::default(),
        }
    }

    fn open(_context: ExportContext, attack: Attack) -> Result<Self, ConfigError> {
        if let Attack::EndlessOpening = attack {
            time::loop_for_ever();
        }
        Ok(Self(attack))
    }

    fn export(&mut self, _batch: Vec<Message>) -> Result<Vec<Undelivered>, ExportError> {
        match &self.0 {
            Attack::EndlessLoop | Attack::EndlessOpening => time::loop_for_ever(),
            Attack::EndlessHostCalls => time::call_the_host_for_ever(),
            Attack::SleepForEver => time::sleep_for_ever(),
            Attack::PollCrowd => time::wait_for_a_crowd(),
            Attack::MemoryGrab => memory::grab(),
            Attack::DeepRecursion => memory::recurse(),
            Attack::HostHandles => memory::hold_handles_of_the_host(),
            Attack::OwnHandles => memory::hold_handles_of_its_own(),
            Attack::Headers => memory::hold_headers(),
            Attack::Listings => files::hold_listings(),
            Attack::End => std::process::exit(0),
            Attack::GiantAnswer => return memory::giant_answer(),
            Attack::GiantLines => logs::giant_lines(),
            Attack::FloodOfLines(requests) => logs::flood(requests),
            Attack::Streams(streams) => streams.attempt(),
            Attack::Files(files) => files.attempt(),
            Attack::Requests(requests) => requests.attempt(),
            Attack::Redirect(redirect) => redirect.attempt(),
            Attack::Sockets(sockets) => sockets.attempt(),
            Attack::Secrets(secrets) => secrets.attempt(),
            Attack::Surroundings => surroundings::attempt(),
        }
        attempts::over();
        Ok(Vec::new())
    }
}

export_exporter!(Hostile);
