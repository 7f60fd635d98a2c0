//! The Stream Manager protocol on a TCP port.
//!
//! A connection begins in the [`lobby`], where it introduces itself ([`greeting`]). Then one task serves
//! it ([`connection`]): what arrives comes through the [`inbox`], what is answered goes out through
//! [`outgoing`], and how much of both is held is bounded by the [`budget`]. Which right a request takes
//! is in [`permission`], what it means in [`requests`] and [`reads`]. Malformed frames end at most the
//! connection they came on.

mod budget;
mod connection;
mod greeting;
mod inbox;
mod lobby;
mod outgoing;
mod permission;
mod reads;
mod requests;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::access::Access;
use crate::config;
use crate::service::Service;
use budget::Budget;
use greeting::Greeted;
use inbox::Limits;
use lobby::Lobby;

/// What every connection needs.
struct Context {
    access: Access,
    service: Service,
    limits: Limits,
    budget: Budget,
    max_connections: usize,
    /// Places for connections; a connection has one from the end of its handshake on.
    places: Arc<Semaphore>,
}

/// A port that is bound.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    context: Arc<Context>,
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
        access: Access,
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
        let context = Context {
            access,
            service,
            limits: Limits {
                max_frame: usize::try_from(options.max_frame.0).unwrap_or(usize::MAX),
                frame_time: options.frame_time.0,
            },
            budget: Budget::new(options),
            max_connections: options.max_connections,
            places: Arc::new(Semaphore::new(options.max_connections)),
        };
        Ok(Self {
            listener,
            address,
            context: Arc::new(context),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is asked to stop; requests that were read by then are answered.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut lobby = Lobby::default();
        let mut connections = JoinSet::new();
        let stopped = stop.clone();
        let mut stopping = std::pin::pin!(async move {
            // It fails when the sender is gone, which means the same.
            let _ = stop.wait_for(|stop| *stop).await;
        });
        let mut following = std::pin::pin!(self.context.access.follow());
        loop {
            tokio::select! {
                () = &mut stopping => break,
                () = &mut following => {}
                accepted = self.listener.accept(), if lobby.has_room() => match accepted {
                    Ok((socket, peer)) => {
                        let context = Arc::clone(&self.context);
                        lobby.enter(greeting::greet(socket, peer, context));
                    }
                    Err(error) => {
                        // Out of file descriptors, most likely: connections that end free some.
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    }
                },
                greeted = lobby.leave() => {
                    if let Some(greeted) = greeted {
                        let context = Arc::clone(&self.context);
                        connections.spawn(serve(greeted, context, stopped.clone()));
                    }
                }
                Some(_) = connections.join_next() => {}
            }
        }
        drop((self.listener, lobby));
        while connections.join_next().await.is_some() {}
    }
}

async fn serve(greeted: Greeted, context: Arc<Context>, stop: watch::Receiver<bool>) {
    let peer = greeted.peer;
    let client = greeted.client.name().cloned();
    let client = client.as_ref().map(|name| name.as_str());
    tracing::debug!(%peer, client, "connected");
    match connection::serve(greeted, context, stop).await {
        Ok(()) => tracing::debug!(%peer, client, "disconnected"),
        Err(reason) => tracing::info!(%peer, client, reason, "connection closed"),
    }
}
