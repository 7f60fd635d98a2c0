//! How long an export stands still when its plugin is replaced under load, as its destination sees it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;

use crate::export::wait;
use crate::host::{Host, Setup};
use crate::protocol::pipelined;
use crate::report::{Budget, skipped, value};
use crate::sink::Sink;

const RUST: &str = "longest pause, a plugin in Rust is replaced under load";
const PYTHON: &str = "longest pause, a plugin in Python is replaced under load";

/// Appended at once by the load.
const MESSAGES: usize = 1_000;
/// Bytes of a message.
const PAYLOAD: usize = 200;
/// The load waits when it is so many bytes ahead of the destination.
const AHEAD: u64 = 32 << 20;
/// Calls that the destination sees before and after a replacement.
const CALLS: u64 = 50;
/// A component in Python, never seen, takes long to compile.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn run(setup: &Setup, quick: bool) {
    let components = setup.plugins.parent().unwrap().join("components");
    let rounds = if quick { 2 } else { 5 };
    let lists = "uri = 'SINK/', exportFormat = 'JSON_BATCHED'";
    row(setup, RUST, &setup.plugins.join("http.wasm"), lists, rounds);
    let python = components.join("python-exporter.wasm");
    row(setup, PYTHON, &python, "url = 'SINK/'", rounds);
}

/// When the destination was called last, and the longest time between two calls.
#[derive(Default)]
struct Gaps {
    last: Option<Instant>,
    longest: Duration,
    received: u64,
}

impl Gaps {
    fn call(&mut self, bytes: usize) {
        self.received += bytes as u64;
        let now = Instant::now();
        let gap = self.last.replace(now).map(|last| now - last);
        self.longest = self.longest.max(gap.unwrap_or_default());
    }
}

fn row(setup: &Setup, name: &str, component: &Path, config: &str, rounds: u8) {
    if !setup.measures(name) {
        return;
    }
    if !component.exists() {
        return skipped(
            name,
            "the component is not there; `cargo xtask languages` builds it",
        );
    }
    let gaps = Arc::new(Mutex::new(Gaps::default()));
    let seen = Arc::clone(&gaps);
    let sink = Sink::answering(move |body| {
        seen.lock().unwrap().call(body.len());
        Bytes::new()
    });
    let folder = TempDir::new().unwrap();
    let original = std::fs::read(component).unwrap();
    let file = folder.path().join("sink.wasm");
    std::fs::write(&file, &original).unwrap();
    let own = Setup {
        millstream: setup.millstream.clone(),
        plugins: folder.path().to_owned(),
        row: None,
    };
    let endpoint = sink.endpoint();
    let host = Host::start(
        &own,
        &format!(
            "[plugin.sink.grants]\nhosts = [\"{endpoint}\"]\n[[stream]]\nname = \"s\"\n\
             max-size = \"1 GiB\"\n[[stream.export]]\nidentifier = \"e\"\nplugin = \"sink\"\nconfig = {{ {} }}\n",
            config.replace("SINK", &endpoint)
        ),
    );
    let done = AtomicBool::new(false);
    let longest = std::thread::scope(|scope| {
        scope.spawn(|| {
            let payload = Bytes::from(vec![b'x'; PAYLOAD]);
            let mut appended = 0;
            while !done.load(Ordering::Relaxed) {
                if appended > gaps.lock().unwrap().received + AHEAD {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                pipelined(host.port, "s", MESSAGES, &payload);
                appended += (MESSAGES * PAYLOAD) as u64;
            }
        });
        let longest = (0..rounds).map(|round| {
            further_calls(&sink);
            gaps.lock().unwrap().longest = Duration::ZERO;
            replace(&host, &file, &original, round);
            further_calls(&sink);
            gaps.lock().unwrap().longest
        });
        let longest = longest.max().unwrap_or_default();
        done.store(true, Ordering::Relaxed);
        longest
    });
    let milliseconds = longest.as_secs_f64() * 1000.0;
    value(name, "ms", milliseconds, Budget::AtMost(100.0));
}

fn further_calls(sink: &Sink) {
    let before = sink.calls();
    wait(|| sink.calls() >= before + CALLS);
}

/// Puts another version in the place of the plugin, and waits until the export uses it.
fn replace(host: &Host, file: &Path, original: &[u8], round: u8) {
    let before = in_use(host);
    let staged: PathBuf = file.with_extension("new");
    std::fs::write(&staged, version(original, round)).unwrap();
    std::fs::rename(&staged, file).unwrap();
    let start = Instant::now();
    while in_use(host) == before {
        assert!(start.elapsed() < PATIENCE, "the new version is not used");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The hash of the version that the export uses.
fn in_use(host: &Host) -> Value {
    host.status()["streams"][0]["exports"][0]["pluginSha256"].clone()
}

/// The same component, with a custom section behind it that nobody reads.
fn version(component: &[u8], round: u8) -> Vec<u8> {
    let name = b"bench";
    let length = u8::try_from(1 + name.len() + 1).unwrap();
    let section = [&[0, length, 5][..], &name[..], &[round]].concat();
    [component, &section].concat()
}
