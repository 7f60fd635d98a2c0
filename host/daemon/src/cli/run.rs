//! `millstream run`

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use millstream_streams::{OpenReport, Store, StoreOptions};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Failed, components, create_folder, output};
use crate::access::Access;
use crate::config::Config;
use crate::exports::Supervisor;
use crate::http;
use crate::plugins::Plugins;
use crate::process;
use crate::producers::Producers;
use crate::server::Server;
use crate::service::Service;
use crate::status::Observer;

/// Files that the host itself has open at most: tables, journals, sockets of exports.
const OWN_FILES: u64 = 512;

/// Runs the host until it is asked to stop.
pub(super) async fn run(config: Config) -> Result<(), Failed> {
    let started = Instant::now();
    let access = Access::load(&config)?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;

    if let Some(files) = process::allow_open_files()
        && files < config.server.max_connections as u64 + OWN_FILES
    {
        tracing::warn!(
            files,
            connections = config.server.max_connections,
            "fewer files may be open than server.max-connections needs; raise the limit (ulimit -n, \
             or LimitNOFILE of systemd)"
        );
    }
    if !config.variables.is_empty() {
        let variables = config.variables.join(", ");
        tracing::info!(
            variables,
            "set by the environment, over the configuration file"
        );
    }
    for problem in super::check::secrets(&config)
        .into_iter()
        .filter_map(Result::err)
    {
        tracing::warn!("{problem}");
    }
    let store = open_in_time(&config).await?;
    let components = components(&config)?;
    let plugins = Arc::new(Plugins::new(components.clone(), &config));
    let exports = Supervisor::new(store.clone(), Arc::clone(&plugins), &config);
    let service = Service::new(store.clone(), exports, config.least_part());
    let port_file = config
        .server
        .port_file
        .as_ref()
        .map(|file| config.path(file));
    let bound = async {
        // First, so that whoever sees the port file finds the socket too.
        let socket = http::socket::bind(&config.path(&config.storage.folder));
        let server = Server::bind(
            &config.server,
            port_file.as_deref(),
            access,
            service.clone(),
        )
        .await?;
        let http = match config.http.listen {
            Some(listen) => Some(http::bind(listen).await?),
            None => None,
        };
        Ok::<_, String>((server, http, socket))
    };
    let (server, http, socket) = match bound.await {
        Ok(bound) => bound,
        Err(reason) => {
            let _ = store.close().await;
            return Err(Failed::Other(reason));
        }
    };
    let mut producers = Producers::new(&config, &store, &plugins);
    let observer = Observer {
        service: service.clone(),
        plugins: Arc::clone(&plugins),
        producers: producers.board(),
        runtime: components,
        started,
        address: server.address(),
        http: http.as_ref().and_then(|http| http.local_addr().ok()),
        connections: server.connections(),
    };
    service.apply(&config.stream).await;
    let _doors = open_doors(http, socket, &observer);
    producers.start();
    tracing::info!(
        address = %server.address(),
        data = %config.path(&config.storage.folder).display(),
        plugins = %plugins.folder().display(),
        streams = store.list().len(),
        after = ?started.elapsed(),
        "Stream Manager reporting the state: RUNNING"
    );
    // For scripts that chose port 0.
    output::line(format!("listening on {}", server.address()));

    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(server.run(stopped));
    let failure = tokio::select! {
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        // Whoever supervises the process starts it again, and opening the store sets it right.
        error = store.failed() => Some(error),
    };
    tracing::info!("stopping: new requests are refused, calls in flight are settled");
    stop.send_replace(true);
    producers.shut_down().await;
    service.shut_down().await;
    let _ = tokio::time::timeout(config.exports.shutdown_grace.0, server).await;
    let closed = store.close().await;
    if let Some(error) = failure {
        return Err(Failed::Other(error.to_string()));
    }
    closed.map_err(|error| format!("the last sync failed: {error}"))?;
    tracing::info!("stopped");
    Ok(())
}

fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal, String> {
    signal(kind).map_err(|error| format!("cannot listen for signals: {error}"))
}

/// Serves HTTP until the value is dropped. A host without its socket serves its streams all the same.
fn open_doors(
    tcp: Option<TcpListener>,
    socket: Result<UnixListener, String>,
    observer: &Observer,
) -> JoinSet<Infallible> {
    let mut doors = JoinSet::new();
    match socket {
        Ok(listener) => {
            doors.spawn(http::serve_unix(listener, observer.clone()));
        }
        Err(reason) => tracing::warn!("{reason}"),
    }
    if let Some(listener) = tcp {
        doors.spawn(http::serve_tcp(listener, observer.clone()));
    }
    doors
}

async fn open_in_time(config: &Config) -> Result<Store, Failed> {
    let Some(limit) = config.storage.startup_timeout else {
        return open_store(config).await;
    };
    let opened = tokio::time::timeout(limit.0, open_store(config)).await;
    opened.unwrap_or_else(|_| {
        Err(Failed::Other(format!(
            "the streams were not open after {:?}; look at the disk, or set storage.startup-timeout \
             higher",
            limit.0
        )))
    })
}

async fn open_store(config: &Config) -> Result<Store, Failed> {
    let data = config.path(&config.storage.folder);
    create_folder(&data)?;
    let storage = &config.storage;
    let mut options = StoreOptions::new(data.join("streams"));
    options.queue_bytes = u32::try_from(storage.queue.0).unwrap_or(u32::MAX);
    options.write_buffer_bytes = storage.write_buffer.0;
    options.cache_bytes = storage.cache.0;
    options.memory_streams_bytes = storage.memory_streams.0;
    options.min_free_disk = storage.min_free_disk.0;
    let opened = tokio::task::spawn_blocking(move || Store::open(&options)).await;
    let (store, report) = opened
        .map_err(|error| format!("opening the streams failed: {error}"))?
        .map_err(|error| error.to_string())?;
    say(&report);
    Ok(store)
}

/// Tells the operator what a crash or a failing disk has taken.
fn say(report: &OpenReport) {
    for path in &report.set_aside {
        tracing::error!(path = %path.display(), "damaged files were set aside; nothing was deleted");
    }
    for loss in &report.losses {
        tracing::error!(
            stream = %loss.stream,
            first = %loss.first,
            messages = loss.messages,
            "acknowledged messages were lost to damage on the disk"
        );
    }
}
