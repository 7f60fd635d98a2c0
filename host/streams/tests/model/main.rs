//! The store and a simple model of it, driven side by side; every answer must be the same.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::{clock, open, runtime};
use millstream_streams::{
    Cursor, Error, Export, Flush, ManualClock, Payloads, Persistence, ReadOptions, SequenceNumber,
    Store, StrategyOnFull, StreamDefinition, StreamName, Timestamp,
};
use proptest::collection::vec;
use proptest::prelude::*;
use stream::{ModelStream, Now};

/// What a test case does, one step after another.
#[derive(Debug, Clone)]
enum Step {
    Create(StreamDefinition),
    Update(StreamDefinition),
    Delete(String),
    Append {
        stream: String,
        sizes: Vec<usize>,
    },
    Read {
        stream: String,
        start: u64,
        min: u64,
        extra: u64,
        max_bytes: u64,
    },
    SaveCursor {
        stream: String,
        export: String,
        next: u64,
    },
    Wait {
        millis: u64,
    },
    /// The clock is corrected, while no time passes.
    Correct {
        millis: i64,
    },
    Reopen,
}

/// The rules that hold for a definition by itself, as far as the steps below break them.
fn is_valid(definition: &StreamDefinition) -> bool {
    definition.segment_size >= 1024
        && definition.segment_size <= definition.max_size
        && definition
            .time_to_live_millis
            .is_none_or(|ttl| ttl >= 60_000)
}

/// A payload that only this message has.
fn payload(stream: &str, number: u64, size: usize) -> Vec<u8> {
    let text = format!("{stream}/{number}/");
    text.bytes().cycle().take(size).collect()
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::AlreadyExists => "exists",
        Error::NotFound { .. } => "not found",
        Error::NoSuchExport { .. } => "no export",
        Error::InvalidDefinition { .. } => "invalid",
        Error::UpdateNotAllowed { .. } => "not allowed",
        Error::Full { .. } => "full",
        Error::TooLarge { .. } => "too large",
        Error::EmptyPayload => "empty",
        Error::InvalidReadRange => "range",
        Error::BeyondEnd => "beyond",
        Error::NotEnoughMessages => "not enough",
        other => panic!("not expected of a healthy store: {other}"),
    }
}

struct Pair {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    now: Now,
    store: Store,
    model: BTreeMap<String, ModelStream>,
}

impl Pair {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock();
        let (store, report) = open(folder.path(), &clock);
        assert!(report.losses.is_empty());
        Self {
            folder,
            clock,
            now: Now {
                shown: common::START.as_millis(),
                ran: 0,
            },
            store,
            model: BTreeMap::new(),
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Create(definition) => {
                let expected = if !is_valid(&definition) {
                    Err("invalid")
                } else if self.model.contains_key(definition.name.as_str()) {
                    Err("exists")
                } else {
                    let name = definition.name.to_string();
                    self.model
                        .insert(name, ModelStream::new(definition.clone()));
                    Ok(())
                };
                let found = self.store.create(definition).await;
                assert_eq!(found.map_err(|error| kind(&error)), expected);
            }
            Step::Update(definition) => {
                let expected = if !is_valid(&definition) {
                    Err("invalid")
                } else {
                    match self.model.get_mut(definition.name.as_str()) {
                        Some(stream) => stream.update(definition.clone()),
                        None => Err("not found"),
                    }
                };
                let found = self.store.update(definition).await;
                assert_eq!(found.map_err(|error| kind(&error)), expected);
            }
            Step::Delete(name) => {
                let expected = self.model.remove(&name).map(|_| ()).ok_or("not found");
                let found = self.store.delete(&name).await;
                assert_eq!(found.map_err(|error| kind(&error)), expected);
            }
            Step::Append { stream, sizes } => self.append(&stream, &sizes).await,
            Step::Read {
                stream,
                start,
                min,
                extra,
                max_bytes,
            } => {
                self.read(&stream, start, min, min + extra, max_bytes).await;
            }
            Step::SaveCursor {
                stream,
                export,
                next,
            } => {
                let mut cursor = Cursor::starting_at(SequenceNumber::new(next));
                // Not `delivered`: a delivery beyond the end cannot be, and would move the end.
                cursor.rejected_messages = next;
                cursor.last_error = Some("an \"error\"".into());
                let expected = match self.model.get_mut(&stream) {
                    Some(model) => model
                        .cursors
                        .get_mut(&export)
                        .map(|known| *known = cursor.clone())
                        .ok_or("no export"),
                    None => Err("not found"),
                };
                let found = self.store.save_cursor(&stream, &export, cursor).await;
                assert_eq!(found.map_err(|error| kind(&error)), expected);
            }
            Step::Wait { millis } => {
                self.now.shown += millis;
                self.now.ran += millis;
                self.clock.advance_millis(millis);
            }
            Step::Correct { millis } => {
                self.now.shown = self.now.shown.saturating_add_signed(millis);
                self.clock.set(Timestamp::from_millis(self.now.shown));
            }
            Step::Reopen => {
                self.store.close().await.unwrap();
                // The folder is free only when the last handle is gone.
                let elsewhere = tempfile::tempdir().unwrap();
                self.store = open(elsewhere.path(), &self.clock).0;
                let (store, report) = open(self.folder.path(), &self.clock);
                self.store.close().await.unwrap();
                self.store = store;
                assert!(report.losses.is_empty(), "{report:?}");
                self.model
                    .retain(|_, stream| stream.definition.persistence != Persistence::Memory);
            }
        }
        self.expire().await;
        self.compare();
    }

    /// Deletes what has outlived its time. The store does so by itself too, at moments of its own, so
    /// every step leaves nothing to delete: a step of a clock, an update of a time to live.
    async fn expire(&mut self) {
        self.store.expire().await.unwrap();
        for stream in self.model.values_mut() {
            stream.expire(self.now);
        }
    }

    async fn append(&mut self, name: &str, sizes: &[usize]) {
        let now = self.now;
        let (first, expected) = match self.model.get_mut(name) {
            Some(stream) => (stream.tail, stream.append(now, sizes)),
            None => (0, Err("not found")),
        };
        let payloads: Vec<_> = (first..)
            .zip(sizes)
            .map(|(number, size)| payload(name, number, *size).into())
            .collect();
        let found = self.store.append(name, Payloads::Many(payloads)).await;
        assert_eq!(
            found.map(SequenceNumber::get).map_err(|error| kind(&error)),
            expected
        );
    }

    async fn read(&self, name: &str, start: u64, min: u64, max: u64, max_bytes: u64) {
        let options = ReadOptions {
            start: SequenceNumber::new(start),
            min,
            max,
            max_bytes,
            wait: Duration::ZERO,
        };
        let found = self
            .store
            .read(name, options)
            .await
            .map_err(|error| kind(&error));
        let expected = match self.model.get(name) {
            Some(_) if min == 0 || min > max => Err("range"),
            Some(stream) => stream.read(start, min, max, max_bytes),
            None => Err("not found"),
        };
        if let Ok(messages) = &found {
            for message in messages {
                let number = message.sequence_number.get();
                let expected = payload(name, number, message.payload.len());
                assert_eq!(message.payload, expected, "{name} {number}");
            }
        }
        let found = found.map(|messages| {
            let pair = |m: &millstream_streams::Message| {
                (m.sequence_number.get(), Timestamp::as_millis(m.ingest_time))
            };
            messages.iter().map(pair).collect::<Vec<_>>()
        });
        assert_eq!(found, expected);
    }

    fn compare(&self) {
        let names: Vec<_> = self.store.list().iter().map(ToString::to_string).collect();
        assert_eq!(names, self.model.keys().cloned().collect::<Vec<_>>());
        for (name, stream) in &self.model {
            let info = self.store.describe(name).unwrap();
            let position = info.position;
            assert_eq!(
                (position.head.get(), position.tail.get(), position.bytes),
                (stream.head(), stream.tail, stream.bytes()),
                "{name}"
            );
            assert_eq!(*info.definition, stream.definition);
            let cursors: BTreeMap<_, _> = info.cursors.into_iter().collect();
            assert_eq!(cursors, stream.cursors);
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just(".".to_owned()),
        Just("c c".to_owned())
    ]
}

