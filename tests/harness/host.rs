//! The real program, started on a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{eventually, millstream, plugins, target};

/// A running host.
pub struct Host {
    folder: TempDir,
    child: Child,
    port: u16,
    environment: Vec<(String, String)>,
}

impl Host {
    /// Starts a host with the built components and what `config` adds to the usual.
    pub fn start(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    /// The same with environment variables.
    pub fn start_with(config: &str, environment: &[(&str, &str)]) -> Self {
        let plugins = plugins();
        Self::start_in(TempDir::new().unwrap(), &plugins, config, environment)
    }

    /// The same with a folder that was prepared, and with other plugins.
    pub fn start_in(
        folder: TempDir,
        plugins: &Path,
        config: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let file = folder.path().join("millstream.toml");
        std::fs::write(&file, config_text(plugins, config)).unwrap();
        let environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let (child, port) = launch(folder.path(), &environment);
        Self {
            folder,
            child,
            port,
            environment,
        }
    }

    /// Where clients connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of configuration, data and log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Everything the host printed so far.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("printed")).unwrap_or_default()
    }

    /// Waits until the log has a text.
    pub fn wait_for_log(&self, text: &str) {
        eventually(&format!("the log says \"{text}\""), || {
            self.log().contains(text).then_some(())
        });
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the host to end, and waits for it.
    pub fn stop(&mut self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        assert!(
            status.success(),
            "the host ended with {status}:\n{}",
            self.log()
        );
    }

    /// Starts again on the same folder, after [`Self::kill`] or [`Self::stop`].
    pub fn start_again(&mut self) {
        (self.child, self.port) = launch(self.folder.path(), &self.environment);
    }

    /// Runs a command of the program against this host.
    pub fn command(&self, args: &[&str]) -> Output {
        let mut command = millstream();
        command
            .current_dir(self.folder.path())
            .args(args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        if args.first() == Some(&"stream") {
            command.args(["--server", &format!("127.0.0.1:{}", self.port)]);
        }
        command.output().unwrap()
    }

    /// What `stream describe --json` says; none while there is no such stream.
    pub fn describe(&self, stream: &str) -> Option<Value> {
        let output = self.command(&["stream", "describe", stream, "--json"]);
        output
            .status
            .success()
            .then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    /// The status of a stream's first export, once it fulfils a condition.
    pub fn wait_for_export(
        &self,
        stream: &str,
        what: &str,
        condition: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        eventually(&format!("the export of {stream} {what}"), || {
            last = self.describe(stream)?["exports"][0].clone();
            condition(&last).then(|| last.clone())
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln_log(&self.log());
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "what the host said belongs to the report of a failure"
)]
fn eprintln_log(log: &str) {
    eprintln!("the host said:\n{log}");
}

/// A configuration for tests. Compiled components are shared by all hosts, since compiling takes
/// seconds.
fn config_text(plugins: &Path, config: &str) -> String {
    let cache: PathBuf = target().join("native-code");
    format!(
        "server.listen = \"127.0.0.1:0\"\nserver.port-file = \"port\"\nstorage.folder = \
         \"data\"\nstorage.min-free-disk = \"1 MiB\"\nplugins.folder = {plugins:?}\nplugins.cache \
         = {cache:?}\n{config}\n"
    )
}

fn launch(folder: &Path, environment: &[(String, String)]) -> (Child, u16) {
    let port_file = folder.join("port");
    let _ = std::fs::remove_file(&port_file);
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    let mut child = millstream()
        .current_dir(folder)
        .args(["run", "--config", "millstream.toml"])
        .env_remove("AWS_PROFILE")
        // Nothing here may leave the machine.
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(std::fs::File::create(folder.join("printed")).unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let port = eventually("the host listens", || {
        if let Some(status) = child.try_wait().unwrap() {
            let log = std::fs::read_to_string(folder.join("log")).unwrap();
            panic!("the host ended with {status}:\n{log}");
        }
        std::fs::read_to_string(&port_file)
            .ok()?
            .trim()
            .parse()
            .ok()
    });
    (child, port)
}

/// Configuration that lets the Kinesis plugin reach an endpoint on this machine.
pub fn kinesis_config(endpoint: &str) -> String {
    format!(
        "[exports]\nlinger = \"50ms\"\nretry-first = \"20ms\"\nretry-longest = \"200ms\"\n\n\
         [plugin.kinesis]\ncall-interval = \"0s\"\nconfig = {{ region = \"eu-central-1\", endpoint = \"{endpoint}\" }}\n\n\
         [plugin.kinesis.grants]\nhosts = [\"{endpoint}\"]\naws-services = [\"kinesis\"]\n"
    )
}
