//! `transforms`: what messages go through before a plugin exports them.

use serde::{Deserialize, Serialize};

use super::Config;

/// One entry of `transforms`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct TransformStep {
    /// The name of the file in the plugins folder, without `.wasm`.
    pub(crate) plugin: String,
    /// What it is opened with, over `[plugin.NAME.config]`.
    #[serde(default)]
    pub(crate) config: serde_json::Map<String, serde_json::Value>,
}

impl Config {
    /// Every step of every export, with the place in the file that names it.
    pub(crate) fn transform_steps(&self) -> impl Iterator<Item = (String, &TransformStep)> {
        let plugins = self.plugin.iter().flat_map(|(name, plugin)| {
            let place = format!("[plugin.{name}]");
            plugin
                .transforms
                .iter()
                .map(move |step| (place.clone(), step))
        });
        let exports = self.stream.iter().flat_map(|stream| {
            stream.export.iter().flat_map(move |export| {
                let place = format!(
                    "[[stream]] \"{}\": export \"{}\"",
                    stream.name, export.identifier
                );
                export
                    .transforms
                    .iter()
                    .map(move |step| (place.clone(), step))
            })
        });
        plugins.chain(exports)
    }
}
