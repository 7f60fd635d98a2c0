//! A host with one stream that is exported through one plugin, and what tests ask of it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use millstream_protocol::Call;
use millstream_tests::{Host, RawClient, eventually};
use serde_json::Value;

/// The stream whose messages are exported.
pub(crate) const STREAM: &str = "s";
/// The export's identifier.
pub(crate) const EXPORT: &str = "e";

/// What the host needs to know of one export.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exporting<'a> {
    /// The plugin's name.
    pub(crate) plugin: &'a str,
    /// Lines of `[plugin.NAME.grants]`.
    pub(crate) grants: String,
    /// An inline table: the export's configuration.
    pub(crate) config: String,
    /// Messages a batch; the plugin's most if none.
    pub(crate) batch_size: Option<u32>,
    /// Further lines of `[plugin.NAME]`.
    pub(crate) plugin_lines: String,
    /// Lines before all tables, such as `plugins.call-deadline = "2s"`.
    pub(crate) root: String,
    /// Further tables.
    pub(crate) more: String,
    /// Variables of the host.
    pub(crate) environment: Vec<(&'a str, &'a str)>,
}

impl Exporting<'_> {
    /// Starts the host, with short pauses.
    pub(crate) fn start(&self) -> Host {
        Host::start_with(&self.text(), &self.environment)
    }

    /// The same, where a batch that is not full waits for everything that a test appends at once.
    pub(crate) fn start_patient(&self) -> Host {
        let text = self.text().replace("linger = \"50ms\"", "linger = \"3s\"");
        Host::start_with(&text, &self.environment)
    }

    /// The configuration.
    pub(crate) fn text(&self) -> String {
        let Self {
            plugin,
            grants,
            config,
            plugin_lines,
            root,
            more,
            ..
        } = self;
        let batch_size = self
            .batch_size
            .map(|size| format!("batch-size = {size}\n"))
            .unwrap_or_default();
        let config = match config.is_empty() {
            true => "{}",
            false => config,
        };
        format!(
            "{root}\n[exports]\nlinger = \"50ms\"\nretry-first = \"20ms\"\nretry-longest = \"200ms\"\n\n\
             [plugin.{plugin}]\n{plugin_lines}\n[plugin.{plugin}.grants]\n{grants}\n\n\
             [[stream]]\nname = \"{STREAM}\"\n[[stream.export]]\nidentifier = \"{EXPORT}\"\n\
             plugin = \"{plugin}\"\n{batch_size}config = {config}\n\n{more}\n"
        )
    }
}

/// Appends messages, pipelined.
pub(crate) fn append(host: &Host, payloads: impl IntoIterator<Item = Vec<u8>>) {
    let mut client = RawClient::connect(host.port());
    let mut count = 0;
    for payload in payloads {
        let name = STREAM.parse().unwrap();
        let payload = payload.into();
        client.send(&RawClient::frame("a", Call::Append { name, payload }));
        count += 1;
    }
    for _ in 0..count {
        let response = client.response();
        assert!(response.outcome.is_ok(), "{response:?}");
    }
}

/// Appends `message N` for each number.
pub(crate) fn append_numbered(host: &Host, numbers: std::ops::Range<u64>) {
    append(host, numbers.map(|number| numbered(number).into_bytes()));
}

/// What [`append_numbered`] appends as message `number`.
pub(crate) fn numbered(number: u64) -> String {
    format!("message {number}")
}

/// Waits until so many messages were delivered, and no more.
pub(crate) fn wait_for_delivery(host: &Host, count: u64) {
    host.wait_for_export(STREAM, &format!("has delivered {count}"), |export| {
        export["exportedMessagesCount"] == count
    });
}

/// Waits until the export shows an error with a text in it, and returns the error.
pub(crate) fn wait_for_error(host: &Host, text: &str) -> String {
    let export = host.wait_for_export(STREAM, &format!("shows \"{text}\""), |export| {
        export["errorMessage"]
            .as_str()
            .is_some_and(|error| error.contains(text))
    });
    export["errorMessage"].as_str().unwrap().to_owned()
}

/// What `millstream status --json` says of the export.
pub(crate) fn status(host: &Host) -> Value {
    let output = host.command(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    let streams = status["streams"].as_array().unwrap();
    let stream = streams.iter().find(|stream| stream["name"] == STREAM);
    stream.unwrap()["exports"][0].clone()
}

/// Waits until so many messages were rejected, and no more.
pub(crate) fn wait_for_rejections(host: &Host, count: u64) {
    let what = format!("{count} messages were rejected");
    eventually(&what, || {
        (status(host)["rejectedMessages"] == count).then_some(())
    });
}

/// Writes a secret as an operator does: only the owner can read it.
pub(crate) fn write_secret(file: &Path, secret: &str) {
    std::fs::write(file, secret).unwrap();
    std::fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
}
