//! `millstream plugin list`

use millstream_runtime::RuntimeError;
use serde_json::{Value, json};

use super::{Failed, kind, output, purpose, to_json};
use crate::plugins::{Loaded, Plugins, short};
use crate::status::{PluginStatus, Status};

pub(super) async fn list(
    plugins: &Plugins,
    host: Option<&Status>,
    as_json: bool,
) -> Result<(), Failed> {
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
    let purpose = purpose(loaded.component.kind());
    loaded.described.summary().unwrap_or(purpose)
}
