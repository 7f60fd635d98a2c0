//! The official SDK for Node.js.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{output, run, step};
use crate::workspace::{root, target};

/// The oldest version of Node.js that the tests are run with.
const OLDEST: u32 = 20;

fn folder() -> PathBuf {
    target().join("node")
}

/// Installs the packages, unless they are there as the lock file wants them.
///
/// # Errors
///
/// A sentence that says what to install, if Node.js or npm is missing or too old.
pub(crate) fn install() -> Result<()> {
    check_version()?;
    let source = root().join("tests").join("node");
    let lock = source.join("package-lock.json");
    let wanted = std::fs::read_to_string(&lock)
        .with_context(|| format!("cannot read {}", lock.display()))?;
    let stamp = folder().join("installed.json");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    step("installing the official SDK for Node.js");
    std::fs::create_dir_all(folder())?;
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        std::fs::copy(source.join(name), folder().join(name))
            .with_context(|| format!("cannot copy tests/node/{name}"))?;
    }
    run(Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder()))
    .context("npm is needed to install the SDK for Node.js; on Debian: apt-get install npm")?;
    std::fs::write(&stamp, wanted)?;
    Ok(())
}

fn check_version() -> Result<()> {
    let needed = format!(
        "the conformance tests run the SDK for Node.js and need Node.js {OLDEST} or later with npm; \
         on Debian: apt-get install nodejs npm"
    );
    let version = output(Command::new("node").arg("--version")).context(needed.clone())?;
    let major = version.trim().trim_start_matches('v').split('.').next();
    if major
        .and_then(|major| major.parse().ok())
        .is_none_or(|major: u32| major < OLDEST)
    {
        bail!("{needed} (this is {})", version.trim());
    }
    Ok(())
}
