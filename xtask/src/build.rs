//! Building the host and the components.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{run, step};
use crate::workspace::{plugins, root, target};

const GUEST_TARGET: &str = "wasm32-wasip2";

/// Packages that are built to components, and the names under which they are dropped in.
const GUESTS: [(&str, &str); 4] = [
    ("millstream-kinesis", "kinesis"),
    ("millstream-file", "file"),
    ("millstream-http", "http"),
    ("millstream-timestamp", "timestamp"),
];

/// The cargo that runs us, in an environment as if it had been started by hand. Some libraries are
/// compiled anew when the variables change that cargo sets for a program it runs, such as this one.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let ours = name.to_string_lossy();
        if ours.starts_with("CARGO_PKG_") || ours.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo.current_dir(root());
    cargo
}

/// The names of the packages that only make sense as components.
pub(crate) fn guest_packages() -> impl Iterator<Item = &'static str> {
    GUESTS.iter().map(|(package, _)| *package)
}

/// The packages that are built and tested together. Cargo unites the features of what is built in
/// one go, so another selection would compile most libraries a second time; the benchmark, which has
/// more of them, stays out.
pub(crate) const TOGETHER: [&str; 3] = ["--workspace", "--exclude", "millstream-bench"];

/// Builds the program. The tests of the whole program are built with it, because they have features
/// of their own and are to find the program as it is.
pub(crate) fn host() -> Result<()> {
    step("building the host");
    let mut build = cargo();
    build.args(["build", "--release"]).args(TOGETHER);
    build.args(["--bin", "millstream"]);
    run(build.args(["--test", "scenarios", "--test", "conformance"]))
}

/// Makes sure that components can be compiled.
pub(crate) fn guest_target() -> Result<()> {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let is_there = sysroot.is_ok_and(|output| {
        let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Path::new(&sysroot)
            .join("lib/rustlib")
            .join(GUEST_TARGET)
            .join("lib")
            .is_dir()
    });
    if is_there {
        return Ok(());
    }
    step(format!("installing the target {GUEST_TARGET}"));
    run(Command::new("rustup").args(["target", "add", GUEST_TARGET])).with_context(|| {
        format!(
            "components are compiled for {GUEST_TARGET}; install Rust with rustup, or that target \
             by the means of your system"
        )
    })
}

/// Builds the components and puts them into the plugins folder.
pub(crate) fn guests() -> Result<()> {
    guest_target()?;
    step("building the components");
    let mut build = cargo();
    build.args(["build", "--profile", "guest", "--target", GUEST_TARGET]);
    for package in guest_packages() {
        build.args(["--package", package]);
    }
    run(&mut build)?;
    std::fs::create_dir_all(plugins())?;
    for (package, name) in GUESTS {
        let built = target().join(GUEST_TARGET).join("guest");
        // A library's file has underscores, a program's the package's own name.
        let library = built.join(format!("{}.wasm", package.replace('-', "_")));
        let program = built.join(format!("{package}.wasm"));
        let from = if program.exists() { program } else { library };
        let to = plugins().join(format!("{name}.wasm"));
        std::fs::copy(&from, &to)
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

/// Lints components as components.
pub(crate) fn lint_guests() -> Result<()> {
    let mut clippy = cargo();
    clippy.args(["clippy", "--profile", "guest", "--target", GUEST_TARGET]);
    for package in guest_packages() {
        clippy.args(["--package", package]);
    }
    run(clippy.args(["--", "--deny", "warnings"]))
}
