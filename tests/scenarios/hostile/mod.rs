//! A hostile plugin beside a good one: each attack meets one wall, the log names it, and everything else
//! goes on. What each wall is for: `docs/sandbox.md`.

mod document;
mod files;
mod logs;
mod memory;
mod neighbours;
mod network;
mod producers;
mod time;

use std::path::Path;

use millstream_protocol::Call;
use millstream_tests::{Host, HttpAnswer, HttpSink, RawClient, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The most memory that the host may take in any of these tests, in MiB. With a hostile plugin of 32 MiB
/// and what one call may hand over, it has taken half of that.
const MOST_MEMORY: u64 = 400;

/// The stream that both plugins carry away.
const STREAM: &str = "s";

/// A host with a hostile plugin, called `hostile`, and a good one.
struct Siege {
    host: Host,
    good: HttpSink,
    appended: u64,
}

/// What surrounds an attack.
#[derive(Default)]
struct Setting {
    /// Lines of the hostile plugin's grants.
    grants: String,
    /// Lines of `[exports]`.
    exports: &'static str,
    /// Further tables.
    more: String,
    /// The memory of each plugin; 32 MiB if not set.
    memory: Option<&'static str>,
    /// The time of a call; long enough for an honest one on a busy machine if not set.
    deadline: Option<&'static str>,
    /// Variables of the host.
    environment: Vec<(&'static str, &'static str)>,
}

impl Siege {
    /// Begins an attack without a grant.
    fn without_grants(attack: Value) -> Self {
        Self::begin(TempDir::new().unwrap(), attack, Setting::default())
    }

    /// Begins an attack without a grant on a host that is soon out of patience.
    fn on_time(attack: Value) -> Self {
        let setting = Setting {
            deadline: Some("1s"),
            ..Setting::default()
        };
        Self::begin(TempDir::new().unwrap(), attack, setting)
    }

    /// Begins an attack without a grant, with more memory than in the other tests.
    fn with_memory(attack: Value, memory: &'static str) -> Self {
        let setting = Setting {
            memory: Some(memory),
            ..Setting::default()
        };
        Self::begin(TempDir::new().unwrap(), attack, setting)
    }

    /// Begins an attack by a plugin.
    fn begin(folder: TempDir, attack: Value, setting: Setting) -> Self {
        let environment = setting.environment.clone();
        let config = |good: &str| config(&attack, &setting, good);
        Self::around("hostile", folder, &environment, config)
    }

    /// Begins what a configuration makes of a hostile component, given the address of the good server; the
    /// first messages are delivered by the good plugin.
    fn around(
        hostile: &str,
        folder: TempDir,
        environment: &[(&str, &str)],
        config: impl FnOnce(&str) -> String,
    ) -> Self {
        let plugins = folder.path().join("plugins");
        std::fs::create_dir(&plugins).unwrap();
        let http = millstream_tests::plugins().join("http.wasm");
        std::fs::copy(http, plugins.join("http.wasm")).unwrap();
        let file = format!("{hostile}.wasm");
        std::fs::copy(millstream_tests::hostile(hostile), plugins.join(file)).unwrap();
        let good = HttpSink::scripted(|_, _| HttpAnswer::status(200));
        let config = config(&good.endpoint());
        let host = Host::start_in(folder, &plugins, &config, environment);
        let mut siege = Self {
            host,
            good,
            appended: 0,
        };
        siege.others_go_on();
        siege
    }

    /// Waits until the log says how a call that does not end of itself ended. Then everything else goes on.
    fn ends_with(mut self, sentence: &str) {
        self.log_says(sentence);
        self.others_go_on();
        self.memory_is_bounded();
    }

    /// Waits for the attempts to be over; exactly those named got through. Then everything else goes on.
    fn lets_through(&mut self, expected: &[&str]) {
        self.host.wait_for_log("the attempts are over");
        let log = self.host.log();
        let mut through: Vec<_> = attempts(&log)
            .filter_map(|attempt| attempt.strip_suffix(": got through"))
            .collect();
        through.sort_unstable();
        through.dedup();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(through, expected);
        self.others_go_on();
        self.memory_is_bounded();
    }

    /// Waits until a line that names the hostile export says something.
    fn log_says(&self, sentence: &str) {
        eventually(&format!("the log says \"{sentence}\""), || {
            let log = self.host.log();
            log.lines()
                .filter(|line| line.contains(sentence))
                .any(|line| line.contains("hostile (s/bad)") || line.contains("export=\"bad\""))
                .then_some(())
        });
    }

    /// Ten more messages are appended, and the good plugin delivers them; the host answers.
    fn others_go_on(&mut self) {
        let mut client = RawClient::connect(self.host.port());
        let end = self.appended + 10;
        for number in self.appended..end {
            let name = STREAM.parse().unwrap();
            let payload = format!("message {number}").into_bytes().into();
            let response = client.call("a", Call::Append { name, payload });
            assert!(response.outcome.is_ok(), "{response:?}");
        }
        self.appended = end;
        let last = format!("message {}", end - 1);
        eventually("the good plugin delivers", || {
            let requests = self.good.requests();
            let body = &requests.last()?.body;
            (body == last.as_bytes()).then_some(())
        });
        let described = self.host.describe(STREAM).unwrap();
        let mut exports = described["exports"].as_array().unwrap().iter();
        assert!(exports.any(|export| export["identifier"] == "good"));
    }

    fn memory_is_bounded(&self) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.host.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM"));
        let kibibytes: u64 = line
            .and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .unwrap();
        let peak = kibibytes / 1024;
        assert!(peak < MOST_MEMORY, "the host has taken {peak} MiB");
    }
}

/// What the hostile plugin says of its attempts.
fn attempts(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter_map(|line| {
        let (_, attempt) = line.split_once("attempt ")?;
        Some(attempt.split(" plugin=").next().unwrap_or(attempt))
    })
}

fn config(attack: &Value, setting: &Setting, good: &str) -> String {
    let Setting {
        grants,
        exports,
        more,
        ..
    } = setting;
    let attack = toml(attack);
    let memory = setting.memory.unwrap_or("32 MiB");
    let deadline = setting.deadline.unwrap_or("10s");
    format!(
        "plugins.call-deadline = \"{deadline}\"\nplugins.memory = \"{memory}\"\n\
         [exports]\nlinger = \"50ms\"\nretry-first = \"20ms\"\nretry-longest = \"200ms\"\n{exports}\n\
         [plugin.hostile.grants]\n{grants}\n\
         [plugin.http.grants]\nhosts = [\"{good}\"]\n\
         [[stream]]\nname = \"{STREAM}\"\n\
         [[stream.export]]\nidentifier = \"bad\"\nplugin = \"hostile\"\nconfig = {attack}\n\
         [[stream.export]]\nidentifier = \"good\"\nplugin = \"http\"\n\
         config = {{ uri = \"{good}/\" }}\n{more}\n"
    )
}

/// JSON as an inline value of TOML.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields: Vec<_> = fields
                .map(|(key, value)| format!("{key} = {}", toml(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        // Texts are escaped in JSON as in TOML.
        other => other.to_string(),
    }
}

fn attack(name: &str) -> Value {
    json!({ "attack": name })
}

/// Makes a file with what must not be changed.
fn precious(file: &Path) {
    std::fs::write(file, "precious").unwrap();
}
