//! `millstream plugin`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use millstream_runtime::{Component, ComponentKind, Description};
use serde_json::{Value, json};

use super::{Failed, components, output};
use crate::config::Config;
use crate::plugins::Plugins;

/// Plugins, without a running host.
#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// What is in the plugins folder
    List {
        /// Print JSON, one line a file
        #[arg(long)]
        json: bool,
    },
    /// Everything about one plugin: what it is, what it asks for, how it is configured
    Inspect {
        /// Its name in the plugins folder, or the path of a file
        plugin: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl PluginCommand {
    pub(super) async fn run(&self, config: &Config) -> Result<(), Failed> {
        let plugins = Plugins::new(components(config)?, config);
        match self {
            Self::List { json } => list(&plugins, *json).await,
            Self::Inspect { plugin, json } => inspect(&plugins, plugin, *json).await,
        }
    }
}

async fn list(plugins: &Plugins, as_json: bool) -> Result<(), Failed> {
    let files = plugins.files();
    if files.is_empty() && !as_json {
        output::line(format!("{} has no .wasm files", plugins.folder().display()));
    }
    for path in files {
        match plugins.inspect(&path).await {
            Ok((component, description)) if as_json => {
                output::json(&to_json(&component, description.as_ref()));
            }
            Ok((component, description)) => {
                let (version, summary) = match &description {
                    Some(description) => {
                        (description.version.as_str(), description.summary.as_str())
                    }
                    None => ("", purpose(component.kind())),
                };
                output::line(format!(
                    "{:<16} {:<9} {version:<8} {:>10}  {}  {summary}",
                    component.name(),
                    kind(&component),
                    output::size(component.size()),
                    component.sha256().get(..12).unwrap_or_default(),
                ));
            }
            Err(error) if as_json => {
                let path = path.display().to_string();
                output::json(&json!({ "path": path, "error": error.to_string() }));
            }
            Err(error) => {
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                output::line(format!("{name:<16} broken    {error}"));
            }
        }
    }
    Ok(())
}

async fn inspect(plugins: &Plugins, plugin: &str, as_json: bool) -> Result<(), Failed> {
    let named = plugins.folder().join(format!("{plugin}.wasm"));
    let path = if Path::new(plugin).exists() {
        PathBuf::from(plugin)
    } else {
        named
    };
    let inspected = plugins.inspect(&path).await;
    let (component, description) = inspected.map_err(|error| error.to_string())?;
    if as_json {
        output::json(&to_json(&component, description.as_ref()));
        return Ok(());
    }
    output::line(format!("name        {}", component.name()));
    output::line(format!("kind        {}", kind(&component)));
    output::line(format!("file        {}", component.path().display()));
    output::line(format!("size        {}", output::size(component.size())));
    output::line(format!("sha256      {}", component.sha256()));
    if let Some(description) = description {
        output::line(format!("version     {}", description.version));
        output::line(format!("summary     {}", description.summary));
        let limits = description.limits;
        output::line(format!(
            "limits      {} messages and {} a batch, {} a message",
            limits.max_messages,
            output::size(limits.max_batch_bytes),
            output::size(limits.max_message_bytes)
        ));
        let wants = &description.wants;
        for (what, wanted) in [
            ("hosts", &wants.hosts),
            ("aws-services", &wants.aws_services),
            ("folders", &wants.folders),
            ("streams", &wants.streams),
        ] {
            if !wanted.is_empty() {
                output::line(format!("asks for    {what}: {}", wanted.join(", ")));
            }
        }
        for sentence in plugins.missing_grants(component.name(), &description) {
            output::line(format!("missing     {sentence}"));
        }
        output::line("configuration");
        let schema = serde_json::to_string_pretty(&description.config_schema);
        output::line(schema.unwrap_or_default());
    }
    output::line(format!(
        "imports     {}",
        component.imports().join("\n            ")
    ));
    Ok(())
}

fn kind(component: &Component) -> &'static str {
    match component.kind() {
        ComponentKind::Exporter => "exporter",
        ComponentKind::Producer => "producer",
        ComponentKind::Webhook => "webhook",
    }
}

/// What a component is for that does not describe itself.
pub(super) fn purpose(kind: ComponentKind) -> &'static str {
    match kind {
        ComponentKind::Webhook => "makes messages of HTTP requests",
        ComponentKind::Exporter | ComponentKind::Producer => "makes messages",
    }
}

fn to_json(component: &Component, description: Option<&Description>) -> Value {
    let mut value = json!({
        "name": component.name(),
        "kind": kind(component),
        "path": component.path().display().to_string(),
        "size": component.size(),
        "sha256": component.sha256(),
        "imports": component.imports(),
    });
    if let Some(description) = description {
        value["version"] = json!(description.version);
        value["summary"] = json!(description.summary);
        value["configSchema"] = description.config_schema.clone();
        value["limits"] = json!({
            "maxMessages": description.limits.max_messages,
            "maxBatchBytes": description.limits.max_batch_bytes,
            "maxMessageBytes": description.limits.max_message_bytes,
        });
        value["wants"] = json!({
            "hosts": description.wants.hosts,
            "awsServices": description.wants.aws_services,
            "folders": description.wants.folders,
            "streams": description.wants.streams,
        });
    }
    value
}
