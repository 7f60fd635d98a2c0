//! `millstream plugin inspect`

use millstream_runtime::{CONTRACT_VERSION, Component, ComponentKind, Description};

use super::{Failed, asks_for, file, kind, output, to_json};
use crate::plugins::{Loaded, Plugins};

pub(super) async fn inspect(plugins: &Plugins, plugin: &str, as_json: bool) -> Result<(), Failed> {
    let path = file(plugins, plugin);
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
    summary(&component, description.as_ref());
    if let Some(description) = description {
        let limits = description.limits;
        output::line(format!(
            "limits      {} messages and {} a batch, {} a message",
            limits.max_messages,
            output::size(limits.max_batch_bytes),
            output::size(limits.max_message_bytes)
        ));
        for sentence in plugins.missing_grants(component.name(), &description) {
            output::line(format!("missing     {sentence}"));
        }
        output::line("configuration");
        let schema = serde_json::to_string_pretty(&description.config_schema);
        output::line(schema.unwrap_or_default());
    }
    if component.kind() == ComponentKind::Transform {
        let described = plugins.describe_transform(&component).await?;
        output::line(format!("version     {}", described.version));
        output::line(format!("summary     {}", described.summary));
        output::line(format!(
            "makes       {} of one message at most",
            described.most_outputs
        ));
        output::line("configuration");
        let schema = serde_json::to_string_pretty(&described.config_schema);
        output::line(schema.unwrap_or_default());
    }
    output::line(format!(
        "imports     {}",
        component.imports().join("\n            ")
    ));
    Ok(())
}

/// What a plugin is and what it asks for, in short.
pub(super) fn summary(component: &Component, description: Option<&Description>) {
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
    let Some(description) = description else {
        return;
    };
    output::line(format!("version     {}", description.version));
    output::line(format!("summary     {}", description.summary));
    for line in asks_for(&description.wants) {
        output::line(format!("asks for    {line}"));
    }
}
