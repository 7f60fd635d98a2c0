//! `millstream plugin`: for those who use plugins, and for those who write them. One file a command.

mod add;
mod build;
mod grant;
mod inspect;
mod list;
mod stale;
mod test;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use millstream_runtime::{Component, ComponentKind, Wants};
use serde_json::{Value, json};

use super::{Failed, components_for_authors, output};
use crate::config::Config;
use crate::http::socket;
use crate::plugins::{Described, Loaded, Plugins};

pub(super) use build::{PROJECT, Project};

/// Plugins, with or without a running host.
#[derive(Debug, Subcommand)]
#[command(after_help = AFTER_HELP)]
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
    /// Put a plugin into the plugins folder, and grant it what it asks for
    Add(add::Add),
    /// Build the project in this folder with its language's own tool
    Build(build::Build),
    /// Try out whether a plugin keeps the contract
    Test(test::Test),
}

const AFTER_HELP: &str = "\
To use a plugin:
  millstream plugin inspect sink.wasm   see what it is and what it asks for
  millstream plugin add sink.wasm       put it into the plugins folder, with
                                        what it is granted

To write one, in Rust, Python, JavaScript, C or Go:
  millstream new exporter my-sink --lang rust
  cd my-sink
  millstream plugin build               or the tool itself, as its README says
  millstream plugin test my-sink.wasm   see what of the contract holds";

impl PluginCommand {
    /// `file` is the configuration's, if the command line names one.
    pub(super) async fn run(&self, config: &Config, file: Option<&Path>) -> Result<(), Failed> {
        let plugins = Plugins::new(components_for_authors(config)?, config);
        match self {
            Self::List { json } => {
                // Without a host there is nothing in use.
                let host = socket::ask(&config.path(&config.storage.folder)).await;
                list::list(&plugins, host.ok().as_ref(), *json).await
            }
            Self::Inspect { plugin, json } => inspect::inspect(&plugins, plugin, *json).await,
            Self::Add(add) => add.run(&plugins, config, file).await,
            Self::Build(build) => build.run(&plugins).await,
            Self::Test(test) => test.run(&plugins, config).await,
        }
    }
}

/// The file of a plugin that is named by its path, or by its name in the plugins folder.
fn file(plugins: &Plugins, plugin: &str) -> PathBuf {
    let path = PathBuf::from(plugin);
    let is_path = path.is_file() || plugin.contains('/') || plugin.ends_with(".wasm");
    match is_path {
        true => path,
        false => plugins.folder().join(format!("{plugin}.wasm")),
    }
}

/// What a plugin asks for, a line for each kind of grant.
fn asks_for(wants: &Wants) -> Vec<String> {
    let kinds = [
        ("hosts", &wants.hosts),
        ("aws-services", &wants.aws_services),
        ("folders", &wants.folders),
        ("streams", &wants.streams),
    ];
    kinds
        .into_iter()
        .filter(|(_, wanted)| !wanted.is_empty())
        .map(|(kind, wanted)| format!("{kind}: {}", wanted.join(", ")))
        .collect()
}

fn kind(component: &Component) -> &'static str {
    match component.kind() {
        ComponentKind::Exporter => "exporter",
        ComponentKind::Producer => "producer",
        ComponentKind::Transform => "transform",
        ComponentKind::Webhook => "webhook",
    }
}

/// What a component is for that does not describe itself.
pub(super) fn purpose(kind: ComponentKind) -> &'static str {
    match kind {
        ComponentKind::Webhook => "makes messages of HTTP requests",
        ComponentKind::Transform => "changes messages on their way to an exporter",
        ComponentKind::Exporter | ComponentKind::Producer => "makes messages",
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
        "worlds": component.worlds(),
        "contract": component.contract_version(),
        "imports": component.imports(),
    });
    let described = &loaded.described;
    if let (Some(version), Some(summary)) = (described.version(), described.summary()) {
        value["version"] = json!(version);
        value["summary"] = json!(summary);
        value["configSchema"] = json!(described.config_schema());
    }
    if let Described::Transform(description) = described {
        value["mostOutputs"] = json!(description.most_outputs);
    }
    if let Described::Exporter(description) = described {
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
