//! `millstream plugin inspect`

use millstream_runtime::{CONTRACT_VERSION, Component};

use super::{Failed, asks_for, file, kind, output, to_json};
use crate::plugins::{Described, Plugins};

pub(super) async fn inspect(plugins: &Plugins, plugin: &str, as_json: bool) -> Result<(), Failed> {
    let path = file(plugins, plugin);
    let inspected = plugins.inspect(&path).await;
    let loaded = inspected.map_err(|error| error.to_string())?;
    if as_json {
        output::json(&to_json(&loaded));
        return Ok(());
    }
    let (component, described) = (&loaded.component, &loaded.described);
    summary(component, described);
    match described {
        Described::Exporter(description) => {
            let limits = description.limits;
            output::line(format!(
                "limits      {} messages and {} a batch, {} a message",
                limits.max_messages,
                output::size(limits.max_batch_bytes),
                output::size(limits.max_message_bytes)
            ));
            for sentence in plugins.missing_grants(component.name(), description) {
                output::line(format!("missing     {sentence}"));
            }
        }
        Described::Transform(description) => output::line(format!(
            "makes       {} of one message at most",
            description.most_outputs
        )),
        Described::Nothing => {}
    }
    if let Some(schema) = described.config_schema() {
        output::line("configuration");
        output::line(serde_json::to_string_pretty(schema).unwrap_or_default());
    }
    output::line(format!(
        "imports     {}",
        component.imports().join("\n            ")
    ));
    Ok(())
}

/// What a plugin is and what it asks for, in short.
pub(super) fn summary(component: &Component, described: &Described) {
    output::line(format!("name        {}", component.name()));
    output::line(format!("kind        {}", kind(component)));
    output::line(format!("file        {}", component.path().display()));
    output::line(format!("size        {}", output::size(component.size())));
    output::line(format!("sha256      {}", component.sha256()));
    output::line(format!("world       {}", component.worlds().join(", ")));
    output::line(match component.contract_version() {
        Some(version) if version == CONTRACT_VERSION => format!("contract    {version}"),
        Some(version) => format!("contract    {version}; this host has {CONTRACT_VERSION}"),
        None => "contract    none: it takes nothing of it".to_owned(),
    });
    if let Some(version) = described.version() {
        output::line(format!("version     {version}"));
    }
    if let Some(summary) = described.summary() {
        output::line(format!("summary     {summary}"));
    }
    let wants = described.exporter().map(|description| &description.wants);
    for line in wants.map(asks_for).into_iter().flatten() {
        output::line(format!("asks for    {line}"));
    }
}
