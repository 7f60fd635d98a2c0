//! The files of the plugins folder, and whether what the configuration says of each is right.

use std::collections::BTreeMap;

use millstream_kit::{Misfit, misfits};
use millstream_runtime::{ComponentKind, Description};
use serde_json::Value;

use super::Findings;
use crate::cli::plugin::purpose;
use crate::config::{Config, nearest};
use crate::plugins::{Described, Plugins};

pub(super) async fn check(config: &Config, plugins: &Plugins, findings: &mut Findings) {
    check_folder(plugins, findings).await;
    check_exporters(config, plugins, findings).await;
    check_transforms(config, plugins, findings).await;
    check_producers(config, plugins, findings).await;
}

async fn check_folder(plugins: &Plugins, findings: &mut Findings) {
    for path in plugins.files() {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match plugins.inspect(&path).await {
            Ok(loaded) => {
                let purpose = purpose(loaded.component.kind());
                let summary = loaded.described.summary().unwrap_or(purpose);
                findings.good(format!("plugin {name}: {summary}"));
            }
            Err(error) => findings.wrong(error.to_string()),
        }
    }
}

/// Those that exports name, and those that are only configured, for exports of clients.
async fn check_exporters(config: &Config, plugins: &Plugins, findings: &mut Findings) {
    let mut exporters: BTreeMap<&str, Option<Description>> = BTreeMap::new();
    for export in config.stream.iter().flat_map(|stream| &stream.export) {
        let name = export.plugin.as_str();
        if exporters.contains_key(name) {
            continue;
        }
        let description = match plugins.load(name).await.map(|loaded| loaded.described) {
            Ok(Described::Exporter(description)) => {
                for sentence in plugins.missing_grants(name, &description) {
                    findings.wrong(sentence);
                }
                Some(description)
            }
            Ok(Described::Transform(_) | Described::Nothing) => {
                findings.wrong(format!(
                    "an export names the plugin {name}, which is not an exporter"
                ));
                None
            }
            Err(reason) => {
                findings.wrong(reason);
                None
            }
        };
        exporters.insert(name, description);
    }
    for stream in &config.stream {
        for export in &stream.export {
            if let Some(Some(description)) = exporters.get(export.plugin.as_str()) {
                let whole = plugins.config(&export.plugin, &export.config, description);
                let place = format!(
                    "[[stream]] \"{}\": export \"{}\"",
                    stream.name, export.identifier
                );
                report(&place, &whole, &description.config_schema, findings);
            }
        }
    }
    for (name, settings) in &config.plugin {
        if settings.config.is_empty() || exporters.contains_key(name.as_str()) {
            continue;
        }
        // One that is not there is no mistake: nobody uses it yet.
        let loaded = plugins.load(name).await;
        if let Some(schema) = loaded
            .ok()
            .as_ref()
            .and_then(|it| it.described.config_schema())
        {
            // What is missing, each export may bring along.
            let config = Value::Object(settings.config.clone());
            let mut wrong = misfits(&config, schema);
            wrong.retain(|misfit| !matches!(misfit, Misfit::Missing { .. }));
            say(&format!("[plugin.{name}]"), wrong, findings);
        }
    }
}

async fn check_transforms(config: &Config, plugins: &Plugins, findings: &mut Findings) {
    for (place, step) in config.transform_steps() {
        match plugins
            .load(&step.plugin)
            .await
            .map(|loaded| loaded.described)
        {
            Ok(Described::Transform(description)) => report(
                &format!("{place}, transform {}", step.plugin),
                &plugins.transform_config(step),
                &description.config_schema,
                findings,
            ),
            Ok(_) => findings.wrong(format!("{place}: {} is not a transform", step.plugin)),
            Err(reason) => findings.wrong(format!("{place}: {reason}")),
        }
    }
}

async fn check_producers(config: &Config, plugins: &Plugins, findings: &mut Findings) {
    for producer in &config.producer {
        let wrong = match plugins.load(&producer.component).await {
            Ok(loaded) => match (loaded.component.kind(), &producer.path) {
                (ComponentKind::Producer, None) | (ComponentKind::Webhook, Some(_)) => continue,
                (ComponentKind::Exporter, _) => "it is an exporter, not a producer".to_owned(),
                (ComponentKind::Transform, _) => "it is a transform, not a producer".to_owned(),
                (ComponentKind::Webhook, None) => {
                    "it is a webhook; say where with path = \"/hooks/…\"".to_owned()
                }
                (ComponentKind::Producer, Some(_)) => {
                    "it is a command and not a webhook; take path away".to_owned()
                }
            },
            Err(reason) => reason,
        };
        let (name, component) = (&producer.name, &producer.component);
        findings.wrong(format!("[[producer]] \"{name}\", {component}: {wrong}"));
    }
}

/// What of a whole configuration does not fit.
fn report(place: &str, config: &Value, schema: &Value, findings: &mut Findings) {
    say(place, misfits(config, schema), findings);
}

fn say(place: &str, wrong: Vec<Misfit>, findings: &mut Findings) {
    for misfit in wrong {
        let mut sentence = format!("{place}: config: {misfit}");
        if let Misfit::Unknown { key, known, .. } = &misfit {
            let known: Vec<_> = known.iter().map(String::as_str).collect();
            if let Some(near) = nearest(key, &known) {
                sentence.push_str(&format!("; did you mean `{near}`?"));
            }
        }
        findings.wrong(sentence);
    }
}
