//! The configuration: one TOML file, or the defaults without any.
//!
//! [`Config::load`] reads and checks everything that can be checked without opening what it names; only
//! where granted folders lie is looked up ([`own_places`]).
//! What the environment variables of the Greengrass component say comes on top ([`environment`]).
//! Unknown keys are refused, with the nearest known one, because a key that is silently ignored is a
//! setting that somebody believes in. Relative paths are relative to the file.

mod aws;
mod dead_letters;
mod edit;
mod environment;
mod own_places;
mod problem;
mod producer;
mod secrets;
mod sections;
mod server;
mod tls_identity;
mod transforms;
mod trust;
mod units;
pub(crate) mod wire_plugins;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub(crate) use aws::Aws;
pub(crate) use edit::Edit;
use environment::READ_ONLY_DIRS;
pub(crate) use problem::{ConfigProblem, nearest};
pub(crate) use producer::{Producer, Restart, is_under};
pub(crate) use secrets::Secret;
pub(crate) use sections::{
    ComponentGrants, Exports, Http, Log, LogFormat, LogLevel, OnFull, Persistence, PluginSettings,
    Plugins, Storage, Stream, StreamExport,
};
pub(crate) use server::{Authentication, Server};
pub(crate) use transforms::TransformStep;
pub(crate) use trust::{Hash, TrustedKey};
pub(crate) use units::Span;

/// The sample that `millstream init` writes. Every key is in it, which a test holds true.
pub(crate) const SAMPLE: &str = include_str!("sample.toml");

/// Where the configuration is looked for if nobody says otherwise.
pub(crate) const DEFAULT_FILE: &str = "millstream.toml";

/// Everything an operator can set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) http: Http,
    pub(crate) storage: Storage,
    pub(crate) plugins: Plugins,
    pub(crate) exports: Exports,
    pub(crate) aws: Aws,
    pub(crate) log: Log,
    /// What each plugin may reach, and defaults for its configuration, by the plugin's name.
    pub(crate) plugin: std::collections::BTreeMap<String, PluginSettings>,
    /// Where each secret is and where it may go, by its name.
    pub(crate) secrets: std::collections::BTreeMap<String, Secret>,
    pub(crate) stream: Vec<Stream>,
    pub(crate) producer: Vec<Producer>,
    /// The folder that relative paths start from.
    #[serde(skip)]
    pub(crate) base: PathBuf,
    /// The environment variables that have set something over the file.
    #[serde(skip)]
    pub(crate) variables: Vec<&'static str>,
}

impl Config {
    /// Reads a file. Without one, `millstream.toml` in the current folder is taken if it is there,
    /// and else the defaults.
    ///
    /// # Errors
    ///
    /// [`ConfigProblem`], which names file, line and remedy.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, ConfigProblem> {
        let default = Path::new(DEFAULT_FILE);
        let path = match file {
            Some(path) => path,
            None => default,
        };
        let mut config = if file.is_none() && !default.exists() {
            Self::default()
        } else {
            let text = std::fs::read_to_string(path)
                .map_err(|error| ConfigProblem::unreadable(path, &error))?;
            let mut config = Self::parse(path, &text)?;
            config.base = path.parent().map(Path::to_path_buf).unwrap_or_default();
            config
        };
        environment::apply(&mut config, |name| std::env::var_os(name))?;
        config
            .aws
            .complete(|name| std::env::var(name).ok())
            .map_err(|(name, problem)| ConfigProblem::variable(name, problem))?;
        config
            .check()
            .map_err(|reason| ConfigProblem::invalid(path, reason))?;
        Ok(config)
    }

    /// Whether a text could be the file, without what the environment says.
    ///
    /// # Errors
    ///
    /// [`ConfigProblem`], which names file, line and remedy.
    pub(crate) fn check_text(path: &Path, text: &str) -> Result<(), ConfigProblem> {
        let mut config = Self::parse(path, text)?;
        config.base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        config
            .check()
            .map_err(|reason| ConfigProblem::invalid(path, reason))
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigProblem> {
        toml::from_str(text).map_err(|error| ConfigProblem::toml(path, text, &error))
    }

    /// A path from the file, as the program has to open it.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// The least part of a multipart upload, in bytes. A client cannot ask for less.
    pub(crate) fn least_part(&self) -> u64 {
        let s3 = self.plugin.get(wire_plugins::S3);
        let set = s3.and_then(|s3| s3.config.get("minPartSizeBytes")?.as_u64());
        set.unwrap_or_default().max(sections::LEAST_PART)
    }

    /// The secrets, as the runtime takes them.
    pub(crate) fn secrets(&self) -> millstream_runtime::Secrets {
        secrets::resolve(&self.secrets, &self.base)
    }

    fn check(&self) -> Result<(), String> {
        self.server.check()?;
        self.http.check()?;
        self.exports.check()?;
        self.aws.check()?;
        self.plugins.check()?;
        unique(
            "[[stream]]",
            self.stream.iter().map(|stream| stream.name.as_str()),
        )?;
        unique(
            "[[producer]]",
            self.producer.iter().map(|producer| producer.name.as_str()),
        )?;
        self.stream.iter().try_for_each(Stream::check)?;
        self.check_dead_letters()?;
        let http_is_on = self.http.listen.is_some();
        self.producer
            .iter()
            .try_for_each(|producer| producer.check(http_is_on))?;
        unique(
            "[[producer]] path",
            self.producer.iter().filter_map(|it| it.path.as_deref()),
        )?;
        secrets::check(&self.secrets)?;
        let plugins = self.plugin.iter();
        let plugins = plugins.map(|(name, plugin)| {
            let by_variable = name == wire_plugins::S3 && self.variables.contains(&READ_ONLY_DIRS);
            let section = match by_variable {
                true => format!("[plugin.s3], with what {READ_ONLY_DIRS} says"),
                false => format!("[plugin.{name}]"),
            };
            (section, &plugin.grants)
        });
        let producers = self.producer.iter().map(|producer| {
            let section = format!("[[producer]] \"{}\"", producer.name);
            (section, &producer.grants)
        });
        for (section, grants) in plugins.chain(producers) {
            grants
                .resolve(&self.base)
                .and_then(|resolved| {
                    secrets::check_grants(&resolved, &self.secrets)?;
                    self.check_folders(&resolved)
                })
                .map_err(|reason| format!("{section}: {reason}"))?;
        }
        Ok(())
    }
}

fn unique<'a>(section: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!(
                "{section}: the name \"{name}\" is used twice; each needs its own"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
