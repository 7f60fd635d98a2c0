//! Archives in S3: moto, read back with boto3, gzip and Arrow; and a server that answers as it is told.

mod crashes;
mod forms;
mod troubles;

use millstream_tests::{Host, HttpAnswer, HttpRequest, run_script};
use serde_json::Value;

use crate::setup::Exporting;

const BUCKET: &str = "archive";

const CREDENTIALS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-host"),
];

/// An export to an endpoint, with further keys of its configuration.
fn archiving_to(endpoint: &str, config: &str) -> Exporting<'static> {
    Exporting {
        plugin: "s3-archive",
        grants: format!("hosts = [\"{endpoint}\"]\naws-services = [\"s3\"]"),
        config: format!(
            "{{ bucket = \"{BUCKET}\", region = \"eu-central-1\", endpoint = \"{endpoint}\"{config} }}"
        ),
        environment: CREDENTIALS.to_vec(),
        ..Exporting::default()
    }
}

fn create_bucket(endpoint: &str) {
    run_script("s3_bucket.py", &[endpoint, "create", BUCKET]);
}

/// One object as `s3_bucket.py` reads it.
#[derive(Debug, Clone)]
struct Object {
    key: String,
    rows: Vec<(u64, u64, Vec<u8>)>,
    /// All that S3 and the file itself tell.
    told: Value,
}

impl Object {
    fn numbers(&self) -> Vec<u64> {
        self.rows.iter().map(|(number, ..)| *number).collect()
    }
}

/// All objects of the bucket, in the order of their keys.
fn objects(endpoint: &str) -> Vec<Object> {
    let printed = run_script("s3_bucket.py", &[endpoint, "objects", BUCKET]);
    let told: Vec<Value> = serde_json::from_str(&printed).unwrap();
    told.into_iter()
        .map(|told| Object {
            key: told["key"].as_str().unwrap().to_owned(),
            rows: told["rows"].as_array().unwrap().iter().map(row).collect(),
            told,
        })
        .collect()
}

fn row(row: &Value) -> (u64, u64, Vec<u8>) {
    let payload = row[2].as_str().unwrap();
    // One character for each byte.
    let payload = payload.chars().map(|c| u8::try_from(c).unwrap());
    (
        row[0].as_u64().unwrap(),
        row[1].as_u64().unwrap(),
        payload.collect(),
    )
}

/// The numbers of all messages in all objects, sorted, repeats included.
fn archived(objects: &[Object]) -> Vec<u64> {
    let mut numbers: Vec<u64> = objects.iter().flat_map(Object::numbers).collect();
    numbers.sort_unstable();
    numbers
}

/// What S3 answers when it has taken an object.
fn taken() -> HttpAnswer {
    HttpAnswer::Status(200, vec![("etag", "\"0\"".to_owned())], String::new())
}

/// What S3 answers when it has not.
fn refusal(status: u16, code: &str) -> HttpAnswer {
    let body = format!("<Error><Code>{code}</Code><Message>as it is</Message></Error>");
    HttpAnswer::Status(
        status,
        vec![("content-type", "application/xml".into())],
        body,
    )
}

/// The payloads in a request whose body is plain lines of JSON.
fn payloads(request: &HttpRequest) -> Vec<String> {
    let lines = std::str::from_utf8(&request.body).unwrap().lines();
    lines
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["payload"].as_str().unwrap().to_owned()
        })
        .collect()
}

fn no_failure_was_logged(host: &Host) {
    assert!(!host.log().contains("export failed"), "{}", host.log());
}
