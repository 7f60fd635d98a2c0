//! The plugins folder: which components lie there, which version of each is used, and what the
//! configuration says of them.
//!
//! Whoever uses a plugin follows it ([`Plugins::follow`]): as long as somebody does, its file is looked at
//! ([`folder`]), and each new [`version`] that can be loaded, and may be ([`trust`]), is offered to all.

mod aws_defaults;
mod folder;
mod trust;
mod version;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millstream_runtime::{
    Component, ComponentKind, Description, Grants, Limits, Runtime, RuntimeError,
};
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::config::{Config, PluginSettings, TransformStep};
use aws_defaults::AwsDefaults;
use folder::{Found, Place};
use trust::Trust;

pub(crate) use version::{
    Described, Loaded, Offer, Standing, VersionId, changed, short, superseded,
};

/// The longest name of a plugin, in bytes: with what comes behind it, it has to be the name of a file.
const LONGEST_NAME: usize = 200;

/// The components of one folder, with what the configuration says of each.
pub(crate) struct Plugins {
    runtime: Runtime,
    folder: PathBuf,
    base: PathBuf,
    limits: Limits,
    settings: BTreeMap<String, PluginSettings>,
    aws: AwsDefaults,
    trust: Trust,
    /// Those that are used.
    places: Mutex<BTreeMap<String, Arc<Place>>>,
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
            trust: Trust::of(&config.plugins),
            places: Mutex::default(),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// How a plugin stands, from now on. Its file is looked at for as long as somebody has this.
    pub(crate) fn follow(self: &Arc<Self>, name: &str) -> watch::Receiver<Standing> {
        self.place(name).1
    }

    /// The version of a plugin that is to be used now.
    ///
    /// # Errors
    ///
    /// A sentence for the operator.
    pub(crate) async fn current(self: &Arc<Self>, name: &str) -> Result<Arc<Loaded>, String> {
        let (place, mut standing) = self.place(name);
        let known = standing.wait_for(|standing| standing.offer != Offer::Unknown);
        let offer = match known.await {
            Ok(standing) => standing.offer.clone(),
            Err(_) => place.standing().offer,
        };
        match (place.loaded(), offer) {
            (Some(loaded), _) => Ok(loaded),
            (None, Offer::Nothing(reason)) => Err(reason),
            // It went just now.
            (None, _) => Err(self.missing(name).await),
        }
    }

    /// What the messages of all exports to a plugin go through that name nothing themselves.
    pub(crate) fn transforms(&self, plugin: &str) -> &[TransformStep] {
        self.settings
            .get(plugin)
            .map_or(&[], |settings| &settings.transforms)
    }

    fn place(self: &Arc<Self>, name: &str) -> (Arc<Place>, watch::Receiver<Standing>) {
        if let Err(reason) = self.path(name) {
            let nowhere = Arc::new(Place::new(Offer::Nothing(reason)));
            let standing = nowhere.subscribe();
            return (nowhere, standing);
        }
        let mut places = lock(&self.places);
        let place = places.entry(name.to_owned()).or_insert_with(|| {
            let place = Arc::new(Place::new(Offer::Unknown));
            let (plugins, name) = (Arc::downgrade(self), name.to_owned());
            tokio::spawn(folder::watch(plugins, name, Arc::clone(&place)));
            place
        });
        (Arc::clone(place), place.subscribe())
    }

    /// Drops a plugin, unless somebody has begun to use it just now.
    fn forget(&self, name: &str, place: &Place) -> bool {
        // New users come under the same lock.
        let mut places = lock(&self.places);
        let is_unused = !place.is_used();
        if is_unused {
            places.remove(name);
        }
        is_unused
    }

    /// How each plugin stands that is used, in order of their names.
    pub(crate) fn standings(&self) -> Vec<(String, Standing)> {
        let places = lock(&self.places);
        places
            .iter()
            .map(|(name, place)| (name.clone(), place.standing()))
            .collect()
    }

    /// Loads a plugin by its name once, as the folder is now.
    ///
    /// # Errors
    ///
    /// A sentence for the operator.
    pub(crate) async fn load(&self, name: &str) -> Result<Loaded, String> {
        let path = self.path(name)?;
        if self.find(name).await.is_ok_and(|found| !found.is_there()) {
            return Err(self.missing(name).await);
        }
        self.inspect(&path).await.map_err(|error| error.to_string())
    }

    async fn try_load(&self, name: &str) -> Result<Loaded, RuntimeError> {
        self.inspect(&self.file(name)).await
    }

    /// What lies in the folder under a name that was checked.
    async fn find(&self, name: &str) -> io::Result<Found> {
        let (path, needs_signature) = (self.file(name), self.trust.needs_signature());
        tokio::task::spawn_blocking(move || Found::look(&path, needs_signature)).await?
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.wasm"))
    }

    /// The file of a plugin. A name may come from a client, so it must not lead out of the folder.
    ///
    /// # Errors
    ///
    /// A sentence for the operator, if it is no name.
    pub(crate) fn path(&self, name: &str) -> Result<PathBuf, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.len() > LONGEST_NAME {
            let begin: String = name.chars().take(LONGEST_NAME / 2).collect();
            return Err(format!(
                "\"{begin}…\" is not the name of a plugin: it has more than {LONGEST_NAME} bytes"
            ));
        }
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
            return Err(format!(
                "\"{name}\" is not the name of a plugin: letters, digits, - _ and . are allowed"
            ));
        }
        Ok(self.file(name))
    }

    async fn missing(&self, name: &str) -> String {
        let folder = self.folder.clone();
        let listed = tokio::task::spawn_blocking(move || files_in(&folder)).await;
        let there: Vec<_> = listed
            .unwrap_or_default()
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
        files_in(&self.folder)
    }

    /// The folder of the components.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Loads a file wherever it lies.
    pub(crate) async fn load_file(&self, path: &Path) -> Result<Component, RuntimeError> {
        self.runtime.load(path).await
    }

    /// Loads a file wherever it lies, and lets it describe itself. In the folder it has to be one that
    /// may be used.
    pub(crate) async fn inspect(&self, path: &Path) -> Result<Loaded, RuntimeError> {
        let component = if path.parent() == Some(&self.folder) {
            let (trust, file) = (self.trust.clone(), path.to_owned());
            let name = path.file_stem().unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            let allow = move |bytes: &[u8], sha256: &str| trust.check(&name, &file, bytes, sha256);
            self.runtime.load_if(path, allow).await?
        } else {
            self.runtime.load(path).await?
        };
        let described = match component.kind() {
            ComponentKind::Exporter => Described::Exporter(component.describe(self.limits).await?),
            ComponentKind::Transform => {
                Described::Transform(component.describe_transform(self.limits).await?)
            }
            ComponentKind::Producer | ComponentKind::Webhook => Described::Nothing,
        };
        Ok(Loaded::new(component, described))
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

    /// The configuration of a step over the transform's defaults.
    pub(crate) fn transform_config(&self, step: &TransformStep) -> Value {
        let settings = self.settings.get(&step.plugin);
        let mut config = settings.map_or_else(Map::new, |settings| settings.config.clone());
        config.extend(step.config.clone());
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

/// The component files in a folder, sorted. It may wait for the disk.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
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

/// The values behind these locks are whole after each statement, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
