//! `cargo xtask demo`

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::process::{Background, output, run, say, step, wait_for};
use crate::python::{self, Emulator};
use crate::{build, workspace};

/// See it work: a producer component, a stream, the file plugin; about fifteen seconds
#[derive(Args)]
pub(crate) struct Demo {
    /// Go on until Ctrl-C
    #[arg(long, conflicts_with = "kinesis")]
    serve: bool,
    /// The official Python SDK, a stream, the Kinesis plugin, a Kinesis emulator
    #[arg(long)]
    kinesis: bool,
    /// Fifty messages a second in the Kinesis demo, instead of one
    #[arg(long, requires = "kinesis")]
    fast: bool,
}

/// What the producer of the demo appends, unless it goes on for ever: twelve seconds of it.
const MESSAGES: u64 = 1200;
const STREAM: &str = "timestamps";

impl Demo {
    pub(crate) fn run(&self) -> Result<()> {
        if self.kinesis {
            python::install()?;
        }
        build::host()?;
        build::guests()?;
        if self.kinesis {
            kinesis(self.fast)
        } else {
            components(self.serve)
        }
    }
}

/// A fresh folder with a configuration, and the host that runs on it.
struct Demonstration {
    folder: PathBuf,
    host: Background,
    server: String,
}

impl Demonstration {
    fn start(config: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let folder = workspace::target().join("demo");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("out"))?;
        let file = folder.join("millstream.toml");
        let config = format!(
            "{config}\n[storage]\nfolder = \"data\"\n\n[plugins]\nfolder = {:?}\n",
            workspace::plugins().display().to_string()
        );
        std::fs::write(&file, config)?;
        step("starting the host");
        say(format!("   configuration  {}", file.display()));
        say(format!(
            "   streams        {}",
            folder.join("data").display()
        ));
        say(format!(
            "   log            {}",
            folder.join("host.log").display()
        ));
        let log = std::fs::File::create(folder.join("host.log"))?;
        let mut host = Background::start(
            "the host",
            Command::new(workspace::millstream())
                .arg("run")
                .arg("--config")
                .arg(&file)
                .envs(environment.iter().copied())
                .stderr(log),
        )?;
        let port = wait_for("the host did not come up", Duration::from_secs(60), || {
            if host.check().is_err() {
                let log = std::fs::read_to_string(folder.join("host.log")).unwrap_or_default();
                bail!("the host ended: {}", log.trim());
            }
            let text = std::fs::read_to_string(folder.join("port")).unwrap_or_default();
            Ok(text.trim().parse::<u16>().ok())
        })?;
        Ok(Self {
            folder,
            host,
            server: format!("127.0.0.1:{port}"),
        })
    }

    /// How the stream and its one export stand.
    fn counters(&mut self) -> Result<Option<Counters>> {
        self.host.check()?;
        let described = output(
            Command::new(workspace::millstream())
                .current_dir(&self.folder)
                .args([
                    "stream",
                    "describe",
                    STREAM,
                    "--json",
                    "--server",
                    &self.server,
                ]),
        );
        // Before the stream is made there is nothing to count.
        let Ok(described) = described else {
            return Ok(None);
        };
        let described: Value = serde_json::from_str(&described)?;
        let export = &described["exports"][0];
        Ok(Some(Counters {
            appended: described["newestSequenceNumber"]
                .as_u64()
                .map_or(0, |newest| newest + 1),
            exported: export["exportedMessagesCount"].as_u64().unwrap_or(0),
            error: export["errorMessage"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        }))
    }
}

struct Counters {
    appended: u64,
    exported: u64,
    error: String,
}

impl Counters {
    fn show(&self, since: Instant) {
        let error = if self.error.is_empty() {
            ""
        } else {
            "  last error: "
        };
        say(format!(
            "   {:>5.1} s   appended {:>6}   exported {:>6}{error}{}",
            since.elapsed().as_secs_f64(),
            self.appended,
            self.exported,
            self.error
        ));
    }
}

