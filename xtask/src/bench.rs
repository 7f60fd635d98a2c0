//! `cargo xtask bench`

use std::process::{Command, Stdio};

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::process::{output, run, say, step};
use crate::{build, workspace};

/// Speed and memory, as ratios measured in one run
#[derive(Args)]
pub(crate) struct Bench {
    /// A minute's run
    #[arg(long)]
    quick: bool,
    /// Print one JSON object a row
    #[arg(long)]
    json: bool,
    /// Only this part: protocol, exports or footprint
    #[arg(long)]
    only: Option<String>,
    /// Only rows of the whole program whose name contains this text
    #[arg(long, value_name = "TEXT")]
    row: Option<String>,
}

impl Bench {
    pub(crate) fn run(&self) -> Result<()> {
        build::host()?;
        build::guests()?;
        run(build::cargo().args(["build", "--release", "--package", "millstream-bench"]))?;
        let mut streams = build::cargo();
        streams.args([
            "bench",
            "--package",
            "millstream-streams",
            "--bench",
            "append",
        ]);
        run(streams.arg("--no-run"))?;
        step(if self.quick {
            "measuring, about a minute"
        } else {
            "measuring, some minutes"
        });

        let mut in_process = build::cargo();
        in_process.args([
            "bench",
            "--quiet",
            "--package",
            "millstream-streams",
            "--bench",
            "append",
        ]);
        in_process.arg("--");
        let mut program = Command::new(workspace::target().join("release/millstream-bench"));
        program.arg("--millstream").arg(workspace::millstream());
        program.arg("--plugins").arg(workspace::plugins());
        if let Some(only) = &self.only {
            program.args(["--only", only]);
        }
        if let Some(row) = &self.row {
            program.args(["--row", row]);
        }
        let mut commands = vec![&mut in_process, &mut program];
        // The store in this process belongs to the protocol, and has no rows to choose from.
        if self.row.is_some() || self.only.as_ref().is_some_and(|only| only != "protocol") {
            commands.remove(0);
        }
        let mut rows = Vec::new();
        for command in commands {
            if self.quick {
                command.arg("--quick");
            }
            let printed = output(command.stderr(Stdio::inherit()))?;
            for line in printed.lines().filter(|line| line.starts_with('{')) {
                rows.push(serde_json::from_str::<Value>(line)?);
            }
        }
        if self.json {
            rows.iter().for_each(|row| say(row.to_string()));
        } else {
            table(&rows);
        }
        Ok(())
    }
}

fn table(rows: &[Value]) {
    say(format!(
        "{:<52} {:>12} {:>12} {:>7} {:>9}  against",
        "what", "ours", "baseline", "ratio", "budget"
    ));
    for row in rows {
        let what = row["what"].as_str().unwrap_or_default();
        if let Some(why) = row["skipped"].as_str() {
            say(format!("{what:<52} skipped: {why}"));
            continue;
        }
        let unit = row["unit"].as_str().unwrap_or_default();
        let number = |value: &Value| value.as_f64().map(short).unwrap_or_default();
        let verdict = match row["met"].as_bool() {
            Some(true) => "",
            Some(false) => "  NOT MET",
            None => "",
        };
        let ratio = row["ratio"]
            .as_f64()
            .map(|ratio| format!("{ratio:.2}"))
            .unwrap_or_default();
        say(format!(
            "{what:<52} {:>12} {:>12} {ratio:>7} {:>9}  {} {verdict}",
            format!("{} {}", number(&row["ours"]), unit_short(unit)),
            number(&row["baseline"]),
            row["budget"]
                .as_f64()
                .map(|budget| format!("{budget}"))
                .unwrap_or_default(),
            row["against"].as_str().unwrap_or_default(),
        ));
    }
}

fn unit_short(unit: &str) -> &str {
    if unit == "messages/s" { "/s" } else { unit }
}

fn short(value: f64) -> String {
    if value >= 10_000.0 {
        format!("{:.0} k", value / 1000.0)
    } else if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}
