//! A loaded component: checked against the host once, ready to be instantiated often.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use wasmtime::component::InstancePre;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::contract::{ExporterPluginIndices, canceling};
use crate::deadline::Waits;
use crate::description::Description;
use crate::error::RuntimeError;
use crate::exporter::{Exporter, ExporterSettings};
use crate::grants::Grants;
use crate::guest::{bounded, fault};
use crate::http::TrafficCounter;
use crate::limits::Limits;
use crate::log::PluginLog;
use crate::producer::{self, ProducerEnd, ProducerSettings};
use crate::runtime::Runtime;
use crate::sandbox::Sandbox;
use crate::state::State;

/// The version of the contract (`wit/`) that this host speaks.
pub const CONTRACT_VERSION: &str = "0.1.0";
/// The package of the contract.
const PACKAGE: &str = "millstream:plugin/";
/// The interface that makes a component an exporter.
const EXPORTER: &str = "millstream:plugin/exporter@0.1.0";
/// The interface of exporters that want to know of canceled messages.
const CANCELING: &str = "millstream:plugin/canceling";
/// The interface that makes a component a producer.
const RUN: &str = "wasi:cli/run";

/// What a component is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentKind {
    /// It carries messages to a destination.
    Exporter,
    /// It makes messages.
    Producer,
}

impl ComponentKind {
    fn with_article(self) -> &'static str {
        match self {
            Self::Exporter => "an exporter",
            Self::Producer => "a producer",
        }
    }
}

/// Which file a component came from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) path: PathBuf,
    pub(crate) sha256: String,
    pub(crate) size: u64,
}

/// A component that fits this host. Clones are cheap and mean the same component.
#[derive(Clone)]
pub struct Component {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Runtime,
    name: String,
    origin: Origin,
    imports: Vec<String>,
    /// The interface by which the host calls it.
    interface: String,
    program: Program,
}

/// An exporter, ready to be instantiated.
#[derive(Clone)]
pub(crate) struct ExporterProgram {
    pub(crate) linked: InstancePre<State>,
    pub(crate) exporter: ExporterPluginIndices,
    /// None if it does not care what becomes of messages that it is not handed.
    pub(crate) canceling: Option<canceling::GuestIndices>,
}

enum Program {
    Exporter(ExporterProgram),
    Producer(CommandPre<State>),
}

impl Component {
    /// Checks native code against what the host calls and offers.
    pub(crate) fn link(
        runtime: &Runtime,
        origin: Origin,
        native: &wasmtime::component::Component,
    ) -> Result<Self, RuntimeError> {
        let name = component_name(&origin.path);
        let engine = runtime.engine();
        let types = native.component_type();
        let mut imports: Vec<String> = types
            .imports(engine)
            .map(|(import, _)| import.to_owned())
            .collect();
        imports.sort_unstable();
        let exports: Vec<&str> = types.exports(engine).map(|(export, _)| export).collect();
        let (kind, interface) = find_entry(&name, &exports)?;

        let linked = runtime.linker().instantiate_pre(native).map_err(|error| {
            let reason = format!("{error:#}");
            // wasmtime names the import in its message only.
            let import = imports
                .iter()
                .find(|import| reason.contains(&format!("`{import}`")));
            RuntimeError::UnknownImport {
                component: name.clone(),
                import: import
                    .cloned()
                    .unwrap_or_else(|| "an unknown interface".into()),
                reason,
            }
        })?;
        let interface = interface.to_owned();
        let shape = |error: wasmtime::Error| RuntimeError::ContractShape {
            component: name.clone(),
            interface: interface.clone(),
            reason: format!("{error:#}"),
        };
        let program = match kind {
            ComponentKind::Exporter => {
                let canceling = exports
                    .iter()
                    .any(|export| split_version(export).0 == CANCELING)
                    .then(|| canceling::GuestIndices::new(&linked))
                    .transpose()
                    .map_err(|error| RuntimeError::ContractShape {
                        component: name.clone(),
                        interface: CANCELING.to_owned(),
                        reason: format!("{error:#}"),
                    })?;
                Program::Exporter(ExporterProgram {
                    exporter: ExporterPluginIndices::new(&linked).map_err(shape)?,
                    linked,
                    canceling,
                })
            }
            ComponentKind::Producer => Program::Producer(CommandPre::new(linked).map_err(shape)?),
        };
        let inner = Inner {
            runtime: runtime.clone(),
            name,
            origin,
            imports,
            interface,
            program,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The name by which a configuration speaks of it: the file's name without `.wasm`.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The file it was loaded from.
    pub fn path(&self) -> &Path {
        &self.inner.origin.path
    }

    /// The SHA-256 of the file, as 64 hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.inner.origin.sha256
    }

    /// The size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.inner.origin.size
    }

