//! Packages of npm: the official SDK for Node.js, and the tool that makes components of JavaScript.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{output, run, step};
use crate::workspace::{root, target};

/// The oldest version of Node.js that the tests are run with.
const OLDEST: u32 = 20;

/// Packages in the target folder, and where the list of them is.
struct Packages {
    folder: &'static str,
    /// Beside the tests.
    source: &'static str,
    holds: &'static str,
}

const SDK: Packages = Packages {
    folder: "node",
    source: "node",
    holds: "the official SDK for Node.js",
};

const COMPONENTIZE: Packages = Packages {
    folder: "node-componentize",
    source: "node-componentize",
    holds: "the tool that makes components of JavaScript",
};

/// Installs the official SDK, unless it is there as the lock file wants it.
///
/// # Errors
///
/// A sentence that says what to install, if Node.js or npm is missing or too old.
pub(crate) fn install() -> Result<()> {
    SDK.install()
}

/// Installs the tool for components in JavaScript, likewise, and returns the folder of its packages.
pub(crate) fn install_componentize() -> Result<PathBuf> {
    COMPONENTIZE.install()?;
    Ok(COMPONENTIZE.folder().join("node_modules"))
}

impl Packages {
    fn folder(&self) -> PathBuf {
        target().join(self.folder)
    }

    fn install(&self) -> Result<()> {
        check_version()?;
        let source = root().join("tests").join(self.source);
        let lock = source.join("package-lock.json");
        let wanted = std::fs::read_to_string(&lock)
            .with_context(|| format!("cannot read {}", lock.display()))?;
        let stamp = self.folder().join("installed.json");
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        step(format!("installing {}", self.holds));
        std::fs::create_dir_all(self.folder())?;
        for name in ["package.json", "package-lock.json", ".npmrc"] {
            std::fs::copy(source.join(name), self.folder().join(name))
                .with_context(|| format!("cannot copy {name} of {}", source.display()))?;
        }
        run(Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(self.folder()))
        .with_context(|| {
            format!(
                "npm is needed to install {}; on Debian: apt-get install npm",
                self.holds
            )
        })?;
        std::fs::write(&stamp, wanted)?;
        Ok(())
    }
}

fn check_version() -> Result<()> {
    let needed = format!(
        "the tests run the SDK for Node.js and need Node.js {OLDEST} or later with npm; \
         on Debian: apt-get install nodejs npm (Debian 13 or later)"
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
