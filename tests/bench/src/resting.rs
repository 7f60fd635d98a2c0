//! Memory of a host that has every plugin and nothing to do.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::export::wait;
use crate::host::{Host, Setup};
use crate::report::{Budget, value};

const NAME: &str = "resident, one export of each plugin, resting";

/// The time in which all shall have come to rest, a second after the last has started.
const PATIENCE: Duration = Duration::from_secs(10);

/// A plugin, what it is granted, and the configuration of its export. Nobody listens on port 9.
const EXPORTS: [(&str, &str, &str); 14] = [
    (
        "cloudwatch-logs",
        "hosts = ['http://127.0.0.1:9']\naws-services = ['logs']",
        "logGroupName = 'g', region = 'eu-central-1'",
    ),
    (
        "file",
        "folders = [{ path = 'out', as = '/out', write = true }]",
        "folder = '/out'",
    ),
    (
        "firehose",
        "hosts = ['http://127.0.0.1:9']\naws-services = ['firehose']",
        "deliveryStreamName = 'd', region = 'eu-central-1'",
    ),
    (
        "http",
        "hosts = ['http://127.0.0.1:9']",
        "uri = 'http://127.0.0.1:9/'",
    ),
    (
        "influxdb",
        "hosts = ['http://127.0.0.1:9']",
        "uri = 'http://127.0.0.1:9', database = 'd', api = 'v1'",
    ),
    ("iot-analytics", "", "iotChannel = 'c'"),
    (
        "kafka",
        "addresses = ['127.0.0.1:9']",
        "brokers = ['127.0.0.1:9'], topic = 't'",
    ),
    (
        "kinesis",
        "hosts = ['http://127.0.0.1:9']\naws-services = ['kinesis']",
        "kinesisStreamName = 'k', region = 'eu-central-1'",
    ),
    (
        "mqtt",
        "addresses = ['127.0.0.1:9']",
        "broker = 'mqtt://127.0.0.1:9', topic = 't'",
    ),
    (
        "nats",
        "addresses = ['127.0.0.1:9']",
        "servers = ['nats://127.0.0.1:9'], subject = 's'",
    ),
    (
        "otlp",
        "hosts = ['http://127.0.0.1:9']",
        "uri = 'http://127.0.0.1:9'",
    ),
    (
        "s3",
        "hosts = ['http://127.0.0.1:9']\naws-services = ['s3']",
        "region = 'eu-central-1', sizeThresholdForMultipartUploadBytes = 5242880",
    ),
    (
        "s3-archive",
        "hosts = ['http://127.0.0.1:9']\naws-services = ['s3']",
        "bucket = 'archive', region = 'eu-central-1'",
    ),
    (
        "sitewise",
        "hosts = ['http://127.0.0.1:9']\naws-services = ['iotsitewise']",
        "region = 'eu-central-1'",
    ),
];

/// The components come from the cache, so that nothing of their compilation is counted. Where native code
/// does not go in time, the row shows what is resident then.
pub(crate) fn run(setup: &Setup) {
    if !setup.measures(NAME) {
        return;
    }
    let mut host = Host::start(setup, &config());
    wait(|| all_started(&host));
    host.stop();
    host.start_again();
    wait(|| all_started(&host));
    let started = Instant::now();
    while host.has_native_code() && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    value(NAME, "MiB", host.memory("VmRSS"), Budget::AtMost(30.0));
}

fn config() -> String {
    let mut text = String::from("plugins.rest-after = \"1s\"\n");
    for (plugin, grants, config) in EXPORTS {
        write!(
            text,
            "[plugin.{plugin}.grants]\n{grants}\n[[stream]]\nname = \"{plugin}\"\n[[stream.export]]\n\
             identifier = \"e\"\nplugin = \"{plugin}\"\nconfig = {{ {config} }}\n"
        )
        .unwrap();
    }
    text
}

/// Whether each export has a version of its plugin.
fn all_started(host: &Host) -> bool {
    let status = host.status();
    let streams = status["streams"].as_array().unwrap();
    let has_version = |export: &serde_json::Value| export["pluginSha256"] != "";
    streams.len() == EXPORTS.len()
        && streams
            .iter()
            .flat_map(|stream| stream["exports"].as_array().unwrap())
            .all(has_version)
}
