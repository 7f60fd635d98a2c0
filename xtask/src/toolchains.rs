//! The tools that make components of each language, of fixed versions, in the target folder.
//!
//! | language | from | what |
//! | --- | --- | --- |
//! | Rust | rustup | the target wasm32-wasip2 |
//! | Python | PyPI | componentize-py |
//! | JavaScript | npm | componentize-js |
//! | C | Debian, crates.io | clang, lld, wasi-libc; wit-bindgen, wasm-tools |
//! | Go | PyPI, crates.io | Go; wit-bindgen, wasm-tools, an adapter, and the one Go module that is needed |

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;

use crate::process::{run, step};
use crate::workspace::{root, target};
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

/// The Go module that generated code needs, and the crate that carries it, in `src/pkg`.
const GO_MODULE: &str = "go.bytecodealliance.org/pkg";
const GO_MODULE_VERSION: &str = "v0.2.3";
const GO_MODULE_CRATE: &str = "wit-bindgen-go-0.61.1";

/// Where the tools are.
pub(crate) struct Toolchains {
    venv: PathBuf,
    node_modules: PathBuf,
}

impl Toolchains {
    /// Installs what is not there.
    pub(crate) fn install() -> Result<Self> {
        build::guest_target()?;
        peers::install_compilers()?;
        let venv = python::install_toolchains()?;
        let node_modules = node::install_componentize()?;
        WIT_BINDGEN.install()?;
        WASM_TOOLS.install()?;
        offer_go_module()?;
        std::fs::write(adapter(), WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?;
        Ok(Self { venv, node_modules })
    }

    /// Gives a project what its own `setup` would install, without installing it for each.
    pub(crate) fn furnish(&self, language: &str, project: &Path) -> Result<()> {
        match language {
            "python" => std::os::unix::fs::symlink(&self.venv, project.join(".venv"))?,
            "javascript" => {
                std::os::unix::fs::symlink(&self.node_modules, project.join("node_modules"))?;
            }
            // Which its Makefile would fetch with curl.
            "go" => {
                std::fs::copy(adapter(), project.join(ADAPTER))?;
            }
            // Versions that were fetched for the workspace.
            "rust" => {
                std::fs::copy(root().join("Cargo.lock"), project.join("Cargo.lock"))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The variables of commands that build a project.
    pub(crate) fn environment(&self) -> Result<[(&'static str, OsString); 6]> {
        let usual = std::env::var_os("PATH").unwrap_or_default();
        let ours = [self.venv.join("bin"), programs().join("bin")];
        let all = ours.into_iter().chain(std::env::split_paths(&usual));
        let path = std::env::join_paths(all)
            .context("the path of the target folder cannot stand in PATH")?;
        let proxy = format!("file://{}", go_proxy().display());
        Ok([
            ("PATH", path),
            ("GOPROXY", proxy.into()),
            ("GOSUMDB", "off".into()),
            // What comes of that folder, and nothing else.
            ("GOMODCACHE", programs().join("go-modules").into()),
            ("GOFLAGS", "-modcacherw".into()),
            // All projects in Rust share what is compiled of their libraries.
            (
                "CARGO_BUILD_BUILD_DIR",
                target().join("new-projects").into(),
            ),
        ])
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

const ADAPTER: &str = "wasi_snapshot_preview1.reactor.wasm";

/// What makes the present WASI of the former one, for which Go builds.
fn adapter() -> PathBuf {
    programs().join(ADAPTER)
}

/// A folder from which Go fetches modules as from a server.
fn go_proxy() -> PathBuf {
    programs().join("go-proxy")
}

/// Makes an archive of a folder; each name in it begins with the prefix.
const ZIP: &str = "
import os, sys, zipfile
folder, prefix, archive = sys.argv[1:]
with zipfile.ZipFile(archive, 'w') as archive:
    for parent, _, names in os.walk(folder):
        for path in (os.path.join(parent, name) for name in names):
            archive.write(path, prefix + os.path.relpath(path, folder))
";

/// Puts the Go module that generated code needs where Go fetches it from, as the protocol of module proxies
/// has it.
fn offer_go_module() -> Result<()> {
    let versions = go_proxy().join(GO_MODULE).join("@v");
    let zip = versions.join(format!("{GO_MODULE_VERSION}.zip"));
    if zip.exists() {
        return Ok(());
    }
    let module = go_module()?;
    std::fs::create_dir_all(&versions)?;
    std::fs::write(versions.join("list"), format!("{GO_MODULE_VERSION}\n"))?;
    let info = format!("{{\"Version\":\"{GO_MODULE_VERSION}\"}}");
    std::fs::write(versions.join(format!("{GO_MODULE_VERSION}.info")), info)?;
    let manifest = versions.join(format!("{GO_MODULE_VERSION}.mod"));
    std::fs::copy(module.join("go.mod"), manifest)?;
    // Under its own name only when it is whole.
    let half = zip.with_extension("half");
    run(Command::new("python3")
        .args(["-c", ZIP])
        .arg(module)
        .arg(format!("{GO_MODULE}@{GO_MODULE_VERSION}/"))
        .arg(&half))?;
    std::fs::rename(half, zip)?;
    Ok(())
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
