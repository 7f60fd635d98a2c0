//! The Stream Manager protocol on a TCP port.
//!
//! One task reads a connection, one writes it ([`connection`]); what a request means is in
//! [`requests`] and [`reads`]. Malformed frames end at most the connection they came on.

mod connection;
mod outgoing;
mod reads;
mod requests;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::config;
use crate::service::Service;

/// How much longer an answer may be than a request, in bytes. A message is read with more around it
/// than it was appended with: what can be appended is to be readable too.
const ANSWER_ALLOWANCE: usize = 1024;

/// What every connection needs.
pub(crate) struct Context {
    pub(crate) service: Service,
    /// The longest frame of a client, in bytes.
    pub(crate) max_frame: usize,
    /// The longest frame of an answer, in bytes.
    pub(crate) max_answer: usize,
}

/// A port that is bound.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    context: Arc<Context>,
    places: Arc<Semaphore>,
}

impl Server {
    /// Binds the port.
    ///
    /// # Errors
    ///
    /// A sentence that says what to change.
    pub(crate) async fn bind(
        options: &config::Server,
        port_file: Option<&Path>,
        service: Service,
    ) -> Result<Self, String> {
        let listener = TcpListener::bind(options.listen).await.map_err(|error| {
            let what_to_do = match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "another program listens there; stop it, or set server.listen to another port"
                }
                std::io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need privileges; set server.listen to a higher port"
                }
                _ => "set server.listen to an address of this machine",
            };
            format!("cannot listen on {}: {error}; {what_to_do}", options.listen)
        })?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        if let Some(file) = port_file {
            std::fs::write(file, format!("{}\n", address.port())).map_err(|error| {
                format!("cannot write server.port-file {}: {error}", file.display())
            })?;
        }
        let max_frame = usize::try_from(options.max_frame.0).unwrap_or(usize::MAX);
        Ok(Self {
            listener,
            address,
            context: Arc::new(Context {
                service,
                max_frame,
                max_answer: max_frame.saturating_add(ANSWER_ALLOWANCE),
            }),
            places: Arc::new(Semaphore::new(options.max_connections)),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is asked to stop; requests that were read by then are answered.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                accepted = self.listener.accept() => accepted,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((socket, peer)) => {
                    self.admit(socket, peer, stop.clone(), &mut connections);
                }
                Err(error) => {
                    // Out of file descriptors, most likely: connections that end free some.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
        drop(self.listener);
        while connections.join_next().await.is_some() {}
    }

    fn admit(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        stop: watch::Receiver<bool>,
        connections: &mut JoinSet<()>,
    ) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            tracing::warn!(%peer, "connection refused: server.max-connections are open");
            return;
        };
        let context = Arc::clone(&self.context);
        connections.spawn(async move {
            tracing::debug!(%peer, "connected");
            match connection::serve(socket, peer, context, stop).await {
                Ok(()) => tracing::debug!(%peer, "disconnected"),
                Err(reason) => tracing::info!(%peer, reason, "connection closed"),
            }
            drop(place);
        });
    }
}
