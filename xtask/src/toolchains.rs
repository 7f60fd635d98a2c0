//! The tools that make components of languages other than Rust, each of a fixed version, in the target folder.
//!
//! | language | from | what |
//! | --- | --- | --- |
//! | Python | PyPI | componentize-py |
//! | JavaScript | npm | componentize-js |
//! | C | Debian, crates.io | clang, lld, wasi-libc; wit-bindgen, wasm-tools |
//! | Go | PyPI, crates.io | Go; wit-bindgen, wasm-tools, an adapter, and the one Go module that is needed |

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};

use crate::process::{run, step};
use crate::workspace::target;
use crate::{build, node, peers, python};

/// A program of crates.io: its version, and the features that are needed of it.
struct Program {
    package: &'static str,
    program: &'static str,
    version: &'static str,
    features: &'static str,
}

const WIT_BINDGEN: Program = Program {
    package: "wit-bindgen-cli",
    program: "wit-bindgen",
    version: "0.61.1",
    features: "c,go",
};

const WASM_TOOLS: Program = Program {
    package: "wasm-tools",
    program: "wasm-tools",
    version: "1.254.2",
    features: "component",
};

/// The crate that carries the Go module of which generated code is made, in `src/pkg`.
const GO_MODULE: &str = "go.bytecodealliance.org/pkg";
const GO_MODULE_CRATE: &str = "wit-bindgen-go-0.61.1";

/// Where the tools are.
pub(crate) struct Toolchains {
    venv: PathBuf,
    node_modules: PathBuf,
    go_module: PathBuf,
}

impl Toolchains {
    /// Installs what is not there.
    pub(crate) fn install() -> Result<Self> {
        peers::install_compilers()?;
        let venv = python::install_toolchains()?;
        let node_modules = node::install_componentize()?;
        WIT_BINDGEN.install()?;
        WASM_TOOLS.install()?;
        Ok(Self {
            venv,
            node_modules,
            go_module: go_module()?,
        })
    }

    /// Gives a project what its own `setup` would install, without installing it for each.
    pub(crate) fn furnish(&self, language: &str, project: &Path) -> Result<()> {
        match language {
            "python" => std::os::unix::fs::symlink(&self.venv, project.join(".venv"))?,
            "javascript" => {
                std::os::unix::fs::symlink(&self.node_modules, project.join("node_modules"))?;
            }
            "go" => {
                let adapter = format!("{WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME}.reactor.wasm");
                std::fs::write(
                    project.join(adapter),
                    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
                )?;
                let replaced = format!(
                    "go 1.25\n\nuse .\n\nreplace {GO_MODULE} => {}\n",
                    self.go_module.display()
                );
                std::fs::write(project.join("go.work"), replaced)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The `PATH` of commands that build a project.
    pub(crate) fn path(&self) -> Result<OsString> {
        let usual = std::env::var_os("PATH").unwrap_or_default();
        let ours = [self.venv.join("bin"), programs().join("bin")];
        let all = ours.into_iter().chain(std::env::split_paths(&usual));
        std::env::join_paths(all).context("the path of the target folder cannot stand in PATH")
    }
}

/// Where programs of crates.io are installed.
fn programs() -> PathBuf {
    target().join("toolchains")
}

impl Program {
    /// Unoptimised: they run for moments, and compiling them is what takes time.
    fn install(&self) -> Result<()> {
        let stamp = programs().join(format!("{}-{}", self.program, self.version));
        if stamp.exists() {
            return Ok(());
        }
        step(format!("installing {} {}", self.program, self.version));
        run(build::cargo()
            .args(["install", "--quiet", "--locked", "--debug", "--force"])
            .args(["--no-default-features", "--features", self.features])
            .args(["--version", self.version, self.package, "--root"])
            .arg(programs())
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_TARGET_DIR", programs().join("build")))?;
        std::fs::write(stamp, "")?;
        Ok(())
    }
}

/// The Go module, out of the crate: cargo has unpacked it to compile `wit-bindgen`.
fn go_module() -> Result<PathBuf> {
    let home = match std::env::var_os("CARGO_HOME") {
        Some(home) => home.into(),
        None => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
    };
    let sources = home.join("registry").join("src");
    let registries = std::fs::read_dir(&sources)
        .with_context(|| format!("cannot read {}", sources.display()))?;
    for registry in registries {
        let module = registry?
            .path()
            .join(GO_MODULE_CRATE)
            .join("src")
            .join("pkg");
        if module.join("go.mod").is_file() {
            return Ok(module);
        }
    }
    bail!(
        "{GO_MODULE_CRATE} is not in {}; delete {} so that it is fetched again",
        sources.display(),
        programs().display()
    )
}
