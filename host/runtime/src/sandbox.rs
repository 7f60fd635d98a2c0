//! Turns grants and limits into the surroundings of one instance.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::Level;
use wasmtime::Store;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::cli::AsyncStdoutStream;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};
use wasmtime_wasi_http::WasiHttpCtx;

use crate::component::{Component, ComponentKind};
use crate::deadline::Waits;
use crate::error::RuntimeError;
use crate::grants::{FolderAccess, FolderGrant, Grants};
use crate::http::{HttpAccess, TrafficCounter};
use crate::limits::{Limits, MemoryLimiter};
use crate::log::{LogOutput, PluginLog};
use crate::runtime::Runtime;
use crate::secrets::ReadableSecrets;
use crate::sockets::SocketAccess;
use crate::state::State;
use crate::streams::{GrantedStreams, StreamAccess};
use crate::tls;
use crate::work::Work;

/// Resources (files, sockets, requests, header lists) that one instance may hold. The host keeps
/// memory for each, so this and the next two bound what a hostile guest can make the host keep.
pub(crate) const MAX_RESOURCES: usize = 512;
/// Bytes of one list of HTTP headers, bookkeeping included.
const MAX_FIELDS: usize = 64 << 10;
/// Bytes that one call may hand to the host: an append of 16 MiB and its bookkeeping.
const MAX_CALL_BYTES: usize = 64 << 20;
/// Bytes of random numbers that one call may ask for.
const MAX_RANDOM: u64 = 1 << 20;

/// What surrounds an instance.
pub(crate) struct Sandbox {
    /// The table of the configuration that has its grants, such as `plugin.http.grants`: what is refused
    /// is said with the line that would allow it.
    pub(crate) section: String,
    pub(crate) log: Arc<PluginLog>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) limits: Limits,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) streams: Option<Arc<dyn StreamAccess>>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) traffic: Arc<TrafficCounter>,
    /// What its requests wait for bandwidth.
    pub(crate) waits: Arc<Waits>,
}

/// Producers have their grants with themselves, all others by the name of the plugin.
fn section(component: &Component) -> String {
    match component.kind() {
        ComponentKind::Producer | ComponentKind::Webhook => "producer.grants".to_owned(),
        ComponentKind::Exporter | ComponentKind::Transform => {
            format!("plugin.{}.grants", component.name())
        }
    }
}

impl Sandbox {
    /// The surroundings of one component: without arguments and environment, and with a count of its
    /// traffic that begins at nothing.
    pub(crate) fn new(
        component: &Component,
        log: Arc<PluginLog>,
        grants: Arc<Grants>,
        limits: Limits,
        streams: Option<Arc<dyn StreamAccess>>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            section: section(component),
            log,
            grants,
            limits,
            args: Vec::new(),
            env: Vec::new(),
            streams,
            stop,
            traffic: TrafficCounter::within(component.runtime().http().total()),
            waits: Waits::new(),
        }
    }

    /// A fresh store with everything granted and nothing else. Standard output goes to `stdout`,
    /// or to the log.
    pub(crate) async fn store(
        &self,
        runtime: &Runtime,
        stdout: Option<AsyncStdoutStream>,
    ) -> Result<Store<State>, RuntimeError> {
        let mut wasi = WasiCtx::builder();
        wasi.args(&self.args)
            .envs(&self.env)
            .max_random_size(MAX_RANDOM);
        wasi.stderr(LogOutput::new(Arc::clone(&self.log), Level::INFO));
        match stdout {
            Some(stdout) => wasi.stdout(stdout),
            None => wasi.stdout(LogOutput::new(Arc::clone(&self.log), Level::INFO)),
        };
        let socket_access = SocketAccess::new(self);
        allow_sockets(&mut wasi, &socket_access);
        let wasi = self.open_folders(wasi).await?;

        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let mut wasi_http = WasiHttpCtx::new();
        wasi_http.set_field_size_limit(MAX_FIELDS);
        let state = State {
            wasi,
            wasi_http,
            table,
            http: HttpAccess::new(runtime.http(), self),
            socket_access,
            tls: tls::context(self),
            listings: 0,
            limiter: MemoryLimiter::new(self.limits.memory),
            log: Arc::clone(&self.log),
            secrets: ReadableSecrets {
                secrets: Arc::clone(runtime.secrets()),
                grants: Arc::clone(&self.grants),
                section: self.section.clone(),
                log: Arc::clone(&self.log),
            },
            streams: self.streams.as_ref().map(|streams| GrantedStreams {
                streams: Arc::clone(streams),
                grants: Arc::clone(&self.grants),
                section: self.section.clone(),
                log: Arc::clone(&self.log),
                stop: self.stop.clone(),
            }),
            stop: self.stop.clone(),
            work: Work::default(),
        };
        let mut store = Store::new(runtime.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(MAX_CALL_BYTES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        Ok(store)
    }

    /// Opens the granted folders on a thread that may wait for a slow disk.
    async fn open_folders(&self, mut wasi: WasiCtxBuilder) -> Result<WasiCtx, RuntimeError> {
        let (grants, label) = (Arc::clone(&self.grants), self.log.label().to_owned());
        let opened = tokio::task::spawn_blocking(move || {
            for folder in &grants.folders {
                open_folder(&mut wasi, folder).map_err(|reason| RuntimeError::Folder {
                    component: label.clone(),
                    host: folder.host.clone(),
                    guest: folder.guest.clone(),
                    reason,
                })?;
            }
            Ok(wasi.build())
        });
        opened.await.map_err(|error| RuntimeError::Internal {
            reason: error.to_string(),
        })?
    }
}

fn open_folder(wasi: &mut WasiCtxBuilder, folder: &FolderGrant) -> Result<(), String> {
    let metadata = std::fs::metadata(&folder.host).map_err(|error| error.to_string())?;
    if !metadata.is_dir() {
        return Err("it is not a folder".into());
    }
    let permissions = match folder.access {
        FolderAccess::ReadOnly => FsPerms::ReadOnly,
        FolderAccess::ReadWrite => FsPerms::ReadWrite,
    };
    wasi.preopened_dir(&folder.host, &folder.guest, permissions)
        .map_err(|error| format!("{error:#}"))?;
    Ok(())
}

/// What comes before and behind this is in `sockets`: making a socket, every use of one, every lookup.
fn allow_sockets(wasi: &mut WasiCtxBuilder, access: &Arc<SocketAccess>) {
    wasi.allow_tcp(true)
        .allow_udp(true)
        .allow_ip_name_lookup(true);
    let access = Arc::clone(access);
    wasi.socket_addr_check(move |address, purpose| {
        Box::pin(Arc::clone(&access).allows(address, purpose))
    });
}
