//! A Kinesis that takes everything without looking at it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Records of every call it is made for.
pub(crate) const RECORDS: usize = 500;

/// A running sink.
pub(crate) struct Sink {
    address: SocketAddr,
    calls: Arc<AtomicU64>,
    _runtime: Runtime,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let record = r#"{"SequenceNumber":"1","ShardId":"shardId-000000000000"}"#;
        let records = vec![record; RECORDS].join(",");
        let answer = Bytes::from(format!(
            r#"{{"FailedRecordCount":0,"Records":[{records}]}}"#
        ));
        let calls = Arc::new(AtomicU64::new(0));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(listener, answer, Arc::clone(&calls)));
        Self {
            address,
            calls,
            _runtime: runtime,
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Acquire)
    }
}

async fn serve(listener: TcpListener, answer: Bytes, calls: Arc<AtomicU64>) {
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        let (answer, calls) = (answer.clone(), Arc::clone(&calls));
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let (answer, calls) = (answer.clone(), Arc::clone(&calls));
                async move {
                    let _ = request.into_body().collect().await;
                    calls.fetch_add(1, Ordering::AcqRel);
                    let response = Response::builder()
                        .header("content-type", "application/x-amz-json-1.1")
                        .body(Full::new(answer))
                        .unwrap();
                    Ok::<_, Infallible>(response)
                }
            });
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}
