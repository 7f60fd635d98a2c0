//! The virtual environments with the official Python SDKs and the emulator.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::{Background, run, step, wait_for};
use crate::workspace::{root, target};

/// A virtual environment in the target folder, and the list of what is in it.
struct Environment {
    folder: &'static str,
    list: &'static str,
    holds: &'static str,
}

const CURRENT: Environment = Environment {
    folder: "venv",
    list: "requirements.txt",
    holds: "the official SDK and the emulator",
};

/// On its own: it wants a version of cbor2 that the current SDK does not take.
const OLDER: Environment = Environment {
    folder: "venv-greengrasssdk",
    list: "greengrasssdk.txt",
    holds: "the official SDK of Greengrass V1",
};

const TOOLCHAINS: Environment = Environment {
    folder: "venv-toolchains",
    list: "toolchains.txt",
    holds: "the tools that make components of Python and Go",
};

/// The interpreter of the environment with the current SDK and the emulator.
pub(crate) fn python() -> Command {
    CURRENT.python()
}

/// Makes the environment with the current SDK and the emulator, unless it is there as the list of
/// packages wants it.
pub(crate) fn install() -> Result<()> {
    CURRENT.install()
}

/// Makes the environment with the SDK of Greengrass V1 too, which only tests use.
pub(crate) fn install_older() -> Result<()> {
    OLDER.install()
}

/// Makes the environment with the tools for components in Python and Go, and returns its folder.
pub(crate) fn install_toolchains() -> Result<PathBuf> {
    TOOLCHAINS.install()?;
    Ok(TOOLCHAINS.folder())
}

impl Environment {
    fn folder(&self) -> PathBuf {
        target().join(self.folder)
    }

    fn python(&self) -> Command {
        Command::new(self.folder().join("bin").join("python"))
    }

    fn install(&self) -> Result<()> {
        let list = root().join("tests").join("python").join(self.list);
        let wanted = std::fs::read_to_string(&list)
            .with_context(|| format!("cannot read {}", list.display()))?;
        let stamp = self.folder().join("installed.txt");
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        step(format!(
            "installing {} into a virtual environment",
            self.holds
        ));
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(self.folder()))
        .context(
            "Python 3 with its venv module is needed; on Debian: apt-get install python3-venv",
        )?;
        run(self
            .python()
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
            ])
            .arg(&list))?;
        std::fs::write(&stamp, wanted)?;
        Ok(())
    }
}

/// An AWS emulator on a free port.
pub(crate) struct Emulator {
    _server: Background,
    pub(crate) endpoint: String,
}

impl Emulator {
    pub(crate) fn start() -> Result<Self> {
        let port = free_port()?;
        let log = std::fs::File::create(target().join("emulator.log"))?;
        let mut server = Background::start(
            "the emulator",
            python()
                .args([
                    "-m",
                    "moto.server",
                    "--host",
                    "127.0.0.1",
                    "--port",
                    &port.to_string(),
                ])
                .stdout(log.try_clone()?)
                .stderr(log),
        )?;
        wait_for(
            "the emulator did not answer",
            Duration::from_secs(60),
            || {
                server.check()?;
                Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok())
            },
        )?;
        Ok(Self {
            _server: server,
            endpoint: format!("http://127.0.0.1:{port}"),
        })
    }
}

/// A port that nobody listens on at this moment.
fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?
        .local_addr()?
        .port())
}
