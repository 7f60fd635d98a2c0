//! What can go wrong, in sentences for the operator.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a component could not be loaded, opened or run.
///
/// `component` is the name a configuration uses: the file's name without `.wasm`, or the label that
/// the caller gave to the instance.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The file is missing or cannot be read.
    #[error("The component {} cannot be read: {source}. Check that the file exists and that this user may read it.", .path.display())]
    Unreadable {
        /// The component's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than a component may be.
    #[error("The component {} has {size} bytes, and {limit} is the most; build it without debug information.", .path.display())]
    TooLarge {
        /// The component's file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file does not begin like WebAssembly.
    #[error("The file {} is not WebAssembly. A component is a binary file that a compiler for wasm32-wasip2 writes.", .path.display())]
    NotWebAssembly {
        /// The file.
        path: PathBuf,
    },
    /// The file is a core module.
    #[error("The file {} is a WebAssembly core module and not a component. Build it for wasm32-wasip2, or turn it into a component with `wasm-tools component new`.", .path.display())]
    CoreModule {
        /// The file.
        path: PathBuf,
    },
    /// The file ends in the middle of a component.
    #[error("The component {} is not whole: it ends in the middle. If it is being copied, wait until that is done; otherwise copy it again.", .path.display())]
    Incomplete {
        /// The component's file.
        path: PathBuf,
    },
    /// The caller does not let this component in.
    #[error("The component {} is refused: {reason}.", .path.display())]
    Refused {
        /// The component's file.
        path: PathBuf,
        /// What the caller has against it.
        reason: String,
    },
    /// The component is nothing that this host runs.
    #[error(
        "The component {component} exports none of `{exporter}`, `{transformer}`, `wasi:cli/run` and `wasi:http/incoming-handler`, so it is no exporter, transform, producer or webhook. Build it against the worlds in `wit/`."
    )]
    NoEntry {
        /// The component.
        component: String,
        /// The interface of an exporter that this host calls.
        exporter: &'static str,
        /// The interface of a transform that this host calls.
        transformer: &'static str,
    },
    /// The component was built against a contract that this host does not speak.
    #[error("The component {component} exports `{found}`, but this host calls `{offered}`. Build the component against version {} of the contract, or use a host of the matching version.", .offered.rsplit('@').next().unwrap_or_default())]
    ContractVersion {
        /// The component.
        component: String,
        /// The interface the component exports.
        found: String,
        /// The interface this host calls.
        offered: &'static str,
    },
    /// The component's functions do not have the types of the contract.
    #[error(
        "The component {component} exports `{interface}`, but not with the functions of the contract: {reason}. Build it against the files in `wit/` of this host."
    )]
    ContractShape {
        /// The component.
        component: String,
        /// The interface in question.
        interface: String,
        /// The first difference.
        reason: String,
    },
    /// The component imports what the host does not have.
    #[error(
        "The component {component} imports `{import}`, which this host does not offer: {reason}. A component may import millstream:plugin 0.1, wasi:http 0.2 and the WASI 0.2 interfaces for commands."
    )]
    UnknownImport {
        /// The component.
        component: String,
        /// The interface it imports.
        import: String,
        /// What did not match.
        reason: String,
    },
    /// Compiling to native code failed.
    #[error("The component {} cannot be compiled: {reason}. If the file is whole, rebuild it with a current toolchain.", .path.display())]
    Compile {
        /// The component's file.
        path: PathBuf,
        /// The compiler's last words.
        reason: String,
    },
    /// The version of a component that is in use was at rest, and cannot be loaded again.
    #[error("The version of {component} in use (SHA-256 {sha256}) cannot be loaded again: its native code is gone from the cache, and {} {problem}. Put the file of that version back, or one that can follow it.", .path.display())]
    Lost {
        /// The component.
        component: String,
        /// The SHA-256 of its file, as 64 hexadecimal digits.
        sha256: String,
        /// Where its file was.
        path: PathBuf,
        /// Why it cannot be compiled again; it goes on from the file's name.
        problem: String,
    },
    /// Compiling took too long.
    #[error("Compiling the component {} did not end within {} seconds and was stopped; the device may be short of memory or the component too large.", .path.display(), .limit.as_secs())]
    CompileTimeout {
        /// The component's file.
        path: PathBuf,
        /// The time it had.
        limit: Duration,
    },
    /// The compiler's program cannot be started.
    #[error("The compiler {} cannot be started: {source}. It is this program itself; check that its file is still in place.", .program.display())]
    CompilerMissing {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder of the cache cannot be used.
    #[error("The cache folder {} cannot be used: {source}. Check the disk and the permissions, or name another folder.", .path.display())]
    Cache {
        /// The folder or the file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else could write native code into the cache.
    #[error("The cache folder {} {problem}, so native code in it cannot be trusted. Make it a folder that this user owns, with mode 0700, or delete it.", .path.display())]
    CacheUnsafe {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The certificate that this device shows, or what belongs to it, cannot be used.
    #[error("The file {} cannot be used to ask for AWS credentials: {reason}.", .path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// wasmtime itself cannot work here.
    #[error("The WebAssembly engine cannot start on this machine: {reason}.")]
    Engine {
        /// What wasmtime said.
        reason: String,
    },
    /// A granted folder is not there.
    #[error("{component} was granted the folder {} as `{guest}`, but it cannot be opened: {reason}. Create the folder, or correct the grant.", .host.display())]
    Folder {
        /// The instance.
        component: String,
        /// The folder on the device.
        host: PathBuf,
        /// Its path in the component.
        guest: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A call was made that this kind of component does not have.
    #[error(
        "The component {component} is {actual} and cannot be used as {wanted}. Name it in the matching section of the configuration."
    )]
    WrongKind {
        /// The component.
        component: String,
        /// What it is, with its article.
        actual: &'static str,
        /// What it was to be, with its article.
        wanted: &'static str,
    },
    /// A transform could not do anything with a batch.
    #[error("The transform {component} fails: {reason}")]
    Transform {
        /// The transform.
        component: String,
        /// The transform's own sentence.
        reason: String,
    },
    /// The answer to a batch breaks the contract.
    #[error("The answer of {component} breaks the contract: {reason}. Its author must correct it.")]
    Answer {
        /// The component.
        component: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// A component's description breaks the contract.
    #[error(
        "The component {component} describes itself wrongly: {problem}. Its author must correct `describe`."
    )]
    Description {
        /// The component.
        component: String,
        /// What is wrong.
        problem: String,
    },
    /// The exporter refused its configuration.
    #[error("{component} refuses its configuration{}: {message}", .field.as_ref().map(|field| format!(" at `{field}`")).unwrap_or_default())]
    Config {
        /// The instance.
        component: String,
        /// The wrong field, as a path; none if it is the whole.
        field: Option<String>,
        /// The exporter's own sentence.
        message: String,
    },
    /// The guest trapped: it crashed, or did what it may not.
    #[error(
        "{component} crashed: {reason}. Its last log lines may tell more; report this to its author."
    )]
    Trapped {
        /// The instance.
        component: String,
        /// wasmtime's name for the crash.
        reason: String,
    },
    /// A call did not end in time.
    #[error("{component} did not answer within {} and was stopped. Raise its deadline if its destination is slow.", seconds(.after))]
    TimedOut {
        /// The instance.
        component: String,
        /// The deadline of the call.
        after: Duration,
    },
    /// The guest wanted more memory than it may have.
    #[error(
        "{component} wanted more than its {limit} bytes of memory and was stopped. Raise its memory limit or make its batches smaller."
    )]
    OutOfMemory {
        /// The instance.
        component: String,
        /// The cap in bytes.
        limit: u64,
    },
    /// The lines of a producer's standard output cannot go to their stream.
    #[error(
        "The output of {component} cannot be appended to the stream `{stream}`: {reason}. Check that the stream exists."
    )]
    Stdout {
        /// The instance.
        component: String,
        /// The stream that was to receive the lines.
        stream: String,
        /// Why the stream did not take them.
        reason: String,
    },
    /// A webhook gave no answer to a request, or one that cannot be passed on.
    #[error("{component} did not answer a request as it should: {reason}.")]
    NoAnswer {
        /// The instance.
        component: String,
        /// What was missing.
        reason: String,
    },
    /// A part of the host stopped unexpectedly.
    #[error(
        "A task of the runtime stopped unexpectedly: {reason}. Restart the host; if it happens again, report it."
    )]
    Internal {
        /// What is known about it.
        reason: String,
    },
}

