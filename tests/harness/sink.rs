//! A Kinesis that answers as it is told, on a free port.

use std::sync::{Arc, Mutex};

use base64::Engine;
use serde_json::{Value, json};

use crate::{HttpAnswer, HttpRequest, HttpSink, Reserved};

/// One call as it arrived.
#[derive(Debug, Clone)]
pub struct PutRecords {
    /// The stream it names.
    pub stream: String,
    /// The data of its records, in order.
    pub records: Vec<String>,
    /// The partition keys of its records.
    pub partition_keys: Vec<String>,
    /// Its `authorization` header.
    pub authorization: String,
    /// The names of all its headers.
    pub headers: Vec<String>,
}

/// How a call is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// All records are taken.
    Accept,
    /// The records at these places fail with a throttling error of their own; the others are taken.
    FailRecords(Vec<usize>),
    /// The whole call fails with this HTTP status and error type.
    Fail(u16, &'static str),
    /// No answer at all.
    Hang,
}

/// A running sink.
pub struct Sink {
    server: HttpSink,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Sink {
    /// Starts a sink that takes everything.
    pub fn start() -> Self {
        Self::scripted(|_, _| Answer::Accept)
    }

    /// Starts a sink that answers each call as the script says, given its number from 0.
    pub fn scripted(script: impl Fn(usize, &PutRecords) -> Answer + Send + Sync + 'static) -> Self {
        Self::listen(Reserved::on_loopback(), script)
    }

    /// Starts a sink at an address that was kept for it.
    pub fn listen(
        reserved: Reserved,
        script: impl Fn(usize, &PutRecords) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&taken);
        let server = HttpSink::listen(reserved, move |number, request| {
            let call = PutRecords::read(request);
            let (status, body) = match script(number, &call) {
                Answer::Hang => return HttpAnswer::Hang,
                Answer::Fail(status, kind) => {
                    (status, json!({ "__type": kind, "message": "as told" }))
                }
                Answer::Accept => (200, call.take(&[], &all)),
                Answer::FailRecords(places) => (200, call.take(&places, &all)),
            };
            let json = ("content-type", "application/x-amz-json-1.1".to_owned());
            HttpAnswer::Status(status, vec![json], body.to_string())
        });
        Self { server, taken }
    }

    /// Its address, as plugins take it.
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<PutRecords> {
        let requests = self.server.requests();
        requests.iter().map(PutRecords::read).collect()
    }

    /// The data of all records that were taken, in order.
    pub fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

impl PutRecords {
    fn read(request: &HttpRequest) -> Self {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let records = body["Records"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let decode = |record: &Value| {
            let data = base64::engine::general_purpose::STANDARD.decode(text(&record["Data"]));
            String::from_utf8_lossy(&data.unwrap_or_default()).into_owned()
        };
        Self {
            stream: text(&body["StreamName"]),
            records: records.iter().map(decode).collect(),
            partition_keys: records
                .iter()
                .map(|record| text(&record["PartitionKey"]))
                .collect(),
            authorization: request.header("authorization").to_owned(),
            headers: request.headers.keys().map(ToString::to_string).collect(),
        }
    }

    /// Takes all records but those at the failing places, and says so.
    fn take(&self, failing: &[usize], taken: &Mutex<Vec<String>>) -> Value {
        let mut results = Vec::new();
        let mut taken = taken.lock().unwrap();
        for (place, record) in self.records.iter().enumerate() {
            if failing.contains(&place) {
                results.push(json!({
                    "ErrorCode": "ProvisionedThroughputExceededException",
                    "ErrorMessage": "Rate exceeded for shard shardId-000000000000"
                }));
            } else {
                taken.push(record.clone());
                let number = taken.len().to_string();
                results
                    .push(json!({ "SequenceNumber": number, "ShardId": "shardId-000000000000" }));
            }
        }
        let failed = failing
            .iter()
            .filter(|place| **place < self.records.len())
            .count();
        json!({ "FailedRecordCount": failed, "Records": results })
    }
}
