//! The plugins for services of AWS that share a library: `firehose`, `cloudwatch-logs`, `sitewise`, `kinesis`, and
//! what is left of `iot-analytics`.
//!
//! What holds for every one of them is tested once, in [`suite`], for each [`Subject`]; a file for each
//! has what is its own, and its way to an emulator or a strict stand-in of the service.

mod cloudwatch_logs;
mod endpoints;
mod firehose;
mod iot_analytics;
mod kinesis;
mod sitewise;
mod stand_in;
mod suite;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_tests::{Host, HttpRequest};
use serde_json::Value;

use super::setup::{Exporting, numbered};

/// Credentials of the host. No service here looks at more than that there is a signature.
const CREDENTIALS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-host"),
];

/// A plugin and its service, as far as the tests that all have in common need to know them.
#[derive(Clone, Copy)]
struct Subject {
    plugin: &'static str,
    /// The service's name in signatures.
    signing_name: &'static str,
    /// Keys of the export's configuration, beside Region and endpoint.
    config: &'static str,
    /// A message with this number in it.
    message: fn(u64) -> Vec<u8>,
    /// The payloads that a call carries, in order.
    carried: fn(&Value) -> Vec<Vec<u8>>,
    /// The answer to a call of which the entries at these places fail with this code.
    answer: fn(&Value, &[usize], &str) -> Value,
    /// More bytes than a message may have.
    too_many_bytes: usize,
}

impl Subject {
    /// The export of the stream to an endpoint.
    fn exporting(&self, endpoint: &str) -> Exporting<'static> {
        let Self {
            plugin,
            signing_name,
            config,
            ..
        } = self;
        Exporting {
            plugin,
            grants: format!("hosts = [\"{endpoint}\"]\naws-services = [\"{signing_name}\"]"),
            config: format!("{{ region = \"eu-central-1\", endpoint = \"{endpoint}\"{config} }}"),
            batch_size: Some(10),
            environment: CREDENTIALS.to_vec(),
            ..Exporting::default()
        }
    }

    fn start(&self, endpoint: &str) -> Host {
        self.exporting(endpoint).start()
    }

    /// A host that gives a call ten seconds.
    fn start_impatient(&self, endpoint: &str) -> Host {
        let exporting = self.exporting(endpoint);
        let config = format!("plugins.call-deadline = \"10s\"\n{}", exporting.text());
        Host::start_with(&config, &exporting.environment)
    }

    fn messages(&self, numbers: std::ops::Range<u64>) -> Vec<Vec<u8>> {
        numbers.map(self.message).collect()
    }
}

/// A message for services whose records are any bytes.
fn bytes_that_are_no_text(number: u64) -> Vec<u8> {
    [&b"\0\xff\r\n"[..], numbered(number).as_bytes()].concat()
}

/// The payloads in a call of such a service.
fn data_of_records(call: &Value) -> Vec<Vec<u8>> {
    let records = call["Records"].as_array().cloned().unwrap_or_default();
    let data = records
        .iter()
        .map(|record| record["Data"].as_str().unwrap_or_default());
    data.map(|data| STANDARD.decode(data).unwrap()).collect()
}

fn body(request: &HttpRequest) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}
