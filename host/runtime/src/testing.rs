//! Guests and surroundings for tests.
//!
//! Guests are WebAssembly text, encoded as components against the contract, so that no toolchain for
//! guests is needed here.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::watch;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use crate::component::Origin;
use crate::deadline::Waits;
use crate::http::TrafficCounter;
use crate::log::PluginLog;
use crate::sandbox::Sandbox;
use crate::streams::{BoxFuture, Message, ReadOptions, StreamAccess, StreamError};
use crate::{
    AwsOptions, CompileCommand, Component, CredentialsSource, Grants, Limits, Runtime,
    RuntimeError, RuntimeOptions, Secrets,
};

/// The exporter that does what the first byte of a batch says.
pub(crate) fn exporter() -> Vec<u8> {
    let (resolve, package) = contract();
    let world = resolve.select_world(&[package], Some("exporter-plugin"));
    let wat = include_str!("testing/exporter.wat");
    encode(&resolve, world.unwrap(), wat)
}

/// The same, which also wants to be told of canceled messages.
pub(crate) fn canceling() -> Vec<u8> {
    let (mut resolve, package) = contract();
    let world = |name| resolve.select_world(&[package], Some(name)).unwrap();
    let (exporter, canceling) = (world("exporter-plugin"), world("canceling-plugin"));
    resolve
        .merge_worlds(canceling, exporter, &mut wit_parser::CloneMaps::default())
        .unwrap();
    let wat = include_str!("testing/exporter.wat")
        .replace(";; CANCELING", include_str!("testing/canceling.wat"));
    encode(&resolve, exporter, &wat)
}

fn contract() -> (Resolve, wit_parser::PackageId) {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let (package, _) = resolve.push_dir(wit).unwrap();
    (resolve, package)
}

/// A command that prints three lines and then does `end`, which is WebAssembly text.
pub(crate) fn producer(end: &str) -> Vec<u8> {
    let wat = include_str!("testing/producer.wat").replace(";; END", end);
    with_wit(include_str!("testing/producer.wit"), "producer", &wat)
}

/// A webhook that does `body`, which is WebAssembly text, with each request.
pub(crate) fn webhook(body: &str) -> Vec<u8> {
    let wat = format!(
        "(module (memory (export \"memory\") 1)
           (func (export \"wasi:http/incoming-handler@0.2.0#handle\") (param i32 i32) {body}))"
    );
    with_wit(include_str!("testing/webhook.wit"), "webhook", &wat)
}

/// A guest for a world of its own.
pub(crate) fn with_wit(wit: &str, world: &str, wat: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    encode(&resolve, world, wat)
}

/// The surroundings of an instance with these grants.
pub(crate) fn sandbox(grants: Grants) -> Sandbox {
    Sandbox {
        section: "plugin.test.grants".into(),
        log: PluginLog::new("test"),
        grants: Arc::new(grants),
        limits: Limits::default(),
        args: vec![],
        env: vec![],
        streams: None,
        stop: watch::channel(false).1,
        traffic: TrafficCounter::new(),
        waits: Waits::new(),
    }
}

fn encode(resolve: &Resolve, world: wit_parser::WorldId, wat: &str) -> Vec<u8> {
    let mut module = wat::parse_str(wat).unwrap();
    wit_component::embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)
        .unwrap();
    ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .validate(true)
        .encode()
        .unwrap()
}

/// A runtime with a folder of its own, which is deleted with it.
pub(crate) struct Host {
    pub(crate) folder: TempDir,
    pub(crate) runtime: Runtime,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::with_secrets(Secrets::default())
    }

    pub(crate) fn with_compiler(compiler: CompileCommand) -> Self {
        Self::of(compiler, Secrets::default())
    }

    /// A runtime that has secrets.
    pub(crate) fn with_secrets(secrets: Secrets) -> Self {
        let compiler = CompileCommand {
            program: "/nonexistent".into(),
            args: vec![],
        };
        Self::of(compiler, secrets)
    }

    fn of(compiler: CompileCommand, secrets: Secrets) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Runtime::new(RuntimeOptions {
            cache_dir: folder.path().join("cache"),
            compiler,
            aws: AwsOptions {
                credentials: CredentialsSource::None,
                ..AwsOptions::default()
            },
            bandwidth: None,
            secrets,
        })
        .unwrap();
        Self { folder, runtime }
    }

    /// Compiles in this process and links.
    pub(crate) fn link(&self, wasm: &[u8]) -> Result<Component, RuntimeError> {
        let native = wasmtime::component::Component::new(self.runtime.engine(), wasm).unwrap();
        let origin = Origin {
            path: PathBuf::from("test.wasm"),
            sha256: "".into(),
            size: wasm.len() as u64,
        };
        Component::link(&self.runtime, origin, &native)
    }
}

