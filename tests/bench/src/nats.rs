//! The baseline for appends: JetStream of `nats-server` with file storage.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream::StorageType};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tempfile::TempDir;
use tokio::sync::Semaphore;

/// A running server.
pub(crate) struct Nats {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Nats {
    /// Starts a server; none where the Debian package `nats-server` is not installed.
    pub(crate) fn start() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let config = format!(
            "listen: 127.0.0.1:{port}\njetstream {{ store_dir: {:?} }}\n",
            folder.path()
        );
        let file = folder.path().join("nats.conf");
        std::fs::write(&file, config).unwrap();
        let child = Command::new("nats-server")
            .arg("--config")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let nats = Self {
            child,
            port,
            _folder: folder,
        };
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if start.elapsed() > Duration::from_secs(10) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(nats)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Makes the stream that takes what is published.
    pub(crate) fn make_stream(&self) {
        runtime().block_on(async {
            self.context().await;
        });
    }

    async fn context(&self) -> jetstream::Context {
        let client = async_nats::connect(format!("127.0.0.1:{}", self.port))
            .await
            .unwrap();
        let context = jetstream::new(client);
        let config = jetstream::stream::Config {
            name: "bench".into(),
            subjects: vec!["bench".into()],
            storage: StorageType::File,
            ..Default::default()
        };
        context.get_or_create_stream(config).await.unwrap();
        context
    }

    /// Messages a second, each published after the acknowledgement of the one before.
    pub(crate) fn one_at_a_time(&self, messages: usize, payload: &Bytes) -> f64 {
        runtime().block_on(async {
            let context = self.context().await;
            let start = Instant::now();
            for _ in 0..messages {
                context
                    .publish("bench", payload.clone())
                    .await
                    .unwrap()
                    .await
                    .unwrap();
            }
            messages as f64 / start.elapsed().as_secs_f64()
        })
    }

    /// Messages a second with so many waiting for their acknowledgement.
    pub(crate) fn pipelined(&self, messages: usize, window: usize, payload: &Bytes) -> f64 {
        runtime().block_on(async {
            let context = self.context().await;
            let start = Instant::now();
            let mut waiting = FuturesUnordered::new();
            for _ in 0..messages {
                if waiting.len() >= window {
                    let _: Option<Result<_, _>> = waiting.next().await;
                }
                let acknowledgement = context.publish("bench", payload.clone()).await.unwrap();
                waiting.push(acknowledgement.into_future());
            }
            while let Some(acknowledged) = waiting.next().await {
                acknowledged.unwrap();
            }
            messages as f64 / start.elapsed().as_secs_f64()
        })
    }

    /// Messages a second of so many clients, each one at a time.
    pub(crate) fn many_clients(&self, clients: usize, messages: usize, payload: &Bytes) -> f64 {
        runtime().block_on(async {
            let mut contexts = Vec::new();
            for _ in 0..clients {
                contexts.push(self.context().await);
            }
            let go = Arc::new(Semaphore::new(0));
            let tasks: Vec<_> = contexts
                .into_iter()
                .map(|context| {
                    let (payload, go) = (payload.clone(), Arc::clone(&go));
                    tokio::spawn(async move {
                        drop(go.acquire().await);
                        for _ in 0..messages {
                            context
                                .publish("bench", payload.clone())
                                .await
                                .unwrap()
                                .await
                                .unwrap();
                        }
                    })
                })
                .collect();
            let start = Instant::now();
            go.add_permits(clients);
            for task in tasks {
                task.await.unwrap();
            }
            (clients * messages) as f64 / start.elapsed().as_secs_f64()
        })
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}
