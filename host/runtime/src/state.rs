//! What the host keeps for one instance, and the host's side of the contract.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tracing::Level;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
use wasmtime_wasi_tls::{WasiTlsCtx, WasiTlsCtxView, WasiTlsView};

use crate::contract::millstream::plugin::{log, secrets, streams, types};
use crate::contract::producing::stop;
use crate::http::HttpAccess;
use crate::limits::MemoryLimiter;
use crate::log::PluginLog;
use crate::secrets::ReadableSecrets;
use crate::sockets::SocketAccess;
use crate::streams::GrantedStreams;
use crate::work::Work;

/// The data of a store.
pub(crate) struct State {
    pub(crate) wasi: WasiCtx,
    pub(crate) wasi_http: WasiHttpCtx,
    pub(crate) table: ResourceTable,
    pub(crate) http: HttpAccess,
    pub(crate) socket_access: Arc<SocketAccess>,
    /// Listings of folders that are open.
    pub(crate) listings: usize,
    pub(crate) tls: WasiTlsCtx,
    pub(crate) limiter: MemoryLimiter,
    pub(crate) log: Arc<PluginLog>,
    pub(crate) secrets: ReadableSecrets,
    /// None where a component must not use streams at all, as in `describe`.
    pub(crate) streams: Option<GrantedStreams>,
    /// Becomes true when the component is asked to end.
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) work: Work,
}

impl State {
    /// How many resources the guest holds.
    pub(crate) fn resources(&mut self) -> usize {
        self.table.iter_mut().count()
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.wasi_http,
            table: &mut self.table,
            hooks: &mut self.http,
        }
    }
}

impl WasiTlsView for State {
    fn tls(&mut self) -> WasiTlsCtxView<'_> {
        WasiTlsCtxView {
            ctx: &mut self.tls,
            table: &mut self.table,
        }
    }
}

impl types::Host for State {}

impl log::Host for State {
    fn write(&mut self, level: log::Level, line: String) {
        let level = match level {
            log::Level::Error => Level::ERROR,
            log::Level::Warn => Level::WARN,
            log::Level::Info => Level::INFO,
            log::Level::Debug => Level::DEBUG,
            log::Level::Trace => Level::TRACE,
        };
        self.log.write(level, &line);
    }
}

impl secrets::Host for State {
    async fn get(&mut self, name: String) -> Result<String, secrets::SecretError> {
        self.secrets.get(&name).await
    }
}

impl stop::Host for State {
    async fn wait(&mut self, milliseconds: u64) -> bool {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            // The sender gone means that the host is on its way out.
            _ = stop.wait_for(|stopped| *stopped) => true,
            () = tokio::time::sleep(Duration::from_millis(milliseconds)) => false,
        }
    }
}

impl streams::Host for State {
    async fn append(
        &mut self,
        stream: String,
        payloads: Vec<Vec<u8>>,
    ) -> Result<u64, streams::StreamError> {
        let streams = self
            .streams
            .as_ref()
            .ok_or(streams::StreamError::NotGranted)?;
        let payloads = payloads.into_iter().map(Bytes::from).collect();
        Ok(streams.append(&stream, payloads).await?)
    }

    async fn read(
        &mut self,
        stream: String,
        options: streams::ReadOptions,
    ) -> Result<Vec<streams::Message>, streams::StreamError> {
        let streams = self
            .streams
            .as_ref()
            .ok_or(streams::StreamError::NotGranted)?;
        let messages = streams.read(&stream, options.into()).await?;
        Ok(messages.into_iter().map(streams::Message::from).collect())
    }
}