/// Why nothing of a batch was delivered.
///
/// After each of these the same batch may be handed over again; they differ in the pause that makes
/// sense and in what an operator must do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportFailure {
    /// The destination cannot be reached or does not answer.
    #[error("The destination is not available: {reason}")]
    Unavailable {
        /// The exporter's own sentence.
        reason: String,
        /// The shortest pause before the next try, if the destination named one.
        retry_after: Option<Duration>,
    },
    /// The destination asks for less.
    #[error("The destination asks for less: {reason}")]
    Throttled {
        /// The exporter's own sentence.
        reason: String,
        /// The shortest pause before the next try, if the destination named one.
        retry_after: Option<Duration>,
    },
    /// The destination refuses this device: a matter of credentials or permissions.
    #[error("The destination refuses this device: {reason}")]
    Denied {
        /// The exporter's own sentence.
        reason: String,
    },
    /// The destination does not know what the configuration names.
    #[error("The destination does not know what the configuration names: {reason}")]
    Misconfigured {
        /// The exporter's own sentence.
        reason: String,
    },
    /// The exporter crashed on the batch; the instance is gone.
    #[error("The exporter crashed: {reason}")]
    Trapped {
        /// wasmtime's name for the crash.
        reason: String,
    },
    /// The call did not end in time; the instance is gone.
    #[error("The exporter did not answer within {} and was stopped", seconds(.after))]
    TimedOut {
        /// The deadline of the call.
        after: Duration,
    },
    /// The exporter wanted more memory than it may have; the instance is gone.
    #[error("The exporter wanted more than its {limit} bytes of memory and was stopped")]
    OutOfMemory {
        /// The cap in bytes.
        limit: u64,
    },
    /// The exporter's answer makes no sense; whether anything was delivered is not known.
    #[error("The exporter's answer breaks the contract: {reason}")]
    Faulty {
        /// What is wrong with the answer.
        reason: String,
    },
    /// A fresh instance refused the configuration that an earlier one had accepted.
    #[error("The exporter refuses its configuration: {message}")]
    Config {
        /// The wrong field, as a path; none if it is the whole.
        field: Option<String>,
        /// The exporter's own sentence.
        message: String,
    },
    /// A transform before the exporter crashed on the batch; nothing has reached the exporter.
    #[error("{0}")]
    TransformCrashed(RuntimeError),
    /// A transform before the exporter could do nothing with the batch, or did not end in time: it may
    /// wait for a network, which says nothing of the messages.
    #[error("{0}")]
    TransformFailed(RuntimeError),
    /// A fresh instance could not be made, for a reason on the side of the host.
    #[error(transparent)]
    Host(RuntimeError),
}

