//! A loaded component: checked against the host once, ready to be instantiated often.

mod interfaces;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use wasmtime::component::Component as Native;

use crate::description::{Description, TransformDescription};
use crate::error::RuntimeError;
use crate::exporter::{Exporter, ExporterSettings};
use crate::file;
use crate::instance::{World, describe};
use crate::limits::Limits;
use crate::producer::{self, ProducerEnd, ProducerSettings};
use crate::program::{Entry, ExporterProgram, Program, Resident, TransformProgram};
use crate::runtime::Runtime;
use crate::transform::{TransformSettings, Transformer};
use crate::webhook::{Webhook, WebhookSettings};
use interfaces::{find_entry, link_imports, split_version};

/// The version of the contract (`wit/`) that this host speaks.
pub const CONTRACT_VERSION: &str = "0.1.0";
/// The package of the contract.
const PACKAGE: &str = "millstream:plugin/";
/// The interfaces from which a producer learns that it is to end.
const TELLING: [&str; 2] = ["millstream:plugin/stop", "millstream:plugin/streams"];

/// What a component is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentKind {
    /// It carries messages to a destination.
    Exporter,
    /// It makes messages.
    Producer,
    /// It changes messages on their way to an exporter.
    Transform,
    /// It makes messages of the HTTP requests that come in.
    Webhook,
}

impl ComponentKind {
    /// Its name as a sentence has it, such as "an exporter".
    pub fn with_article(self) -> &'static str {
        match self {
            Self::Exporter => "an exporter",
            Self::Producer => "a producer",
            Self::Transform => "a transform",
            Self::Webhook => "a webhook",
        }
    }
}

/// Which file a component came from.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) path: PathBuf,
    /// 64 lower-case hexadecimal digits. The cache keeps native code for as long as this is held.
    pub(crate) sha256: Arc<str>,
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

