//! Memory of a host that has nothing to do: with every plugin, and with exporters and producers.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::export::wait;
use crate::host::{Host, Setup};
use crate::report::{Budget, value};

const EACH: &str = "resident, one export of each plugin, resting";
const TEN: &str = "resident, ten exporters and ten producers, idle";

/// 60 MB.
const TEN_BUDGET: f64 = 60e6 / 1024.0 / 1024.0;
/// 30 MB.
const EACH_BUDGET: f64 = 30e6 / 1024.0 / 1024.0;

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

/// Producers with nothing to do: a component, how many of it, its arguments and what it is granted. They
/// never rest, since each waits for something.
const PRODUCERS: [(&str, usize, &str, &str); 4] = [
    (
        "follow-file",
        3,
        "'--stream', 'lines', '--file', '/out/none.log'",
        "folders = [{ path = 'out', as = '/out' }]",
    ),
    (
        "http-poll",
        3,
        "'--stream', 'lines', '--url', 'http://127.0.0.1:9/', '--interval', '1h'",
        "hosts = ['http://127.0.0.1:9']",
    ),
    (
        "mqtt-subscribe",
        2,
        "'--stream', 'lines', '--broker', 'mqtt://127.0.0.1:9', '--client-id', 'c', '--topic', 't'",
        "addresses = ['127.0.0.1:9']",
    ),
    (
        "system-metrics",
        2,
        "'--stream', 'lines', '--interval', '1h'",
        "folders = [{ path = '/proc', as = '/proc' }]",
    ),
];

pub(crate) fn run(setup: &Setup) {
    let exports = exports(&EXPORTS);
    row(setup, EACH, &exports, (EXPORTS.len(), 0), EACH_BUDGET);
    let ten = self::exports(&EXPORTS[..10]) + &producers();
    let count = PRODUCERS.iter().map(|(_, count, ..)| count).sum();
    row(setup, TEN, &ten, (10, count), TEN_BUDGET);
}

/// The components come from the cache, so that nothing of their compilation is counted. Where the native
/// code of exporters does not go in time, the row shows what is resident then.
fn row(setup: &Setup, name: &str, config: &str, parts: (usize, usize), budget: f64) {
    if !setup.measures(name) {
        return;
    }
    let config = format!("plugins.rest-after = \"1s\"\n{config}");
    let mut host = Host::start(setup, &config);
    wait(|| all_started(&host, parts));
    host.stop();
    host.start_again();
    wait(|| all_started(&host, parts));
    let started = Instant::now();
    // That of producers stays.
    let stays = if parts.1 == 0 { 0 } else { PRODUCERS.len() };
    while host.native_code() > stays && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    value(name, "MiB", host.memory("VmRSS"), Budget::AtMost(budget));
}

fn exports(exports: &[(&str, &str, &str)]) -> String {
    let mut text = String::new();
    for (plugin, grants, config) in exports {
        write!(
            text,
            "[plugin.{plugin}.grants]\n{grants}\n[[stream]]\nname = \"{plugin}\"\n[[stream.export]]\n\
             identifier = \"e\"\nplugin = \"{plugin}\"\nconfig = {{ {config} }}\n"
        )
        .unwrap();
    }
    text
}

fn producers() -> String {
    let mut text = String::from("[[stream]]\nname = \"lines\"\n");
    for (component, count, arguments, grants) in PRODUCERS {
        for number in 0..count {
            write!(
                text,
                "[[producer]]\nname = \"{component}-{number}\"\ncomponent = \"{component}\"\n\
                 args = [{arguments}]\n[producer.grants]\nappend = [\"lines\"]\n{grants}\n"
            )
            .unwrap();
        }
    }
    text
}

/// Whether each export has a version of its plugin, and each producer runs.
fn all_started(host: &Host, (exports, producers): (usize, usize)) -> bool {
    let status = host.status();
    let streams = status["streams"].as_array().unwrap();
    let all = streams
        .iter()
        .flat_map(|stream| stream["exports"].as_array().unwrap());
    let with_version = all.filter(|export| export["pluginSha256"] != "").count();
    let running = status["producers"].as_array().unwrap().iter();
    let running = running.filter(|producer| producer["state"] == "running");
    (with_version, running.count()) == (exports, producers)
}