/// A producer component, a stream, the file plugin.
fn components(serve: bool) -> Result<()> {
    let count = if serve {
        String::new()
    } else {
        format!(", \"--count\", \"{MESSAGES}\"")
    };
    let config = format!(
        r#"[server]
listen = "127.0.0.1:0"
port-file = "port"

[[stream]]
name = "{STREAM}"

[[stream.export]]
identifier = "to-files"
plugin = "file"

[plugin.file.grants]
folders = [{{ path = "out", as = "/out", write = true }}]

[[producer]]
name = "clock"
component = "timestamp"
args = ["--stream", "{STREAM}", "--interval", "10ms"{count}]

[producer.grants]
append = ["{STREAM}"]
"#
    );
    let mut demo = Demonstration::start(&config, &[])?;
    step(if serve {
        "a producer component appends timestamps, the file plugin writes them; Ctrl-C ends"
    } else {
        "a producer component appends timestamps, the file plugin writes them as JSON lines"
    });
    let since = Instant::now();
    let last = loop {
        std::thread::sleep(Duration::from_secs(1));
        let Some(counters) = demo.counters()? else {
            continue;
        };
        counters.show(since);
        let complete = counters.appended >= MESSAGES && counters.exported >= counters.appended;
        if !serve && (complete || since.elapsed() > Duration::from_secs(60)) {
            break counters;
        }
    };
    let out = demo.folder.join("out");
    demo.host.stop()?;
    let lines = lines_in(&out)?;
    step("summary");
    say(format!(
        "   appended  {} messages to the stream {STREAM}",
        last.appended
    ));
    say(format!(
        "   exported  {} messages, {lines} JSON lines",
        last.exported
    ));
    say(format!("   output    {}", out.display()));
    if lines != last.appended {
        bail!(
            "{} messages were appended, and {lines} lines are in the output",
            last.appended
        );
    }
    Ok(())
}

fn lines_in(folder: &Path) -> Result<u64> {
    let mut lines = 0;
    for entry in std::fs::read_dir(folder)? {
        let text = std::fs::read_to_string(entry?.path())?;
        lines += text.lines().count() as u64;
    }
    Ok(lines)
}

/// The official SDK, a stream, the Kinesis plugin, an emulator.
fn kinesis(fast: bool) -> Result<()> {
    step("starting the Kinesis emulator");
    let emulator = Emulator::start()?;
    say(format!("   listening      {}", emulator.endpoint));
    let tool = workspace::root()
        .join("xtask")
        .join("python")
        .join("emulator.py");
    run(python::python()
        .arg(&tool)
        .args([&emulator.endpoint, "create", STREAM]))?;
    // The plugin asks for a second between two calls, which five batches a second do not leave it.
    let pace = if fast { "call-interval = \"0s\"\n" } else { "" };
    let config = format!(
        r#"[server]
listen = "127.0.0.1:8088"
port-file = "port"

# The stream asks for batches of ten; let them fill.
[exports]
linger = "15s"

[plugin.kinesis]
config = {{ region = "eu-central-1", endpoint = "{0}" }}
{pace}
[plugin.kinesis.grants]
hosts = ["{0}"]
aws-services = ["kinesis"]
"#,
        emulator.endpoint
    );
    let credentials = [
        ("AWS_ACCESS_KEY_ID", "emulator"),
        ("AWS_SECRET_ACCESS_KEY", "emulator"),
    ];
    let mut demo = Demonstration::start(&config, &credentials)?;

    let (rate, count) = if fast { ("50", 500_u64) } else { ("1", 20) };
    step(format!(
        "the official Python SDK appends {count} timestamps, {rate} a second"
    ));
    let script = workspace::root().join("components/sdk-python/kinesis_timestamps.py");
    run(python::python()
        .arg(script)
        .args([
            "--stream",
            STREAM,
            "--kinesis-stream",
            STREAM,
            "--rate",
            rate,
        ])
        .args(["--count", &count.to_string()]))?;
    let since = Instant::now();
    wait_for("the export did not finish", Duration::from_secs(30), || {
        let counters = demo.counters()?.context("the stream is gone")?;
        counters.show(since);
        Ok((counters.exported >= counters.appended).then_some(()))
    })?;
    demo.host.stop()?;

    step("what the emulator has");
    let records =
        output(
            python::python()
                .arg(&tool)
                .args([&emulator.endpoint, "records", STREAM]),
        )?;
    let records: Vec<String> = serde_json::from_str(&records)?;
    for (number, record) in records.iter().enumerate() {
        if number < 10 || number + 3 >= records.len() {
            say(format!("   record {number:>4}: {record}"));
        } else if number == 10 {
            say("   …");
        }
    }
    let in_order = records.is_sorted();
    step("summary");
    say(format!(
        "   appended  {count} messages with the official SDK"
    ));
    say(format!(
        "   arrived   {} records, in order: {in_order}",
        records.len()
    ));
    if records.len() as u64 != count || !in_order {
        bail!("the records in the emulator are not what was appended");
    }
    Ok(())
}
