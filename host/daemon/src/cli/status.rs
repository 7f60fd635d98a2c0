//! `millstream status`

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use super::producer::print_producer;
use super::{Failed, output};
use crate::config::Config;
use crate::http::socket;
use crate::status::{ExportState, ExportStatus, Status};

/// The running host.
#[derive(Debug, Args)]
pub(super) struct StatusCommand {
    /// Print JSON, with everything that is known
    #[arg(long)]
    json: bool,
    /// Print only the address where clients connect
    #[arg(long, conflicts_with = "json")]
    address: bool,
}

impl StatusCommand {
    pub(super) async fn run(&self, config: &Config) -> Result<(), Failed> {
        let status = socket::ask(&config.path(&config.storage.folder)).await?;
        if self.json {
            match serde_json::to_value(&status) {
                Ok(value) => output::json(&value),
                Err(error) => return Err(Failed::Other(error.to_string())),
            }
        } else if self.address {
            output::line(status.address.to_string());
        } else {
            print(&status);
        }
        Ok(())
    }
}

/// Where the host of a configuration listens. With port 0 only the host itself knows.
pub(super) async fn listening(config: &Config) -> Result<SocketAddr, Failed> {
    let address = config.server.listen;
    if address.port() != 0 {
        return Ok(address);
    }
    let status = socket::ask(&config.path(&config.storage.folder)).await?;
    Ok(status.address)
}

fn print(status: &Status) {
    output::line(format!("listening   {}", status.address));
    if let Some(http) = status.http {
        output::line(format!("metrics     http://{http}/metrics"));
    }
    let uptime = humantime::format_duration(Duration::from_secs(status.uptime_seconds));
    output::line(format!(
        "process     {}, version {}, up {uptime}",
        status.process, status.version
    ));
    output::line(format!("connections {}", status.connections));
    match &status.failure {
        None => output::line("storage     works"),
        Some(failure) => output::line(format!("storage     {failure}")),
    }
    output::line(format!(
        "appended    {} since it started",
        output::size(status.telemetry.bytes_appended)
    ));
    for stream in &status.streams {
        output::line(String::new());
        let share = stream
            .total_bytes
            .saturating_mul(100)
            .checked_div(stream.max_size);
        output::line(format!(
            "{}  {} messages, {} of {} ({}%)",
            stream.name,
            stream.messages,
            output::size(stream.total_bytes),
            output::size(stream.max_size),
            share.unwrap_or_default()
        ));
        for export in &stream.exports {
            print_export(" ", export);
        }
    }
    if !status.producers.is_empty() {
        output::line("\nproducers");
    }
    for producer in &status.producers {
        print_producer("  ", producer);
    }
}

/// Shows an export behind the name of its stream, or below it.
pub(super) fn print_export(stream: &str, export: &ExportStatus) {
    let state = match export.state {
        ExportState::Running => "running",
        ExportState::Failing => "failing, will be tried again",
        ExportState::Disabled => "disabled",
    };
    output::line(format!(
        "{stream} {} ({})  {state}",
        export.identifier, export.plugin
    ));
    let behind = match export.lag_messages {
        0 => "nothing waits".to_owned(),
        messages => {
            let age = humantime::format_duration(Duration::from_secs(export.lag_seconds));
            format!("{messages} messages wait, the oldest for {age}")
        }
    };
    output::line(format!(
        "    {} messages delivered, {}; {behind}",
        export.delivered_messages,
        output::size(export.delivered_bytes)
    ));
    if export.rejected_messages + export.missed_messages > 0 {
        output::line(format!(
            "    {} rejected, {} gone before their turn",
            export.rejected_messages, export.missed_messages
        ));
    }
    if !export.in_progress.is_empty() {
        output::line(format!("    {}", export.in_progress));
    }
    if let Some(stream) = &export.dead_letter_stream {
        output::line(format!(
            "    dead letters go to {stream}: {} since the host started, {} delivered again",
            export.dead_letters, export.requeued_messages
        ));
    }
    if !export.passed_over.is_empty() {
        output::line(format!("    {}", export.passed_over));
    }
    if !export.error_message.is_empty() {
        output::line(format!("    {}", export.error_message));
    }
}
