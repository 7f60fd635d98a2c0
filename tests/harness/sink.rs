//! A Kinesis that answers as it is told, on a free port.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

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

type Script = Box<dyn Fn(usize, &PutRecords) -> Answer + Send + Sync>;

#[derive(Default)]
struct Seen {
    calls: Vec<PutRecords>,
    taken: Vec<String>,
}

/// A running sink.
pub struct Sink {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _runtime: Runtime,
}

impl Sink {
    /// Starts a sink that takes everything.
    pub fn start() -> Self {
        Self::scripted(|_, _| Answer::Accept)
    }

    /// Starts a sink that answers each call as the script says, given its number from 0.
    pub fn scripted(script: impl Fn(usize, &PutRecords) -> Answer + Send + Sync + 'static) -> Self {
        Self::listen("127.0.0.1:0".parse().unwrap(), script)
    }

    /// Starts a sink where another listened before, or shall.
    pub fn listen(
        address: SocketAddr,
        script: impl Fn(usize, &PutRecords) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(
            listener,
            Arc::new(Box::new(script)),
            Arc::clone(&seen),
        ));
        Self {
            address,
            seen,
            _runtime: runtime,
        }
    }

    /// Its address, as plugins take it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<PutRecords> {
        self.seen.lock().unwrap().calls.clone()
    }

    /// The data of all records that were taken, in order.
    pub fn taken(&self) -> Vec<String> {
        self.seen.lock().unwrap().taken.clone()
    }
}

async fn serve(listener: TcpListener, script: Arc<Script>, seen: Arc<Mutex<Seen>>) {
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
        tokio::spawn(async move {
            let service =
                service_fn(move |request| answer(request, Arc::clone(&script), Arc::clone(&seen)));
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    script: Arc<Script>,
    seen: Arc<Mutex<Seen>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let records = body["Records"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let decode = |record: &Value| {
        let data = base64::engine::general_purpose::STANDARD.decode(text(&record["Data"]));
        String::from_utf8_lossy(&data.unwrap_or_default()).into_owned()
    };
    let call = PutRecords {
        stream: text(&body["StreamName"]),
        records: records.iter().map(decode).collect(),
        partition_keys: records
            .iter()
            .map(|record| text(&record["PartitionKey"]))
            .collect(),
        authorization: head
            .headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned(),
        headers: head.headers.keys().map(ToString::to_string).collect(),
    };
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.calls.push(call.clone());
        seen.calls.len() - 1
    };
    let (status, body) = match script(number, &call) {
        Answer::Hang => std::future::pending().await,
        Answer::Fail(status, kind) => (status, json!({ "__type": kind, "message": "as told" })),
        Answer::Accept => (200, take(&call, &[], &seen)),
        Answer::FailRecords(places) => (200, take(&call, &places, &seen)),
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
    let json = hyper::header::HeaderValue::from_static("application/x-amz-json-1.1");
    response.headers_mut().insert("content-type", json);
    Ok(response)
}

fn take(call: &PutRecords, failing: &[usize], seen: &Mutex<Seen>) -> Value {
    let mut results = Vec::new();
    let mut seen = seen.lock().unwrap();
    for (place, record) in call.records.iter().enumerate() {
        if failing.contains(&place) {
            results.push(json!({
                "ErrorCode": "ProvisionedThroughputExceededException",
                "ErrorMessage": "Rate exceeded for shard shardId-000000000000"
            }));
        } else {
            seen.taken.push(record.clone());
            let number = seen.taken.len().to_string();
            results.push(json!({ "SequenceNumber": number, "ShardId": "shardId-000000000000" }));
        }
    }
    let failed = failing
        .iter()
        .filter(|place| **place < call.records.len())
        .count();
    json!({ "FailedRecordCount": failed, "Records": results })
}
