//! Building the host and the components.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{run, step};
use crate::workspace::{hostile, plugins, root, target};

const GUEST_TARGET: &str = "wasm32-wasip2";

/// A package that is built to a component.
struct Guest {
    package: String,
    /// The name under which it is dropped in: that of its folder.
    name: String,
    /// The folder that it is dropped into.
    into: PathBuf,
}

/// Every package in `plugins` and `components` that makes a component: a library of the kind `cdylib`,
/// or a program. And those that attack the host in tests, which are dropped in where nobody takes them for
/// plugins.
fn guests_of_the_workspace() -> Result<Vec<Guest>> {
    let hostile = ["hostile", "hostile-producer"].map(|name| Guest {
        package: format!("millstream-{name}"),
        name: name.to_owned(),
        into: hostile(),
    });
    let mut found = Vec::from(hostile);
    for parent in ["plugins", "components"] {
        let parent = root().join(parent);
        let entries = std::fs::read_dir(&parent)
            .with_context(|| format!("cannot read {}", parent.display()))?;
        for entry in entries {
            let folder = entry?.path();
            let Ok(manifest) = std::fs::read_to_string(folder.join("Cargo.toml")) else {
                continue;
            };
            let is_component =
                manifest.contains("\"cdylib\"") || folder.join("src/main.rs").exists();
            if let (true, Some(name)) = (is_component, folder.file_name()) {
                let name = name.to_string_lossy().into_owned();
                let package = format!("millstream-{name}");
                let into = plugins();
                found.push(Guest {
                    package,
                    name,
                    into,
                });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

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
    for test in ["scenarios", "destinations", "conformance"] {
        build.args(["--test", test]);
    }
    run(&mut build)
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
    let guests = guests_of_the_workspace()?;
    for guest in &guests {
        build.args(["--package", &guest.package]);
    }
    run(&mut build)?;
    for Guest {
        package,
        name,
        into,
    } in &guests
    {
        std::fs::create_dir_all(into)?;
        let built = target().join(GUEST_TARGET).join("guest");
        // A library's file has underscores, a program's the package's own name.
        let library = built.join(format!("{}.wasm", package.replace('-', "_")));
        let program = built.join(format!("{package}.wasm"));
        let from = if program.exists() { program } else { library };
        let to = into.join(format!("{name}.wasm"));
        std::fs::copy(&from, &to)
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

/// Lints components as components.
pub(crate) fn lint_guests() -> Result<()> {
    let mut clippy = cargo();
    clippy.args(["clippy", "--profile", "guest", "--target", GUEST_TARGET]);
    for guest in guests_of_the_workspace()? {
        clippy.args(["--package", &guest.package]);
    }
    run(clippy.args(["--", "--deny", "warnings"]))
}
