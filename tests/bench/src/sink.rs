//! Servers that take everything without looking at it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
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

/// What a body is answered with.
type Answers = Arc<dyn Fn(Bytes) -> Bytes + Send + Sync>;

impl Sink {
    /// A Kinesis.
    pub(crate) fn start() -> Self {
        let record = r#"{"SequenceNumber":"1","ShardId":"shardId-000000000000"}"#;
        let records = vec![record; RECORDS].join(",");
        let answer = Bytes::from(format!(
            r#"{{"FailedRecordCount":0,"Records":[{records}]}}"#
        ));
        Self::answering(move |_| answer.clone())
    }

    /// A server that answers each body as it is told, with the status 200.
    pub(crate) fn answering(answers: impl Fn(Bytes) -> Bytes + Send + Sync + 'static) -> Self {
        Self::with_status(StatusCode::OK, answers)
    }

    /// A server that has nothing to say of what it took.
    pub(crate) fn silent() -> Self {
        Self::with_status(StatusCode::NO_CONTENT, |_| Bytes::new())
    }

    fn with_status(
        status: StatusCode,
        answers: impl Fn(Bytes) -> Bytes + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let calls = Arc::new(AtomicU64::new(0));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(
            listener,
            status,
            Arc::new(answers),
            Arc::clone(&calls),
        ));
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

async fn serve(listener: TcpListener, status: StatusCode, answers: Answers, calls: Arc<AtomicU64>) {
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        let (answers, calls) = (Arc::clone(&answers), Arc::clone(&calls));
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let (answers, calls) = (Arc::clone(&answers), Arc::clone(&calls));
                async move {
                    let body = request.into_body().collect().await;
                    let answer = answers(body.map(|body| body.to_bytes()).unwrap_or_default());
                    calls.fetch_add(1, Ordering::AcqRel);
                    let response = Response::builder()
                        .status(status)
                        .header("content-type", "application/x-amz-json-1.1")
                        // Every object of S3 has one; the other clients do not look for it.
                        .header("etag", "\"0\"")
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
