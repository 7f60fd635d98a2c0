//! What it costs to hand a batch to a component.
//!
//! The plugin `iot-analytics` is a guest in Rust that takes a batch, looks at none of it and answers with one
//! sentence: what a call of it takes is the way there and back.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use millstream_runtime::{
    BoxFuture, ExporterSettings, Grants, Limits, Message, ReadOptions, StreamAccess, StreamError,
};
use serde_json::json;
use tempfile::TempDir;

use crate::host::Setup;
use crate::loading::runtime;
use crate::report::{Budget, median, value};

const MESSAGES: u64 = 500;
const PAYLOAD: usize = 1 << 10;

pub(crate) fn run(setup: &Setup, quick: bool) {
    let what = "a call with 500 messages of 1 KiB, the boundary alone";
    if !setup.measures(what) {
        return;
    }
    let calls = if quick { 500 } else { 5000 };
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let times = executor.block_on(call(setup, calls));
    value(what, "ms", median(times), Budget::AtMost(1.0));
}

/// Milliseconds of each call.
async fn call(setup: &Setup, calls: usize) -> Vec<f64> {
    let cache = TempDir::new().unwrap();
    let runtime = runtime(setup, cache.path());
    let file = setup.plugins.join("iot-analytics.wasm");
    let component = runtime.load(&file).await.unwrap();
    let settings = ExporterSettings {
        label: "bench".into(),
        stream_name: "s".into(),
        export_identifier: "e".into(),
        config: json!({ "iotChannel": "c" }),
        grants: Grants::default(),
        limits: Limits::default(),
        streams: Arc::new(NoStreams),
        remembered: None,
    };
    let mut exporter = component.open(settings).await.unwrap();
    let batch: Vec<_> = (0..MESSAGES)
        .map(|sequence_number| Message {
            sequence_number,
            ingest_time: 1_700_000_000_000,
            payload: Bytes::from(vec![b'x'; PAYLOAD]),
        })
        .collect();
    let mut times = Vec::new();
    for _ in 0..calls {
        let start = Instant::now();
        let answer = exporter.export(&batch).await;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
        assert!(answer.is_err(), "{answer:?}");
    }
    times
}

struct NoStreams;

impl StreamAccess for NoStreams {
    fn append<'a>(
        &'a self,
        stream: &'a str,
        _payloads: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<u64, StreamError>> {
        panic!("it appends to {stream}")
    }

    fn read<'a>(
        &'a self,
        stream: &'a str,
        _options: ReadOptions,
    ) -> BoxFuture<'a, Result<Vec<Message>, StreamError>> {
        panic!("it reads {stream}")
    }
}
