//! What is dropped into the plugins folder of a running host, replaced there, or taken away.

mod changes;
mod replacing;
#[cfg(target_os = "linux")]
mod resting;
mod trust;

use std::path::PathBuf;
use std::time::Duration;

use millstream_protocol::Call;
use millstream_tests::{Host, RawClient, plugins};
use serde_json::Value;
use tempfile::TempDir;

/// Ten times what is promised for every change of the folder where nothing has to be compiled: the machine
/// may be busy.
const IN_TIME: Duration = Duration::from_secs(20);

/// A stream `s` whose messages the plugin `file` writes to `out`.
const TO_FILE: &str = r#"
[http]
listen = "127.0.0.1:0"
[log]
format = "json"
[exports]
linger = "10ms"
retry-first = "20ms"
retry-longest = "100ms"
[[stream]]
name = "s"
[[stream.export]]
identifier = "to-files"
plugin = "file"
batch-size = 20
[plugin.file.grants]
folders = [{ path = "out", as = "/out", write = true }]
"#;

/// A host with a plugins folder of its own.
struct Stage {
    host: Host,
    folder: TempDir,
}

impl Stage {
    /// Starts a host that finds these files in its plugins folder.
    fn start(files: &[(&str, &[u8])], config: &str) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let of_host = TempDir::new().unwrap();
        std::fs::create_dir(of_host.path().join("out")).unwrap();
        let host = Host::start_in(of_host, folder.path(), config, &[]);
        Self { host, folder }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes a file into the folder as `cp` does: what is there is cut off and written over.
    fn put(&self, file: &str, bytes: &[u8]) {
        std::fs::write(self.path(file), bytes).unwrap();
    }

    fn take_away(&self, file: &str) {
        std::fs::remove_file(self.path(file)).unwrap();
    }

    /// Has a version compiled beforehand, so that a test can tell how long the rest takes.
    fn prepare(&self, bytes: &[u8]) {
        let file = self.host.folder().join("prepared.wasm");
        std::fs::write(&file, bytes).unwrap();
        let output = self
            .host
            .command(&["plugin", "inspect", file.to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
    }

    fn append(&self, count: usize) {
        let mut client = RawClient::connect(self.host.port());
        for _ in 0..count {
            let name = "s".parse().unwrap();
            let payload = "message".into();
            let response = client.call("a", Call::Append { name, payload });
            assert!(response.outcome.is_ok(), "{response:?}");
        }
    }

    /// The numbers of the messages that were written, in the order in which they were.
    fn written(&self) -> Vec<u64> {
        let file = self.host.folder().join("out/s.jsonl");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        // The last line may be half there.
        let lines = text.split_inclusive('\n');
        let lines = lines.filter(|line| line.ends_with('\n'));
        lines
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                line["sequenceNumber"].as_u64().unwrap()
            })
            .collect()
    }

    fn wait_for_written(&self, count: u64) {
        millstream_tests::eventually(&format!("{count} messages are written"), || {
            let written = self.written();
            assert!(written.len() as u64 <= count, "{written:?}");
            (written == (0..count).collect::<Vec<_>>()).then_some(())
        });
    }

    /// Whole lines of the log, as JSON, with a text in them.
    fn log_lines(&self, text: &str) -> Vec<Value> {
        let log = self.host.log();
        let lines = log.split_inclusive('\n');
        lines
            .filter(|line| line.ends_with('\n') && line.contains(text))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What `millstream status --json` shows.
    fn status(&self) -> Value {
        let output = self.host.command(&["status", "--json"]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// How a plugin stands; null if nobody uses it.
    fn plugin(&self, name: &str) -> Value {
        let status = self.status();
        let plugins = status["plugins"].as_array().unwrap();
        let found = plugins.iter().find(|plugin| plugin["name"] == name);
        found.cloned().unwrap_or_default()
    }

    /// What `millstream plugin list` prints.
    fn list(&self) -> String {
        let output = self.host.command(&["plugin", "list"]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A component as it was built.
fn built(name: &str) -> Vec<u8> {
    std::fs::read(plugins().join(format!("{name}.wasm"))).unwrap()
}

/// Another version of a component: it does the same, with a section behind it that nobody reads.
fn version(component: &[u8], note: &str) -> Vec<u8> {
    let mut section = vec![4];
    section.extend(b"note");
    section.extend(note.bytes());
    let mut bytes = component.to_vec();
    // A custom section, and its length in a single byte.
    bytes.extend([0, u8::try_from(section.len()).unwrap()]);
    assert!(section.len() < 128);
    bytes.extend(section);
    bytes
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    let hash = sha2::Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A GET with nothing but the standard library.
fn get(address: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}
