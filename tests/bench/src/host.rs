//! The program under measurement.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Where things are, and what is asked for.
pub(crate) struct Setup {
    pub(crate) millstream: PathBuf,
    pub(crate) plugins: PathBuf,
    /// What the name of a row has to contain, in lower case.
    pub(crate) row: Option<String>,
}

impl Setup {
    /// Whether a row of this name shall be measured.
    pub(crate) fn measures(&self, what: &str) -> bool {
        let text = self.row.as_ref();
        text.is_none_or(|text| what.to_lowercase().contains(text))
    }
}

/// A running host on a folder of its own.
pub(crate) struct Host {
    folder: TempDir,
    child: Child,
    pub(crate) port: u16,
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    /// From the start of the process until it listened.
    pub(crate) start_time: Duration,
}

impl Host {
    pub(crate) fn start(setup: &Setup, config: &str) -> Self {
        Self::start_with(setup, config, &[])
    }

    /// The same with environment variables.
    pub(crate) fn start_with(setup: &Setup, config: &str, variables: &[(&str, &OsStr)]) -> Self {
        let folder = TempDir::new().unwrap();
        let text = format!(
            "server.listen = \"127.0.0.1:0\"\nserver.port-file = \"port\"\nstorage.folder = \
             \"data\"\nplugins.folder = {:?}\nlog.level = \"warn\"\n{config}\n",
            setup.plugins
        );
        std::fs::write(folder.path().join("millstream.toml"), text).unwrap();
        // For a plugin that is granted one.
        std::fs::create_dir(folder.path().join("out")).unwrap();
        let program = setup.millstream.clone();
        let environment: Vec<_> = variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)))
            .collect();
        let (child, port, start_time) = launch(&program, folder.path(), &environment);
        Self {
            environment,
            folder,
            child,
            port,
            program,
            start_time,
        }
    }

    /// Starts again on the same folder.
    pub(crate) fn start_again(&mut self) {
        (self.child, self.port, self.start_time) =
            launch(&self.program, self.folder.path(), &self.environment);
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn stop(&mut self) {
        let pid = rustix::process::Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }

    /// What `millstream status` shows.
    pub(crate) fn status(&self) -> Value {
        let output = Command::new(&self.program)
            .current_dir(self.folder.path())
            .args(["status", "--json", "--config", "millstream.toml"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Of how many components native code is in memory.
    pub(crate) fn native_code(&self) -> usize {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.child.id())).unwrap();
        let files: BTreeSet<_> = maps
            .lines()
            .filter_map(|line| line.split_whitespace().nth(5))
            .filter(|file| file.ends_with(".cwasm"))
            .collect();
        files.len()
    }

    /// A field of `/proc/…/status` in MiB, such as `VmRSS` or `VmHWM`.
    pub(crate) fn memory(&self, field: &str) -> f64 {
        memory_of(self.child.id(), field)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A field of a process's memory in MiB.
pub(crate) fn memory_of(process: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    let kibibytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes / 1024.0
}

fn launch(
    program: &Path,
    folder: &Path,
    environment: &[(OsString, OsString)],
) -> (Child, u16, Duration) {
    let port_file = folder.join("port");
    let _ = std::fs::remove_file(&port_file);
    let start = Instant::now();
    let mut child = Command::new(program)
        .current_dir(folder)
        .args(["run", "--config", "millstream.toml"])
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ACCESS_KEY_ID", "bench")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    loop {
        let text = std::fs::read_to_string(&port_file).unwrap_or_default();
        if let Ok(port) = text.trim().parse() {
            return (child, port, start.elapsed());
        }
        assert!(child.try_wait().unwrap().is_none(), "the host ended");
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the host did not come up"
        );
        std::thread::sleep(Duration::from_micros(500));
    }
}
