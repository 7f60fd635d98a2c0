//! `millstream plugin list`

use serde_json::json;

use super::{Failed, kind, output, to_json};
use crate::plugins::Plugins;

pub(super) async fn list(plugins: &Plugins, as_json: bool) -> Result<(), Failed> {
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
                    None => ("", "makes messages"),
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
