//! Appends through the store against plain inserts of the same bytes into the engine below it.
//!
//! Prints one JSON object a row, for `cargo xtask bench`. Arguments: `--quick` for fewer messages.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark ends when something is wrong, and prints its result"
)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use fjall::{Database, KeyspaceCreateOptions};
use millstream_streams::{
    Flush, Payloads, Persistence, Store, StoreOptions, StrategyOnFull, StreamDefinition, StreamName,
};

const PAYLOAD: usize = 256;
const BATCH: usize = 100;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, messages) = if quick { (3, 100_000) } else { (5, 500_000) };
    let mut ours = Vec::new();
    let mut raw = Vec::new();
    for _ in 0..rounds {
        ours.push(rate(messages, store(messages)));
        raw.push(rate(messages, engine(messages)));
    }
    let (ours, raw) = (median(ours), median(raw));
    println!(
        "{}",
        serde_json::json!({
            "what": "append in process, 256 B, batches of 100",
            "ours": ours,
            "baseline": raw,
            "unit": "messages/s",
            "against": "fjall, the same batches",
            "ratio": ours / raw,
        })
    );
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate needs no more than 52 bits"
)]
fn rate(messages: usize, time: Duration) -> f64 {
    messages as f64 / time.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn payload() -> Bytes {
    (0..PAYLOAD)
        .map(|byte| u8::try_from(byte % 251).unwrap())
        .collect::<Vec<_>>()
        .into()
}

fn store(messages: usize) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(&StoreOptions::new(folder.path())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let definition = StreamDefinition {
            name: StreamName::new("s").unwrap(),
            max_size: 1 << 40,
            segment_size: 16 << 20,
            time_to_live_millis: None,
            strategy_on_full: StrategyOnFull::OverwriteOldestData,
            persistence: Persistence::File(Flush::Relaxed),
            exports: Vec::new(),
        };
        store.create(definition).await.unwrap();
        let payload = payload();
        let start = Instant::now();
        for _ in 0..messages / BATCH {
            let batch = Payloads::Many(vec![payload.clone(); BATCH]);
            store.append("s", batch).await.unwrap();
        }
        let time = start.elapsed();
        store.close().await.unwrap();
        time
    })
}

fn engine(messages: usize) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::builder(folder.path()).open().unwrap();
    let data = database
        .keyspace("data", KeyspaceCreateOptions::default)
        .unwrap();
    let payload = payload();
    let start = Instant::now();
    for batch in 0..messages / BATCH {
        let mut writes = database.batch();
        for message in 0..BATCH {
            let number = (batch * BATCH + message) as u64;
            writes.insert(&data, number.to_be_bytes(), payload.clone());
        }
        writes.commit().unwrap();
    }
    start.elapsed()
}