/// The file of the exporter, and a host whose compiler counts its runs and copies native code that was
/// made beforehand.
#[cfg(unix)]
pub(crate) struct Compiled {
    pub(crate) host: Host,
    pub(crate) wasm: PathBuf,
    runs: PathBuf,
    _folder: TempDir,
}

#[cfg(unix)]
impl Compiled {
    pub(crate) fn new() -> Self {
        Self::by(r#"echo run >> "$2"; cat "$1" > "$4""#)
    }

    /// With a compiler of its own, a script. Its arguments are: native code made beforehand, the file of
    /// runs, the input, the output.
    pub(crate) fn by(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [wasm, native, runs] =
            ["my-plugin.wasm", "native", "runs"].map(|name| folder.path().join(name));
        std::fs::write(&wasm, exporter()).unwrap();
        crate::compile_file(&wasm, &native).unwrap();
        std::fs::write(&runs, "").unwrap();
        let mut args = vec!["-c".into(), script.into(), "compiler".into()];
        args.extend([native.into(), runs.clone().into()]);
        let host = Host::with_compiler(CompileCommand {
            program: "/bin/sh".into(),
            args,
        });
        Self {
            host,
            wasm,
            runs,
            _folder: folder,
        }
    }

    /// How often something was compiled.
    pub(crate) fn runs(&self) -> usize {
        std::fs::read_to_string(&self.runs).unwrap().lines().count()
    }

    /// The files of the cache.
    pub(crate) fn cached(&self) -> Vec<PathBuf> {
        let cache = std::fs::read_dir(self.host.folder.path().join("cache")).unwrap();
        cache.map(|entry| entry.unwrap().path()).collect()
    }

    /// Whether this process has mapped anything of the cache, as the system sees it.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_mapped(&self) -> bool {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.contains(&*self.host.folder.path().to_string_lossy())
    }
}

/// Streams that keep what is appended and have nothing to read.
#[derive(Default)]
pub(crate) struct Recorder {
    appended: Mutex<Vec<(String, Bytes)>>,
    refusals: Mutex<Vec<StreamError>>,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Refuses the first appends with these errors, the last first.
    pub(crate) fn refusing(refusals: Vec<StreamError>) -> Arc<Self> {
        Arc::new(Self {
            refusals: Mutex::new(refusals),
            ..Self::default()
        })
    }

    /// The payloads, in order.
    pub(crate) fn payloads(&self) -> Vec<Bytes> {
        self.appended
            .lock()
            .unwrap()
            .iter()
            .map(|(_, payload)| payload.clone())
            .collect()
    }
}

impl StreamAccess for Recorder {
    fn append<'a>(
        &'a self,
        stream: &'a str,
        payloads: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<u64, StreamError>> {
        let answer = match self.refusals.lock().unwrap().pop() {
            Some(refusal) => Err(refusal),
            None => {
                let mut appended = self.appended.lock().unwrap();
                appended.extend(
                    payloads
                        .into_iter()
                        .map(|payload| (stream.to_owned(), payload)),
                );
                Ok(0)
            }
        };
        Box::pin(std::future::ready(answer))
    }

    fn read<'a>(
        &'a self,
        _stream: &'a str,
        _options: ReadOptions,
    ) -> BoxFuture<'a, Result<Vec<Message>, StreamError>> {
        Box::pin(std::future::pending())
    }
}
