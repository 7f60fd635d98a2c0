//! The plugins folder: finding, loading and describing components by name.

mod aws_defaults;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use millstream_runtime::{
    Component, ComponentKind, Description, Grants, Limits, Runtime, RuntimeError,
};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use crate::config::{Config, PluginSettings};
use aws_defaults::AwsDefaults;

/// The components of one folder, with what the configuration says of each.
pub(crate) struct Plugins {
    runtime: Runtime,
    folder: PathBuf,
    base: PathBuf,
    limits: Limits,
    settings: BTreeMap<String, PluginSettings>,
    aws: AwsDefaults,
    /// A lock for each name, so that a plugin that is slow to load keeps only its own exports waiting.
    loaded: std::sync::Mutex<HashMap<String, Arc<Mutex<Option<Loaded>>>>>,
}

/// A component in memory, and the file it came from.
struct Loaded {
    stamp: (SystemTime, u64),
    component: Component,
    description: Option<Description>,
}

impl Plugins {
    pub(crate) fn new(runtime: Runtime, config: &Config) -> Self {
        Self {
            runtime,
            folder: config.path(&config.plugins.folder),
            base: config.base.clone(),
            limits: config.plugins.limits(),
            settings: config.plugin.clone(),
            aws: AwsDefaults::of(&config.aws),
            loaded: std::sync::Mutex::default(),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Loads a component by its name, from memory if its file has not changed.
    ///
    /// # Errors
    ///
    /// A sentence for the operator.
    pub(crate) async fn component(&self, name: &str) -> Result<Component, String> {
        let place = self.place(name);
        let mut place = place.lock().await;
        self.load(&mut place, name)
            .await
            .map(|loaded| loaded.component.clone())
    }

    /// Loads an exporter by its name and asks it to describe itself.
    ///
    /// # Errors
    ///
    /// A sentence for the operator.
    pub(crate) async fn exporter(&self, name: &str) -> Result<(Component, Description), String> {
        let place = self.place(name);
        let mut place = place.lock().await;
        let loaded = self.load(&mut place, name).await?;
        let description = match &loaded.description {
            Some(description) => description.clone(),
            None => {
                let described = loaded.component.describe(self.limits).await;
                let described = described.map_err(|error| error.to_string())?;
                loaded.description.insert(described).clone()
            }
        };
        Ok((loaded.component.clone(), description))
    }

    fn place(&self, name: &str) -> Arc<Mutex<Option<Loaded>>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(loaded.entry(name.to_owned()).or_default())
    }

    async fn load<'a>(
        &self,
        place: &'a mut Option<Loaded>,
        name: &str,
    ) -> Result<&'a mut Loaded, String> {
        let path = self.path(name)?;
        let stamp = stamp(&path).map_err(|_| self.missing(name))?;
        let loaded = match place.take() {
            Some(loaded) if loaded.stamp == stamp => loaded,
            _ => {
                let component = self.runtime.load(&path).await;
                let component = component.map_err(|error| error.to_string())?;
                Loaded {
                    stamp,
                    component,
                    description: None,
                }
            }
        };
        Ok(place.insert(loaded))
    }

    /// The file of a plugin. A name may come from a client, so it must not lead out of the folder.
    fn path(&self, name: &str) -> Result<PathBuf, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
            return Err(format!(
                "\"{name}\" is not the name of a plugin: letters, digits, - _ and . are allowed"
            ));
        }
        Ok(self.folder.join(format!("{name}.wasm")))
    }

    fn missing(&self, name: &str) -> String {
        let there: Vec<_> = self
            .files()
            .iter()
            .filter_map(|path| path.file_stem()?.to_str().map(str::to_owned))
            .collect();
        let there = if there.is_empty() {
            "it has no plugins".to_owned()
        } else {
            format!("it has {}", there.join(", "))
        };
        format!(
            "the plugin \"{name}\" is not there: put {name}.wasm into the folder {} ({there})",
            self.folder.display()
        )
    }

    /// The component files in the folder, sorted.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = std::fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "wasm")
            })
            .collect();
        files.sort();
        files
    }

    /// The folder of the components.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Loads and, for an exporter, describes a file wherever it lies.
    pub(crate) async fn inspect(
        &self,
        path: &Path,
    ) -> Result<(Component, Option<Description>), RuntimeError> {
        let component = self.runtime.load(path).await?;
        let description = match component.kind() {
            ComponentKind::Exporter => Some(component.describe(self.limits).await?),
            ComponentKind::Producer | ComponentKind::Webhook => None,
        };
        Ok((component, description))
    }

    /// What the configuration grants a plugin.
    pub(crate) fn grants(&self, name: &str) -> Grants {
        // The configuration was checked when it was loaded.
        self.settings
            .get(name)
            .and_then(|settings| settings.grants.resolve(&self.base).ok())
            .unwrap_or_default()
    }

    /// An export's own configuration over the plugin's defaults, and those over what the host says of
    /// AWS.
    pub(crate) fn config(
        &self,
        name: &str,
        own: &Map<String, Value>,
        description: &Description,
    ) -> Value {
        let mut config = self
            .settings
            .get(name)
            .map(|settings| settings.config.clone())
            .unwrap_or_default();
        config.extend(own.clone());
        self.aws.fill(&mut config, description);
        Value::Object(config)
    }

    /// The least time between two calls of one export.
    pub(crate) fn call_interval(&self, name: &str, description: &Description) -> Duration {
        let set = self
            .settings
            .get(name)
            .and_then(|settings| settings.call_interval);
        set.map(|interval| interval.0)
            .or(description.call_interval)
            .unwrap_or_default()
    }

    /// What a plugin asks for and the configuration does not grant at all, as sentences.
    pub(crate) fn missing_grants(&self, name: &str, description: &Description) -> Vec<String> {
        let grants = self.grants(name);
        let wants = &description.wants;
        let has_streams = !grants.append.is_empty() || !grants.read.is_empty();
        [
            ("hosts", &wants.hosts, !grants.hosts.is_empty()),
            (
                "aws-services",
                &wants.aws_services,
                !grants.aws_services.is_empty(),
            ),
            ("folders", &wants.folders, !grants.folders.is_empty()),
            ("append", &wants.streams, has_streams),
        ]
        .into_iter()
        .filter(|(_, wanted, granted)| !wanted.is_empty() && !granted)
        .map(|(key, wanted, _)| {
            format!(
                "the plugin \"{name}\" asks for {}, and nothing is granted: add {key} to \
                 [plugin.{name}.grants]",
                wanted.join(", ")
            )
        })
        .collect()
    }

    pub(crate) fn report_missing_grants(&self, name: &str, description: &Description) {
        for sentence in self.missing_grants(name, description) {
            tracing::warn!("{sentence}");
        }
    }
}

fn stamp(path: &Path) -> std::io::Result<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.modified()?, metadata.len()))
}
