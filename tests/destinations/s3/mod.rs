//! Tasks of S3, against moto and against a strict stand-in that goes wrong as it is told.

mod canceled;
mod files;
mod large;
mod service;

use std::path::Path;

use millstream_protocol::Bounded;
use millstream_protocol::Call;
use millstream_protocol::request::ReadMessagesOptions;
use millstream_protocol::response::Success;
use millstream_tests::{Host, RawClient, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::setup::{self, Exporting};

const CREDENTIALS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", millstream_tests::ACCESS_KEY),
    ("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-host"),
];

/// What an export of tasks needs: S3 at an endpoint, files from one folder, and the stream `status`.
fn exporting(endpoint: &str, folder: &Path) -> Exporting<'static> {
    Exporting {
        plugin: "s3",
        grants: format!(
            "hosts = [\"{endpoint}\"]\naws-services = [\"s3\"]\nappend = [\"*status\"]\n\
             folders = [{{ path = {folder:?}, as = {folder:?} }}]"
        ),
        plugin_lines: format!(
            "config = {{ region = \"eu-central-1\", endpoint = \"{endpoint}\", \
             forcePathStyle = true }}"
        ),
        config: "{ statusConfig = { statusLevel = 4, statusStreamName = \"status\" } }".to_owned(),
        more: "[[stream]]\nname = \"status\"".to_owned(),
        environment: CREDENTIALS.to_vec(),
        ..Exporting::default()
    }
}

/// A folder with a file of so many bytes, which are all different enough, and its path.
fn file(folder: &TempDir, name: &str, bytes: usize) -> Vec<u8> {
    let content: Vec<u8> = (0..bytes as u64)
        .map(|index| (index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8)
        .collect();
    std::fs::write(folder.path().join(name), &content).unwrap();
    content
}

/// A task for a file of the folder, whose key is the file's name.
fn task(folder: &TempDir, name: &str) -> Value {
    let url = format!("file:{}/{name}", folder.path().display());
    json!({ "inputUrl": url, "bucket": "bucket", "key": name })
}

fn append(host: &Host, tasks: impl IntoIterator<Item = Value>) {
    setup::append(
        host,
        tasks.into_iter().map(|task| task.to_string().into_bytes()),
    );
}

/// All messages of the status stream.
fn told(host: &Host) -> Vec<Value> {
    let mut client = RawClient::connect(host.port());
    let options = ReadMessagesOptions {
        max_message_count: Bounded::clamped(1000),
        ..ReadMessagesOptions::default()
    };
    let name = "status".parse().unwrap();
    match client.call("r", Call::Read { name, options }).outcome {
        Ok(Success::Messages(messages)) => messages
            .iter()
            .map(|message| serde_json::from_slice(&message.payload).unwrap())
            .collect(),
        _ => Vec::new(),
    }
}

/// Task and status of all messages, as numbers.
fn statuses(host: &Host) -> Vec<(u64, u64)> {
    let number = |value: &Value| value.as_u64().unwrap();
    told(host)
        .iter()
        .map(|told| {
            let task = number(&told["statusContext"]["sequenceNumber"]);
            (task, number(&told["status"]))
        })
        .collect()
}

const SUCCESS: u64 = 0;
const FAILURE: u64 = 1;
const IN_PROGRESS: u64 = 2;
const CANCELED: u64 = 4;

/// Waits until the status stream has these messages, and no others.
fn wait_for_statuses(host: &Host, expected: &[(u64, u64)]) {
    let mut last = Vec::new();
    eventually(&format!("the statuses are {expected:?}"), || {
        last = statuses(host);
        (last == expected).then_some(())
    });
}

fn md5(content: &[u8]) -> String {
    use md5::{Digest, Md5};
    let digest = Md5::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
