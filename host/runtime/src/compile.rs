//! Compiling a component in a child process.
//!
//! Compiling takes several times the memory of running, and an allocator gives little of it back; a
//! process that ends gives back all. The child is the same program, started with a hidden
//! subcommand that calls [`compile_file`], so that both sides share the engine's settings.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{ChildStderr, Command};

use crate::engine;
use crate::error::RuntimeError;
use crate::log::clean;

/// How long a compilation may take. The largest components take 6 seconds on a PC and a minute on
/// the smallest boards.
const TIME_LIMIT: Duration = Duration::from_secs(300);
/// How much of what the child says last is kept for the error, in bytes.
const STDERR_TAIL: usize = 2 << 10;

/// How to start the compiler: the paths of the component and of the native code to write follow the
/// arguments given here.
#[derive(Debug, Clone)]
pub struct CompileCommand {
    /// The program, usually the current executable.
    pub program: PathBuf,
    /// What comes before the two paths, such as a hidden subcommand.
    pub args: Vec<OsString>,
}

/// Compiles the component at `input` and writes native code for this machine to `output`.
///
/// # Errors
///
/// [`RuntimeError::Unreadable`] for the input, [`RuntimeError::Compile`] if it is not a valid
/// component, [`RuntimeError::Cache`] for the output.
pub fn compile_file(input: &Path, output: &Path) -> Result<(), RuntimeError> {
    let bytes = fs::read(input).map_err(|source| RuntimeError::Unreadable {
        path: input.into(),
        source,
    })?;
    let native = engine::new()?
        .precompile_component(&bytes)
        .map_err(|error| RuntimeError::Compile {
            path: input.into(),
            reason: format!("{error:#}"),
        })?;
    write_synced(output, &native).map_err(|source| RuntimeError::Cache {
        path: output.into(),
        source,
    })
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Has a child compile `input` to `output`; `path` is the component's own file, for errors.
pub(crate) async fn run(
    command: &CompileCommand,
    path: &Path,
    input: &Path,
    output: &Path,
) -> Result<(), RuntimeError> {
    run_within(TIME_LIMIT, command, path, input, output).await
}

async fn run_within(
    limit: Duration,
    command: &CompileCommand,
    path: &Path,
    input: &Path,
    output: &Path,
) -> Result<(), RuntimeError> {
    let missing = |source| RuntimeError::CompilerMissing {
        program: command.program.clone(),
        source,
    };
    // Large ones take half a minute, in which nothing else shows that something is under way.
    tracing::info!(component = %path.display(), "compiling a component for this machine");
    let mut child = Command::new(&command.program)
        .args(&command.args)
        .arg(input)
        .arg(output)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(missing)?;
    let stderr = child.stderr.take();
    let work = async { tokio::join!(child.wait(), tail(stderr)) };
    let Ok((status, said)) = tokio::time::timeout(limit, work).await else {
        // Dropping the child kills it.
        return Err(RuntimeError::CompileTimeout {
            path: path.into(),
            limit,
        });
    };
    let status = status.map_err(missing)?;
    if status.success() {
        return Ok(());
    }
    let reason = match said.trim() {
        "" => format!("the compiler ended with {status} and said nothing; memory may have run out"),
        said => clean(&said.replace('\n', " "), STDERR_TAIL),
    };
    Err(RuntimeError::Compile {
        path: path.into(),
        reason,
    })
}

/// The end of what the child says.
async fn tail(stderr: Option<ChildStderr>) -> String {
    let mut tail = Vec::new();
    if let Some(mut stderr) = stderr {
        let mut buffer = [0; STDERR_TAIL];
        while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
            tail.extend(buffer.iter().take(read));
            tail.drain(..tail.len().saturating_sub(STDERR_TAIL));
        }
    }
    String::from_utf8_lossy(&tail).into_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> CompileCommand {
        CompileCommand {
            program: "/bin/sh".into(),
            args: ["-c", script, "compiler"].map(OsString::from).into(),
        }
    }

    async fn outcome(limit: Duration, command: &CompileCommand) -> Result<(), RuntimeError> {
        let path = Path::new("plugin.wasm");
        run_within(limit, command, path, Path::new("in"), Path::new("out")).await
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn the_paths_follow_the_arguments() {
        let command = shell(r#"test "$1" = in && test "$2" = out"#);
        outcome(LONG, &command).await.unwrap();
    }

    #[tokio::test]
    async fn a_failed_compiler_is_quoted() {
        let error = outcome(LONG, &shell("echo bad magic >&2; exit 3"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("bad magic"), "{error}");
        let error = outcome(LONG, &shell("kill -9 $$")).await.unwrap_err();
        assert!(
            error.to_string().contains("memory may have run out"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_compiler_that_does_not_end_is_stopped() {
        let error = outcome(Duration::from_millis(50), &shell("exec sleep 600")).await;
        assert!(matches!(error, Err(RuntimeError::CompileTimeout { .. })));
    }

    #[tokio::test]
    async fn a_missing_compiler_is_named() {
        let command = CompileCommand {
            program: "/nonexistent/compiler".into(),
            args: vec![],
        };
        let error = outcome(LONG, &command).await.unwrap_err();
        assert!(
            error.to_string().contains("/nonexistent/compiler"),
            "{error}"
        );
    }
}
