//! Each plugin into a trivial sink, against a native program with the same library: the plugin's own
//! crate, built natively, driven in a loop.
//!
//! The sink is of the same kind on both sides, and takes everything. What differs is what Millstream adds:
//! reading the stream, the boundary of the component, its code in WebAssembly, and the host's network. The
//! native side is as simple as it can be: batches of the same size from memory, one after the other, over the
//! HTTP library that the host has as well, without a signature.

mod file;
mod http;
mod kafka;
mod s3;
mod tcp;

use std::time::{Duration, Instant};

use bytes::Bytes;
use millstream_plugin::{ExportContext, Exporter, Message, config, work};
use millstream_protocol::Call;
use millstream_protocol::MessageStreamDefinition;
use millstream_protocol::definition::{
    Destination, Export, ExportDefinition, ExportFormat, StrategyOnFull,
};
use millstream_protocol::response::Success;
use serde_json::Value;

use crate::host::{Host, Setup};
use crate::protocol::{Client, pipelined};
use crate::report::{Budget, median, ratio};

/// The longest that a run may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// One plugin with a sink that is there.
pub(crate) struct Case {
    /// The name of the plugin.
    pub(crate) plugin: &'static str,
    /// What is special about it, for the row's name.
    pub(crate) what: &'static str,
    /// Lines of `[plugin.NAME.grants]`.
    pub(crate) grants: String,
    /// The export's configuration.
    pub(crate) config: Value,
    /// What every message carries.
    pub(crate) payload: Bytes,
    /// Messages a batch.
    pub(crate) batch: usize,
    /// Batches of a run.
    pub(crate) batches: usize,
}

pub(crate) fn run(setup: &Setup, quick: bool) {
    http::run(setup, quick);
    s3::run(setup, quick);
    file::run(setup, quick);
    kafka::run(setup, quick);
    tcp::run(setup, quick);
}

/// Measures both sides, in turns, and prints the row.
fn row<E: Exporter>(setup: &Setup, quick: bool, case: &Case) {
    let what = format!("export through {}{}", case.plugin, case.what);
    if !setup.measures(&what) {
        return;
    }
    let rounds = if quick { 3 } else { 5 };
    let mut ours = Vec::new();
    let mut native = Vec::new();
    let (host, address) = started(setup, case);
    for _ in 0..rounds {
        ours.push(through_the_host(&host, &address, case));
        native.push(natively::<E>(case));
    }
    ratio(
        &what,
        "messages/s",
        median(ours),
        "native loop, same library",
        median(native),
        Budget::AtLeast(0.8),
    );
}

/// A host that has compiled the plugin, and the address of the export.
fn started(setup: &Setup, case: &Case) -> (Host, String) {
    let Case {
        plugin,
        grants,
        config,
        payload,
        ..
    } = case;
    let host = Host::start(
        setup,
        &format!("[plugin.{plugin}]\ncall-interval = \"0s\"\n[plugin.{plugin}.grants]\n{grants}\n"),
    );
    let address = address(plugin, config);
    let mut client = Client::connect(host.port);
    // One export that has nothing to do warms the plugin up.
    let warm = case.batch;
    client.call(Call::Create(Box::new(exported("warm", &address, case, 1))));
    pipelined(host.port, "warm", warm, payload);
    wait_for(&mut client, "warm", warm);
    (host, address)
}

/// Messages a second. Each run has a stream of the same name, as the native side has: to some servers its
/// messages are repeats from the second run on.
fn through_the_host(host: &Host, address: &str, case: &Case) -> f64 {
    let mut client = Client::connect(host.port);
    client.call(Call::Create(Box::new(exported("s", address, case, 0))));
    let messages = case.batch * case.batches;
    pipelined(host.port, "s", messages, &case.payload);
    let start = Instant::now();
    client.call(Call::Update(Box::new(exported("s", address, case, 1))));
    wait_for(&mut client, "s", messages);
    let rate = messages as f64 / start.elapsed().as_secs_f64();
    client.call(Call::Delete("s".parse().unwrap()));
    rate
}

/// Waits until the export of a stream has delivered so many messages, as a describe shows it.
fn wait_for(client: &mut Client, stream: &str, messages: usize) {
    let start = Instant::now();
    loop {
        let described = client.call(Call::Describe(stream.parse().unwrap()));
        let Success::Description(info) = described else {
            panic!("{described:?}");
        };
        let export = &info.exports[0];
        assert!(export.error_message.is_empty(), "{}", export.error_message);
        if export.exported_messages >= messages as u64 {
            return;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{} of {messages}",
            export.exported_messages
        );
        // Seldom enough that the host is busy with the export alone.
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn natively<E: Exporter>(case: &Case) -> f64 {
    let context = ExportContext {
        stream_name: "s".into(),
        export_identifier: "e".into(),
    };
    let config = config::parse(&case.config.to_string()).unwrap();
    let mut exporter = E::open(context, config).unwrap();
    let message = |sequence_number: &u64| Message {
        sequence_number: *sequence_number,
        ingest_time: 1_700_000_000_000,
        payload: case.payload.to_vec(),
    };
    let mut deliver = |first: u64| {
        let mut numbers: Vec<u64> = (first..first + case.batch as u64).collect();
        while !numbers.is_empty() {
            let undelivered = exporter.export(numbers.iter().map(message).collect());
            let undelivered = undelivered.unwrap();
            // Work of several calls gets what is left of its batch at once.
            let goes_on = undelivered.is_empty() || work::take_progress().is_some();
            assert!(goes_on, "{undelivered:?}");
            let left = undelivered.iter().map(|left| numbers[left.index as usize]);
            numbers = left.collect();
        }
    };
    deliver(0);
    let start = Instant::now();
    for batch in 1..=case.batches as u64 {
        deliver(batch * case.batch as u64);
    }
    (case.batch * case.batches) as f64 / start.elapsed().as_secs_f64()
}

/// `plugin:NAME?KEY=VALUE&…`, as SDKs write it.
fn address(plugin: &str, config: &Value) -> String {
    let mut pairs = Vec::new();
    for (key, value) in config.as_object().unwrap() {
        let text = value.to_string();
        let encoded: String = text
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                    char::from(byte).to_string()
                }
                byte => format!("%{byte:02X}"),
            })
            .collect();
        pairs.push(format!("{key}={encoded}"));
    }
    format!("plugin:{plugin}?{}", pairs.join("&"))
}

fn exported(name: &str, address: &str, case: &Case, exports: usize) -> MessageStreamDefinition {
    let mut definition =
        MessageStreamDefinition::new(name.parse().unwrap(), StrategyOnFull::OverwriteOldestData);
    definition.max_size = (1_u64 << 40).try_into().unwrap();
    let exports = (0..exports).map(|number| {
        let destination = Destination::Http {
            uri: address.to_owned(),
            format: ExportFormat::RawNotBatched,
        };
        let mut export = Export::new(format!("e{number}").parse().unwrap(), destination);
        export.batch_size = (case.batch as u64).try_into().unwrap();
        export
    });
    definition.exports = ExportDefinition::new(exports.collect()).unwrap();
    definition
}
