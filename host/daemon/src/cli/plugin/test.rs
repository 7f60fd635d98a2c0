//! `millstream plugin test`

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use millstream_kit::{Check, Event, Options, Verdict};
use serde_json::{Map, Value, json};

use super::grant::{self, Grant};
use super::stale::newer_source;
use super::{Failed, file, output};
use crate::config::{Config, Span};
use crate::plugins::Plugins;

/// Try out whether a plugin keeps the contract
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Test {
    /// The path of a file, or its name in the plugins folder
    plugin: String,
    /// The configuration of the exporter or transform, as JSON; in it {{sink}} stands for the kit's HTTP server
    #[arg(long, value_name = "JSON", value_parser = object)]
    with: Option<Map<String, Value>>,
    /// The same from a file
    #[arg(long, value_name = "FILE", conflicts_with = "with")]
    with_file: Option<PathBuf>,
    /// What the messages are, if it takes only messages of one form; {{number}} is the number of the message
    #[arg(long, value_name = "TEXT")]
    payload: Option<String>,
    /// The body with which the kit's HTTP server answers, if the exporter reads it
    #[arg(long, value_name = "TEXT", default_value = "{}")]
    answer: String,
    /// What it may reach beyond the kit's HTTP server and what it asks for, as with `plugin add`
    #[arg(long, value_name = "KEY=VALUE")]
    grant: Vec<Grant>,
    /// Batches to hand over while the memory is watched
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    batches: u64,
    /// The longest that this may take
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = span)]
    batches_within: Span,
    /// How long a producer runs before it is asked to end
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = span)]
    run_for: Span,
    /// Print JSON, one line a check
    #[arg(long)]
    json: bool,
    /// Arguments of a producer
    #[arg(last = true)]
    args: Vec<String>,
}

const AFTER_HELP: &str = "\
The kit opens an exporter with a configuration that it makes from the exporter's
schema, in which each address becomes that of an HTTP server of the kit's own,
on the loopback interface. Where it cannot know what a key takes, give the
configuration:
  millstream plugin test my-sink.wasm --with '{\"url\": \"{{sink}}/\", \"id\": 7}'

Then it looks at the description and the schema, at how wrong configurations
are refused, at batches of every kind, at what happens when that server is slow,
fails or says nothing, at the memory, and at the time that a call takes.

A transform is handed batches likewise; if it takes only messages of one form,
say which:
  millstream plugin test my-means.wasm --payload '{\"value\": {{number}}}'

A producer is run for a while and asked to end; its arguments stand behind --:
  millstream plugin test my-readings.wasm -- --stream readings

A check holds, does not hold, or is not applicable, such as those of the HTTP
server for an exporter that does not use it. The command ends with 0 only if
nothing was found that does not hold.";

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("this is no JSON object: {error}"))
}

fn span(text: &str) -> Result<Span, String> {
    humantime::parse_duration(text)
        .map(Span)
        .map_err(|error| error.to_string())
}

impl Test {
    pub(super) async fn run(&self, plugins: &Plugins, config: &Config) -> Result<(), Failed> {
        let path = file(plugins, &self.plugin);
        if let Some(source) = newer_source(&path) {
            output::complain(&format!(
                "{} is newer than {}, which is tried out as it is; `millstream plugin build` builds it anew",
                source.display(),
                path.display()
            ));
        }
        let inspected = plugins.load_file(&path).await;
        let component = inspected.map_err(|error| error.to_string())?;
        let options = self.options(plugins, config)?;
        let shows_progress = std::io::stderr().is_terminal() && !self.json;
        let observer = |event: Event<'_>| match event {
            Event::Begins(name) if shows_progress => progress(&format!("{name} …")),
            Event::Progress(text) if shows_progress => progress(text),
            Event::Begins(_) | Event::Progress(_) => {}
            Event::Done(check) => {
                if shows_progress {
                    progress("");
                }
                self.show(check);
            }
        };
        let report = millstream_kit::run(&component, options, &observer).await;
        let report = report.map_err(|error| error.to_string())?;
        let failed = report.count(Verdict::DoesNotHold);
        if !report.holds() {
            let all = report.checks.len();
            return Err(Failed::Other(match failed {
                1 => format!("one of {all} checks does not hold"),
                _ => format!("{failed} of {all} checks do not hold"),
            }));
        }
        if !self.json {
            output::line(format!(
                "everything holds: {} checks, {} not applicable",
                report.count(Verdict::Holds),
                report.count(Verdict::NotApplicable)
            ));
        }
        Ok(())
    }

    fn options(&self, plugins: &Plugins, config: &Config) -> Result<Options, String> {
        let given = match &self.with_file {
            None => self.with.clone(),
            Some(file) => {
                let wrong = |problem: String| format!("{}: {problem}", file.display());
                let text =
                    std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
                Some(object(&text).map_err(wrong)?)
            }
        };
        Ok(Options {
            config: given,
            payload: self.payload.clone(),
            answer: self.answer.clone(),
            batches: self.batches,
            batches_within: self.batches_within.0,
            run_for: self.run_for.0,
            args: self.args.clone(),
            limits: plugins.limits(),
            grants: grant::resolve(&self.grant, &config.base)?,
        })
    }

    fn show(&self, check: &Check) {
        if self.json {
            let verdict = match check.verdict {
                Verdict::Holds => "holds",
                Verdict::DoesNotHold => "does-not-hold",
                Verdict::NotApplicable => "not-applicable",
            };
            output::json(&json!({
                "check": check.name,
                "verdict": verdict,
                "says": check.sentence,
                "milliseconds": u64::try_from(check.took.as_millis()).unwrap_or(u64::MAX),
            }));
            return;
        }
        let verdict = match check.verdict {
            Verdict::Holds => "holds",
            Verdict::DoesNotHold => "DOES NOT HOLD",
            Verdict::NotApplicable => "not applicable",
        };
        output::line(format!(
            "{verdict:<14}  {:<18} {}",
            check.name, check.sentence
        ));
    }
}

/// Shows on the last line of the terminal how far it is, in the place of what stood there.
fn progress(text: &str) {
    let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
}