impl ExportFailure {
    /// A transform before the exporter failed; nothing has reached the exporter.
    pub fn of_transform(error: RuntimeError) -> Self {
        match error {
            RuntimeError::Trapped { .. } | RuntimeError::OutOfMemory { .. } => {
                Self::TransformCrashed(error)
            }
            other => Self::TransformFailed(other),
        }
    }

    /// An instance could not be made. The batch has not been seen by any, so whatever went wrong says
    /// nothing about its messages.
    pub(crate) fn not_started(error: RuntimeError) -> Self {
        match error {
            RuntimeError::Config { field, message, .. } => Self::Config { field, message },
            other => Self::Host(other),
        }
    }
}

impl From<RuntimeError> for ExportFailure {
    fn from(error: RuntimeError) -> Self {
        match error {
            RuntimeError::Trapped { reason, .. } => Self::Trapped { reason },
            RuntimeError::TimedOut { after, .. } => Self::TimedOut { after },
            RuntimeError::OutOfMemory { limit, .. } => Self::OutOfMemory { limit },
            RuntimeError::Config { field, message, .. } => Self::Config { field, message },
            other => Self::Host(other),
        }
    }
}

/// A duration for people: whole seconds, or milliseconds below one.
fn seconds(duration: &Duration) -> String {
    if duration.as_secs() == 0 {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{} s", duration.as_secs())
    }
}
