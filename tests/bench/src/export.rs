//! Export through the Kinesis plugin, against a loop with the same SDK in a native program.

use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_kinesis::config::{BehaviorVersion, Region};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use bytes::Bytes;
use millstream_protocol::definition::{Destination, Export, ExportDefinition, StrategyOnFull};
use millstream_protocol::{Call, MessageStreamDefinition};

use crate::host::{Host, Setup};
use crate::protocol::{Client, pipelined};
use crate::report::{Budget, median, ratio};
use crate::sink::{RECORDS, Sink};

const PAYLOAD: usize = 200;

const NAME: &str = "export through the Kinesis plugin, 200 B";

pub(crate) fn run(setup: &Setup, quick: bool) {
    if !setup.measures(NAME) {
        return;
    }
    let batches = if quick { 200 } else { 1_000 };
    let rounds = if quick { 3 } else { 5 };
    let mut ours = Vec::new();
    let mut native = Vec::new();
    for _ in 0..rounds {
        ours.push(through_the_plugin(setup, batches));
        native.push(native_loop(batches));
    }
    ratio(
        NAME,
        "messages/s",
        median(ours),
        "native loop, same SDK",
        median(native),
        Budget::AtLeast(0.9),
    );
}

/// Configuration that lets the plugin reach a sink.
pub(crate) fn config(sink: &Sink) -> String {
    let endpoint = sink.endpoint();
    format!(
        "[plugin.kinesis]\ncall-interval = \"0s\"\nconfig = {{ region = \"eu-central-1\", endpoint = \
         \"{endpoint}\" }}\n\
         [plugin.kinesis.grants]\nhosts = [\"{endpoint}\"]\naws-services = [\"kinesis\"]\n"
    )
}

/// A stream with so many exports to Kinesis.
pub(crate) fn exported(name: &str, exports: usize) -> MessageStreamDefinition {
    let mut definition =
        MessageStreamDefinition::new(name.parse().unwrap(), StrategyOnFull::OverwriteOldestData);
    let exports = (0..exports).map(|number| {
        let identifier = format!("e{number}").parse().unwrap();
        Export::new(
            identifier,
            Destination::Kinesis {
                stream_name: "k".into(),
            },
        )
    });
    definition.exports = ExportDefinition::new(exports.collect()).unwrap();
    definition
}

fn through_the_plugin(setup: &Setup, batches: usize) -> f64 {
    let sink = Sink::start();
    let host = Host::start(setup, &config(&sink));
    let mut client = Client::connect(host.port);
    let payload = Bytes::from(vec![b'x'; PAYLOAD]);
    // One export that has nothing to do warms the plugin up.
    client.call(Call::Create(Box::new(exported("warm", 1))));
    pipelined(host.port, "warm", 500, &payload);
    wait(|| sink.calls() > 0);

    client.call(Call::Create(Box::new(exported("s", 0))));
    pipelined(host.port, "s", batches * RECORDS, &payload);
    let before = sink.calls();
    let start = Instant::now();
    client.call(Call::Update(Box::new(exported("s", 1))));
    wait(|| sink.calls() - before >= batches as u64);
    (batches * RECORDS) as f64 / start.elapsed().as_secs_f64()
}

fn native_loop(batches: usize) -> f64 {
    let sink = Sink::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let config = aws_sdk_kinesis::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .endpoint_url(sink.endpoint())
            .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let client = aws_sdk_kinesis::Client::from_conf(config);
        let payload = vec![b'x'; PAYLOAD];
        let start = Instant::now();
        for _ in 0..batches {
            let records = (0..RECORDS)
                .map(|number| {
                    PutRecordsRequestEntry::builder()
                        .data(Blob::new(payload.clone()))
                        .partition_key(format!("{number:032x}"))
                        .build()
                        .unwrap()
                })
                .collect();
            client
                .put_records()
                .stream_name("k")
                .set_records(Some(records))
                .send()
                .await
                .unwrap();
        }
        (batches * RECORDS) as f64 / start.elapsed().as_secs_f64()
    })
}

/// Waits for an event, at most two minutes.
pub(crate) fn wait(done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "it did not happen"
        );
        std::thread::sleep(Duration::from_micros(200));
    }
}
