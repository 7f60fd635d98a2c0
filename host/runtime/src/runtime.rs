//! The runtime: one engine, one linker, one HTTP client and one cache for all components.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;
use wasmtime::Engine;
use wasmtime::component::{Component as Native, Linker};

use crate::cache::Cache;
use crate::compile::{self, CompileCommand};
use crate::component::{Component, Origin};
use crate::credentials::AwsOptions;
use crate::error::RuntimeError;
use crate::http::{Bandwidth, HttpHost, Traffic};
use crate::secrets::Secrets;
use crate::state::State;
use crate::ticker::Ticker;
use crate::{engine, file, linker};

/// What a runtime needs to know.
#[derive(Debug, Clone)]
pub struct RuntimeOptions {
    /// The folder of native code. It is made with mode 0700 if it is not there, and refused if
    /// another user could write to it.
    pub cache_dir: PathBuf,
    /// How to start the child process that compiles.
    pub compiler: CompileCommand,
    /// Where credentials for AWS come from.
    pub aws: AwsOptions,
    /// The ceiling on what all components together send over HTTP; none if there is none.
    pub bandwidth: Option<Bandwidth>,
    /// The secrets that the configuration names.
    pub secrets: Secrets,
}

/// Loads components. Clones are cheap and mean the same runtime.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    ticker: Ticker,
    http: Arc<HttpHost>,
    secrets: Arc<Secrets>,
    cache: Arc<Cache>,
    compiler: CompileCommand,
    /// One compilation at a time: each takes much memory, and the second of the same file finds it
    /// in the cache.
    compiling: Mutex<()>,
}

impl Runtime {
    /// Prepares everything that components share, and checks the cache folder.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Cache`] and [`RuntimeError::CacheUnsafe`] for the folder,
    /// [`RuntimeError::Engine`] if wasmtime cannot work on this machine.
    pub fn new(options: RuntimeOptions) -> Result<Self, RuntimeError> {
        let engine = engine::new()?;
        let secrets = Arc::new(options.secrets);
        let inner = Inner {
            linker: linker::new(&engine)?,
            ticker: Ticker::start(&engine)?,
            http: Arc::new(HttpHost::new(
                options.aws,
                Arc::clone(&secrets),
                options.bandwidth,
            )),
            secrets,
            cache: Arc::new(Cache::open(options.cache_dir, &engine)?),
            compiler: options.compiler,
            compiling: Mutex::new(()),
            engine,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Loads a component, from the cache if it was loaded before; otherwise a child process compiles
    /// it, which takes seconds.
    ///
    /// # Errors
    ///
    /// `Unreadable`, `TooLarge`, `NotWebAssembly`, `CoreModule` and `Incomplete` for the file;
    /// `NoEntry`, `ContractVersion`, `ContractShape` and `UnknownImport` for a component that does not
    /// fit this host; `Compile`, `CompileTimeout`, `CompilerMissing` and `Cache` for what lies between.
    pub async fn load(&self, path: &Path) -> Result<Component, RuntimeError> {
        self.load_if(path, |_, _| Ok(())).await
    }

    /// The same, if `allow` has nothing against it. It is handed the very bytes that are compiled and
    /// their SHA-256 as 64 lower-case hexadecimal digits, on a thread that may wait for the disk; its
    /// error is a clause that says what is wrong.
    ///
    /// # Errors
    ///
    /// Those of [`Self::load`], and `Refused`.
    pub async fn load_if(
        &self,
        path: &Path,
        allow: impl FnOnce(&[u8], &str) -> Result<(), String> + Send + 'static,
    ) -> Result<Component, RuntimeError> {
        let owned = path.to_owned();
        let (bytes, sha256) = blocking(move || {
            let bytes = file::read(&owned)?;
            file::check(&owned, &bytes)?;
            let sha256 = file::sha256(&bytes);
            allow(&bytes, &sha256).map_err(|reason| RuntimeError::Refused {
                path: owned,
                reason,
            })?;
            Ok((bytes, sha256))
        })
        .await?;
        let origin = Origin {
            path: path.to_owned(),
            sha256: sha256.into(),
            size: bytes.len() as u64,
        };

        self.inner.cache.keep(&origin.sha256);
        let native = self.native(&origin, move || Ok(bytes)).await?;
        Component::link(self, origin, &native)
    }

    /// Native code of a component: from the cache, or else compiled of `bytes`, which are asked for on a
    /// thread that may wait for the disk.
    pub(crate) async fn native(
        &self,
        origin: &Origin,
        bytes: impl FnOnce() -> Result<Vec<u8>, RuntimeError> + Send + 'static,
    ) -> Result<Native, RuntimeError> {
        if let Some(native) = self.cached(&origin.sha256).await? {
            return Ok(native);
        }
        let _turn = self.inner.compiling.lock().await;
        match self.cached(&origin.sha256).await? {
            Some(native) => Ok(native),
            None => self.compile(origin, blocking(bytes).await?).await,
        }
    }

    /// What all components together have sent and received over HTTP.
    pub fn traffic(&self) -> Traffic {
        self.inner.http.total().snapshot()
    }

    async fn cached(&self, sha256: &str) -> Result<Option<Native>, RuntimeError> {
        let (cache, engine) = (Arc::clone(&self.inner.cache), self.inner.engine.clone());
        let sha256 = sha256.to_owned();
        blocking(move || Ok(cache.load(&engine, &sha256))).await
    }

    async fn compile(&self, origin: &Origin, bytes: Vec<u8>) -> Result<Native, RuntimeError> {
        let cache = Arc::clone(&self.inner.cache);
        // The child reads a copy, so that the code is of the very bytes that were hashed.
        let input = blocking(move || cache.stage(&bytes)).await?;
        let cache = Arc::clone(&self.inner.cache);
        let output = blocking(move || cache.stage(&[])).await?;
        compile::run(
            &self.inner.compiler,
            &origin.path,
            input.path(),
            output.path(),
        )
        .await?;

        let (cache, engine) = (Arc::clone(&self.inner.cache), self.inner.engine.clone());
        let origin = origin.clone();
        blocking(move || {
            cache.install(&origin.sha256, output)?;
            cache
                .load(&engine, &origin.sha256)
                .ok_or_else(|| RuntimeError::Compile {
                    path: origin.path,
                    reason: "the compiler's output cannot be loaded; it is of another version or \
                         another kind of processor than this host"
                        .into(),
                })
        })
        .await
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn linker(&self) -> &Linker<State> {
        &self.inner.linker
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.inner.ticker
    }

    pub(crate) fn http(&self) -> &Arc<HttpHost> {
        &self.inner.http
    }

    pub(crate) fn secrets(&self) -> &Arc<Secrets> {
        &self.inner.secrets
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

/// Runs what waits for the disk on a thread that may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RuntimeError> + Send + 'static,
) -> Result<T, RuntimeError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| RuntimeError::Internal {
            reason: error.to_string(),
        })?
}

#[cfg(test)]
mod tests;