    /// What it is for.
    pub fn kind(&self) -> ComponentKind {
        match self.inner.program {
            Program::Exporter(_) => ComponentKind::Exporter,
            Program::Producer(_) => ComponentKind::Producer,
        }
    }

    /// The interfaces it imports, such as `wasi:http/outgoing-handler@0.2.0`, in order.
    pub fn imports(&self) -> &[String] {
        &self.inner.imports
    }

    /// The version of the contract that it was built against; none for a command that takes nothing of
    /// the contract.
    pub fn contract_version(&self) -> Option<&str> {
        let imports = self.imports().iter().map(String::as_str);
        std::iter::once(self.inner.interface.as_str())
            .chain(imports)
            .find(|interface| interface.starts_with(PACKAGE))
            .map(|interface| split_version(interface).1)
    }

    /// The worlds that it is of, such as `millstream:plugin/exporter-plugin@0.1.0`.
    pub fn worlds(&self) -> Vec<String> {
        let of_contract = |world: &str, version: &str| format!("{PACKAGE}{world}@{version}");
        match (self.kind(), self.contract_version()) {
            (ComponentKind::Exporter, version) => {
                let version = version.unwrap_or_default();
                let mut worlds = vec![of_contract("exporter-plugin", version)];
                if self.cancels() {
                    worlds.push(of_contract("canceling-plugin", version));
                }
                worlds
            }
            (ComponentKind::Producer, Some(version)) => {
                vec![of_contract("producer-plugin", version)]
            }
            (ComponentKind::Producer, None) => {
                let version = split_version(&self.inner.interface).1;
                vec![format!("wasi:cli/command@{version}")]
            }
        }
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.inner.runtime
    }

    /// Asks an exporter who it is, in an instance of its own without any grant.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::WrongKind`] for a producer, [`RuntimeError::Description`] for an answer that
    /// breaks the contract, and the errors of a call: `Trapped`, `TimedOut`, `OutOfMemory`.
    pub async fn describe(&self, limits: Limits) -> Result<Description, RuntimeError> {
        let program = self.exporter()?;
        let runtime = self.runtime();
        let (_stop_sender, stop) = watch::channel(false);
        let sandbox = Sandbox {
            plugin: self.name().to_owned(),
            log: PluginLog::new(self.name()),
            grants: Arc::new(Grants::default()),
            limits,
            args: Vec::new(),
            env: Vec::new(),
            streams: None,
            stop,
            traffic: TrafficCounter::within(runtime.http().total()),
            waits: Waits::new(),
        };
        let mut store = sandbox.store(runtime, None).await?;
        let answer = bounded(runtime, &sandbox, async {
            let instance = program.linked.instantiate_async(&mut store).await?;
            let bindings = program.exporter.load(&mut store, &instance)?;
            bindings
                .millstream_plugin_exporter()
                .call_describe(&mut store)
                .await
        });
        let raw = answer
            .await?
            .map_err(|error| fault(&mut store, self.name(), &error))?;
        Description::parse(raw).map_err(|problem| RuntimeError::Description {
            component: self.name().to_owned(),
            problem,
        })
    }

