//! `millstream plugin`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use millstream_runtime::{Component, ComponentKind, RuntimeError};
use serde_json::{Value, json};

use super::{Failed, components, output};
use crate::config::Config;
use crate::http::socket;
use crate::plugins::{Loaded, Plugins, short};
use crate::status::{PluginStatus, Status};

/// Plugins, with or without a running host.
#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// What is in the plugins folder, and which versions a running host uses
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
            Self::List { json } => {
                // Without a host there is nothing in use.
                let host = socket::ask(&config.path(&config.storage.folder)).await;
                list(&plugins, host.ok().as_ref(), *json).await
            }
            Self::Inspect { plugin, json } => inspect(&plugins, plugin, *json).await,
        }
    }
}

async fn list(plugins: &Plugins, host: Option<&Status>, as_json: bool) -> Result<(), Failed> {
    let files = plugins.files();
    if files.is_empty() && !as_json {
        output::line(format!("{} has no .wasm files", plugins.folder().display()));
    }
    let used = host.map_or(&[][..], |host| &host.plugins);
    for path in &files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let used = used.iter().find(|plugin| plugin.name == name);
        let inspected = plugins.inspect(path).await;
        if as_json {
            let mut value = match &inspected {
                Ok(loaded) => to_json(loaded),
                Err(error) => json!({
                    "name": name,
                    "path": path.display().to_string(),
                    "error": error.to_string(),
                }),
            };
            value["inUse"] = used.map_or(Value::Null, in_use);
            output::json(&value);
            continue;
        }
        match &inspected {
            Ok(loaded) => output::line(format!(
                "{name:<16} {:<9} {:<8} {:>10}  {}  {}",
                kind(&loaded.component),
                loaded.id.version,
                output::size(loaded.component.size()),
                loaded.id.short_hash(),
                summary(loaded),
            )),
            Err(error @ RuntimeError::Refused { .. }) => {
                output::line(format!("{name:<16} refused   {error}"));
            }
            Err(error) => output::line(format!("{name:<16} broken    {error}")),
        }
        let on_disk = inspected.as_ref().map(|loaded| &*loaded.id.sha256);
        say_in_use(host, used, on_disk.unwrap_or_default());
    }
    for gone in used {
        if files
            .iter()
            .all(|path| path.file_stem() != Some(gone.name.as_ref()))
        {
            if as_json {
                output::json(&json!({ "name": gone.name, "inUse": in_use(gone) }));
            } else {
                output::line(format!("{:<16} gone", gone.name));
                say_in_use(host, Some(gone), "");
            }
        }
    }
    Ok(())
}

/// What a running host uses in the place of a file that lies in the folder, or of one that does not.
fn say_in_use(host: Option<&Status>, used: Option<&PluginStatus>, on_disk: &str) {
    let (Some(host), Some(used)) = (host, used) else {
        return;
    };
    let indented = |text: String| output::line(format!("{:<16} {text}", ""));
    match used.sha256.as_str() {
        "" => {}
        sha256 if sha256 == on_disk => indented("in use".to_owned()),
        sha256 => indented(format!("in use    {} {}", used.version, short(sha256))),
    }
    if !used.problem.is_empty() {
        indented(used.problem.clone());
    }
    for stream in &host.streams {
        for export in &stream.exports {
            if export.plugin == used.name && !export.passed_over.is_empty() {
                let (stream, export, why) = (&stream.name, &export.identifier, &export.passed_over);
                indented(format!("{stream}/{export}: {why}"));
            }
        }
    }
}

fn in_use(used: &PluginStatus) -> Value {
    json!({
        "version": used.version,
        "sha256": used.sha256,
        "problem": used.problem,
        "replacements": used.replacements,
    })
}

fn summary(loaded: &Loaded) -> &str {
    let description = loaded.description.as_ref();
    description.map_or("makes messages", |description| &description.summary)
}

async fn inspect(plugins: &Plugins, plugin: &str, as_json: bool) -> Result<(), Failed> {
    let named = plugins.folder().join(format!("{plugin}.wasm"));
    let path = if Path::new(plugin).exists() {
        PathBuf::from(plugin)
    } else {
        named
    };
    let inspected = plugins.inspect(&path).await;
    let loaded = inspected.map_err(|error| error.to_string())?;
    if as_json {
        output::json(&to_json(&loaded));
        return Ok(());
    }
    let Loaded {
        component,
        description,
        ..
    } = loaded;
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
    }
}

fn to_json(loaded: &Loaded) -> Value {
    let component = &loaded.component;
    let mut value = json!({
        "name": component.name(),
        "kind": kind(component),
        "path": component.path().display().to_string(),
        "size": component.size(),
        "sha256": component.sha256(),
        "imports": component.imports(),
    });
    if let Some(description) = &loaded.description {
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