impl Component {
    /// Checks native code against what the host calls and offers.
    pub(crate) fn link(
        runtime: &Runtime,
        origin: Origin,
        native: &Native,
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

        let linked = link_imports(runtime, &name, &imports, native)?;
        let program = match kind {
            ComponentKind::Exporter => {
                let program = ExporterProgram::find(linked, &name, interface)?;
                Program::Exporter {
                    cancels: program.canceling.is_some(),
                    program: Resident::new(program),
                }
            }
            ComponentKind::Producer => {
                Program::Producer(Resident::new(Entry::find(linked, &name, interface)?))
            }
            ComponentKind::Transform => {
                Program::Transform(Resident::new(Entry::find(linked, &name, interface)?))
            }
            ComponentKind::Webhook => Program::Webhook(Entry::find(linked, &name, interface)?),
        };
        let interface = interface.to_owned();
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
            Program::Exporter { .. } => ComponentKind::Exporter,
            Program::Producer(_) => ComponentKind::Producer,
            Program::Transform(_) => ComponentKind::Transform,
            Program::Webhook(_) => ComponentKind::Webhook,
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
            (ComponentKind::Webhook, version) => {
                let version = version.unwrap_or_default();
                vec![of_contract("webhook-plugin", version)]
            }
            (ComponentKind::Transform, version) => {
                vec![of_contract("transform-plugin", version.unwrap_or_default())]
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
    /// [`RuntimeError::WrongKind`] for other kinds, [`RuntimeError::Description`] for an answer that
    /// breaks the contract, and the errors of a call: `Trapped`, `TimedOut`, `OutOfMemory`.
    pub async fn describe(&self, limits: Limits) -> Result<Description, RuntimeError> {
        describe::<ExporterProgram>(self, limits).await
    }

    /// Makes an instance of an exporter and opens it with its configuration.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::WrongKind`] for other kinds, [`RuntimeError::Config`] if the exporter refuses
    /// the configuration, [`RuntimeError::Folder`] for a granted folder that is not there, and the
    /// errors of a call: `Trapped`, `TimedOut`, `OutOfMemory`.
    ///
    /// A component whose users all rest or are gone is loaded again for this, as for any call that needs
    /// an instance: [`RuntimeError::Lost`], and the errors of a compilation where one is needed.
    pub async fn open(&self, settings: ExporterSettings) -> Result<Exporter, RuntimeError> {
        Exporter::open(self.clone(), settings).await
    }

    /// Asks a transform who it is, in an instance of its own without any grant.
    ///
    /// # Errors
    ///
    /// As [`Self::describe`], for a component that is no transform.
    pub async fn describe_transform(
        &self,
        limits: Limits,
    ) -> Result<TransformDescription, RuntimeError> {
        describe::<TransformProgram>(self, limits).await
    }

    /// Makes an instance of a transform and opens it with its configuration. The description is its own.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], for a component that is no transform.
    pub async fn open_transform(
        &self,
        settings: TransformSettings,
        description: &TransformDescription,
    ) -> Result<Transformer, RuntimeError> {
        Transformer::open(self.clone(), settings, description.most_outputs).await
    }

    /// Runs a producer to its end.
    ///
    /// When `stop` becomes true, or its sender is dropped, calls on streams answer `unavailable` and
    /// waiting reads return, so that the producer can end cleanly. One that does not is ended after
    /// [`ProducerSettings::stop_timeout`].
    ///
    /// # Errors
    ///
    /// [`RuntimeError::WrongKind`] for other kinds, [`RuntimeError::Folder`] for a granted folder
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
        let program = program.lend(|| self.reload()).await?;
        producer::run(self, &program, settings, stop).await
    }

    /// Makes a webhook of it, for any number of requests.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::WrongKind`] for other kinds.
    pub fn webhook(&self, settings: WebhookSettings) -> Result<Webhook, RuntimeError> {
        match &self.inner.program {
            Program::Webhook(program) => Ok(Webhook::new(self.clone(), program.clone(), settings)),
            _ => Err(self.wrong_kind(ComponentKind::Webhook)),
        }
    }

    /// Whether a producer can learn that it is to end.
    pub(crate) fn learns_of_stop(&self) -> bool {
        let mut imports = self.imports().iter();
        imports.any(|import| TELLING.contains(&split_version(import).0))
    }

    /// Whether it wants to be told of messages that are not exported ([`Exporter::cancel`]).
    pub fn cancels(&self) -> bool {
        matches!(self.inner.program, Program::Exporter { cancels: true, .. })
    }

    /// What the host calls in it, for as long as the caller keeps it.
    pub(crate) async fn lend<W: World>(&self) -> Result<Arc<W>, RuntimeError> {
        self.resident::<W>()?.lend(|| self.reload()).await
    }

    /// The same for a look at it; see [`Resident::look`].
    pub(crate) async fn look<W: World>(&self) -> Result<Arc<W>, RuntimeError> {
        self.resident::<W>()?.look(|| self.reload()).await
    }

    fn resident<W: World>(&self) -> Result<&Resident<W>, RuntimeError> {
        W::of(&self.inner.program).ok_or_else(|| self.wrong_kind(W::KIND))
    }

    /// Loads this very version again. Its file may have changed meanwhile, so that is read only if the
    /// cache has lost the native code.
    async fn reload<T: Entry>(&self) -> Result<T, RuntimeError> {
        let inner = &*self.inner;
        let (name, origin) = (inner.name.clone(), inner.origin.clone());
        let bytes = move || {
            file::read_again(&origin.path, &origin.sha256).map_err(|problem| RuntimeError::Lost {
                component: name,
                sha256: origin.sha256.to_string(),
                path: origin.path,
                problem,
            })
        };
        let began = Instant::now();
        let native = inner.runtime.native(&inner.origin, bytes).await?;
        let linked = link_imports(&inner.runtime, &inner.name, &inner.imports, &native)?;
        let program = T::find(linked, &inner.name, &inner.interface)?;
        tracing::debug!(
            plugin = inner.name,
            took_ms = began.elapsed().as_secs_f64() * 1000.0,
            "native code was loaded again after a rest"
        );
        Ok(program)
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

#[cfg(test)]
mod tests;