    /// Makes an instance of an exporter and opens it with its configuration.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::WrongKind`] for a producer, [`RuntimeError::Config`] if the exporter refuses
    /// the configuration, [`RuntimeError::Folder`] for a granted folder that is not there, and the
    /// errors of a call: `Trapped`, `TimedOut`, `OutOfMemory`.
    pub async fn open(&self, settings: ExporterSettings) -> Result<Exporter, RuntimeError> {
        let program = self.exporter()?.clone();
        Exporter::open(self.clone(), program, settings).await
    }

    /// Runs a producer to its end.
    ///
    /// When `stop` becomes true, or its sender is dropped, calls on streams answer `unavailable` and
    /// waiting reads return, so that the producer can end cleanly. One that does not is ended by
    /// dropping the future, after whatever grace the caller gives.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::WrongKind`] for an exporter, [`RuntimeError::Folder`] for a granted folder
    /// that is not there, [`RuntimeError::Stdout`] if the stream of its output is lost, and
    /// `Trapped` or `OutOfMemory`.
    pub async fn run(
        &self,
        settings: ProducerSettings,
        stop: watch::Receiver<bool>,
    ) -> Result<ProducerEnd, RuntimeError> {
        let Program::Producer(program) = &self.inner.program else {
            return Err(self.wrong_kind(ComponentKind::Producer));
        };
        producer::run(self, program, settings, stop).await
    }

    /// Whether it wants to be told of messages that are not exported ([`Exporter::cancel`]).
    pub fn cancels(&self) -> bool {
        matches!(&self.inner.program, Program::Exporter(program) if program.canceling.is_some())
    }

    fn exporter(&self) -> Result<&ExporterProgram, RuntimeError> {
        match &self.inner.program {
            Program::Exporter(program) => Ok(program),
            Program::Producer(_) => Err(self.wrong_kind(ComponentKind::Exporter)),
        }
    }

    fn wrong_kind(&self, wanted: ComponentKind) -> RuntimeError {
        RuntimeError::WrongKind {
            component: self.name().to_owned(),
            actual: self.kind().with_article(),
            wanted: wanted.with_article(),
        }
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("name", &self.name())
            .field("kind", &self.kind())
            .field("sha256", &self.sha256())
            .finish_non_exhaustive()
    }
}

/// The name of a file without `.wasm`.
fn component_name(path: &Path) -> String {
    path.file_stem()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// Finds what makes a component an exporter or a producer. A component that is both is an exporter.
fn find_entry<'a>(
    component: &str,
    exports: &[&'a str],
) -> Result<(ComponentKind, &'a str), RuntimeError> {
    let (exporter, offered) = split_version(EXPORTER);
    if let Some(found) = exports
        .iter()
        .find(|export| split_version(export).0 == exporter)
    {
        return if compatible(split_version(found).1, offered) {
            Ok((ComponentKind::Exporter, found))
        } else {
            Err(RuntimeError::ContractVersion {
                component: component.into(),
                found: (*found).into(),
                offered: EXPORTER,
            })
        };
    }
    let run = exports.iter().find(|export| split_version(export).0 == RUN);
    run.map(|run| (ComponentKind::Producer, *run))
        .ok_or_else(|| RuntimeError::NoEntry {
            component: component.into(),
            exporter: EXPORTER,
        })
}

fn split_version(interface: &str) -> (&str, &str) {
    interface.split_once('@').unwrap_or((interface, ""))
}

/// Whether two versions are of one track, as component linking sees it: below 1.0.0 the same minor
/// version.
fn compatible(found: &str, offered: &str) -> bool {
    let track = |version: &str| version.rsplit_once('.').map(|(track, _)| track.to_owned());
    !found.contains('-') && track(found) == track(offered)
}

#[cfg(test)]
mod tests;