fn export_name() -> impl Strategy<Value = String> {
    prop_oneof![Just("x".to_owned()), Just("y".to_owned())]
}

fn definitions() -> impl Strategy<Value = StreamDefinition> {
    let exports = prop::collection::btree_map(export_name(), 0..4_u64, 0..3);
    (
        name(),
        1000..6000_u64,
        1000..2500_u64,
        prop::option::of(59_000..400_000_u64),
        any::<bool>(),
        0..4_u8,
        exports,
    )
        .prop_map(
            |(name, max_size, segment_size, ttl, reject, persistence, exports)| StreamDefinition {
                name: StreamName::new(&name).unwrap(),
                max_size,
                segment_size,
                time_to_live_millis: ttl,
                strategy_on_full: if reject {
                    StrategyOnFull::RejectNewData
                } else {
                    StrategyOnFull::OverwriteOldestData
                },
                persistence: match persistence {
                    0 => Persistence::Memory,
                    1 => Persistence::File(Flush::EveryAppend),
                    _ => Persistence::File(Flush::Relaxed),
                },
                exports: exports
                    .into_iter()
                    .map(|(identifier, start)| Export {
                        identifier,
                        start: SequenceNumber::new(start),
                        settings: "{}".into(),
                    })
                    .collect(),
            },
        )
}

fn steps() -> impl Strategy<Value = Step> {
    let sizes = vec(
        prop_oneof![40 => 1..400_usize, 1 => Just(0), 2 => 900..8000_usize],
        0..12,
    );
    prop_oneof![
        3 => definitions().prop_map(Step::Create),
        2 => definitions().prop_map(Step::Update),
        1 => name().prop_map(Step::Delete),
        12 => (name(), sizes).prop_map(|(stream, sizes)| Step::Append { stream, sizes }),
        12 => (name(), 0..80_u64, 0..6_u64, 0..40_u64, 1..6000_u64).prop_map(
            |(stream, start, min, extra, max_bytes)| {
                Step::Read { stream, start, min, extra, max_bytes }
            }
        ),
        3 => (name(), export_name(), 0..50_u64)
            .prop_map(|(stream, export, next)| Step::SaveCursor { stream, export, next }),
        3 => (1..200_000_u64).prop_map(|millis| Step::Wait { millis }),
        // Less than this is taken for drift.
        1 => (10_001..1_000_000_000_i64, any::<bool>()).prop_map(|(millis, back)| {
            Step::Correct { millis: if back { -millis } else { millis } }
        }),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 2000, ..Default::default() })]

    #[test]
    fn the_store_answers_as_its_model_does(steps in vec(steps(), 1..60)) {
        runtime().block_on(async {
            let mut pair = Pair::new();
            for step in steps {
                pair.step(step).await;
            }
            pair.store.close().await.unwrap();
        });
    }
}
