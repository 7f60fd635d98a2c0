//! The environment variables of the Greengrass component, with its names, units and meanings
//! (specification 6.7). What they say goes before the file.
//!
//! An empty variable counts as not set. Two are without effect here and are accepted: `JVM_ARGS`,
//! since there is no JVM, and the older name of the thread pool's size, if the newer one is set too.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use millstream_runtime::Bandwidth;
use serde_json::json;

use super::sections::{FolderGrant, LEAST_PART};
use super::units::{Rate, Span};
use super::{Authentication, Config, ConfigProblem, LogLevel, wire_plugins};

const STORE_ROOT_DIR: &str = "STREAM_MANAGER_STORE_ROOT_DIR";
const SERVER_PORT: &str = "STREAM_MANAGER_SERVER_PORT";
const AUTHENTICATE_CLIENT: &str = "STREAM_MANAGER_AUTHENTICATE_CLIENT";
const MAX_BANDWIDTH: &str = "STREAM_MANAGER_EXPORTER_MAX_BANDWIDTH";
const THREAD_POOL_SIZE: &str = "STREAM_MANAGER_EXPORTER_THREAD_POOL_SIZE";
const OLD_THREAD_POOL_SIZE: &str = "STREAM_MANAGER_THREAD_POOL_SIZE";
const MIN_PART_SIZE: &str =
    "STREAM_MANAGER_EXPORTER_S3_DESTINATION_MULTIPART_UPLOAD_MIN_PART_SIZE_BYTES";
const KINESIS_DELAY: &str = "STREAM_MANAGER_EXPORTER_KINESIS_INTER_CALL_DELAY_MS";
const LOG_LEVEL: &str = "LOG_LEVEL";
const JVM_ARGS: &str = "JVM_ARGS";
const STARTUP_TIMEOUT: &str = "startupTimeoutSeconds";
pub(super) const READ_ONLY_DIRS: &str = "STREAM_MANAGER_READ_ONLY_DIRS";

/// Sets what the variables say.
///
/// # Errors
///
/// [`ConfigProblem`], which names the variable and what it may be.
pub(super) fn apply(
    config: &mut Config,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<(), ConfigProblem> {
    let read = |name: &'static str| -> Result<Option<String>, ConfigProblem> {
        let Some(value) = variable(name).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let text = value.into_string();
        text.map(|text| Some(text.trim().to_owned()))
            .map_err(|_| ConfigProblem::variable(name, "it is not text"))
    };
    let mut used = Vec::new();
    let mut found = |name| -> Result<Option<String>, ConfigProblem> {
        let text = read(name)?;
        if text.is_some() {
            used.push(name);
        }
        Ok(text)
    };

    if let Some(folder) = found(STORE_ROOT_DIR)? {
        config.storage.folder = store_folder(&folder)
            .map_err(|reason| ConfigProblem::variable(STORE_ROOT_DIR, reason))?;
    }
    if let Some(port) = found(SERVER_PORT)? {
        let port = number(SERVER_PORT, &port, "a port, 0 to 65535")?;
        config.server.listen.set_port(port);
    }
    if let Some(wanted) = found(AUTHENTICATE_CLIENT)? {
        config.server.authentication = match wanted.to_ascii_lowercase().as_str() {
            "true" => Authentication::Tokens,
            "false" => Authentication::Off,
            _ => {
                let reason = format!("\"{wanted}\" is neither true nor false");
                return Err(ConfigProblem::variable(AUTHENTICATE_CLIENT, reason));
            }
        };
    }
    if let Some(kilobits) = found(MAX_BANDWIDTH)? {
        let kilobits = number(MAX_BANDWIDTH, &kilobits, "kilobits a second, 1 or more")?;
        config.exports.max_bandwidth = Some(Rate(Bandwidth::from_kilobits(kilobits)));
    }
    let old_size = found(OLD_THREAD_POOL_SIZE)?.map(|size| (OLD_THREAD_POOL_SIZE, size));
    let size = found(THREAD_POOL_SIZE)?.map(|size| (THREAD_POOL_SIZE, size));
    if let Some((name, size)) = size.or(old_size) {
        config.exports.parallel = number(name, &size, "a number of threads, 1 or more")?;
    }
    if let Some(bytes) = found(MIN_PART_SIZE)? {
        let bytes: u64 = number(MIN_PART_SIZE, &bytes, "a number of bytes")?;
        if bytes < LEAST_PART {
            let reason = format!("{bytes} is less than the least, {LEAST_PART} bytes");
            return Err(ConfigProblem::variable(MIN_PART_SIZE, reason));
        }
        let s3 = config.plugin.entry(wire_plugins::S3.into()).or_default();
        s3.config.insert("minPartSizeBytes".into(), json!(bytes));
    }
    if let Some(millis) = found(KINESIS_DELAY)? {
        let millis = number(KINESIS_DELAY, &millis, "a number of milliseconds")?;
        let kinesis = config
            .plugin
            .entry(wire_plugins::KINESIS.into())
            .or_default();
        kinesis.call_interval = Some(Span::millis(millis));
    }
    if let Some(level) = found(LOG_LEVEL)? {
        config.log.level = log_level(&level)?;
    }
    if let Some(seconds) = found(STARTUP_TIMEOUT)? {
        let seconds = number(STARTUP_TIMEOUT, &seconds, "a number of seconds")?;
        config.storage.startup_timeout = Some(Span::seconds(seconds));
    }
    if let Some(folders) = found(READ_ONLY_DIRS)? {
        let s3 = config.plugin.entry(wire_plugins::S3.into()).or_default();
        for folder in folders
            .split(',')
            .map(str::trim)
            .filter(|folder| !folder.is_empty())
        {
            if !Path::new(folder).is_absolute() {
                let reason = format!("\"{folder}\" is not an absolute path");
                return Err(ConfigProblem::variable(READ_ONLY_DIRS, reason));
            }
            s3.grants.folders.push(FolderGrant {
                path: folder.into(),
                guest: folder.to_owned(),
                write: false,
            });
        }
    }
    found(JVM_ARGS)?;
    config.variables = used;
    Ok(())
}

fn number<T: FromStr>(
    name: &'static str,
    text: &str,
    meaning: impl Display,
) -> Result<T, ConfigProblem> {
    text.parse()
        .map_err(|_| ConfigProblem::variable(name, format!("\"{text}\" is not {meaning}")))
}

/// The folder has to be there: one that is made by mistake would start without the streams.
fn store_folder(text: &str) -> Result<PathBuf, String> {
    let folder = PathBuf::from(text);
    if !folder.is_absolute() {
        return Err(format!("\"{text}\" is not an absolute path"));
    }
    if !folder.is_dir() {
        return Err(format!(
            "{text} is not a folder; make it, and let this user read and write it"
        ));
    }
    Ok(folder)
}

fn log_level(text: &str) -> Result<LogLevel, ConfigProblem> {
    Ok(match text.to_ascii_uppercase().as_str() {
        "TRACE" => LogLevel::Trace,
        "DEBUG" => LogLevel::Debug,
        "INFO" => LogLevel::Info,
        "WARN" => LogLevel::Warn,
        "ERROR" => LogLevel::Error,
        _ => {
            let reason = format!("\"{text}\" is none of TRACE, DEBUG, INFO, WARN and ERROR");
            return Err(ConfigProblem::variable(LOG_LEVEL, reason));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Config, String> {
        let mut config = Config::default();
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(found.1.into())
        };
        apply(&mut config, variable)
            .map(|()| config)
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn every_variable_of_the_component_sets_what_it_is_named_for() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let config = with(&[
            (STORE_ROOT_DIR, root),
            (SERVER_PORT, "18088"),
            (AUTHENTICATE_CLIENT, "TRUE"),
            (MAX_BANDWIDTH, "512"),
            (THREAD_POOL_SIZE, "7"),
            (OLD_THREAD_POOL_SIZE, "3"),
            (MIN_PART_SIZE, "6000000"),
            (KINESIS_DELAY, "0"),
            (LOG_LEVEL, "DEBUG"),
            (JVM_ARGS, "-Xmx64m"),
            (STARTUP_TIMEOUT, "90"),
            (READ_ONLY_DIRS, "/var/in, /srv/in"),
        ])
        .unwrap();
        assert_eq!(config.storage.folder, folder.path());
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:18088");
        assert_eq!(config.server.authentication, Authentication::Tokens);
        let bandwidth = config.exports.max_bandwidth.unwrap().0;
        assert_eq!(bandwidth.kilobits().get(), 512);
        assert_eq!(config.exports.parallel, 7);
        assert_eq!(config.plugin["s3"].config["minPartSizeBytes"], 6_000_000);
        assert_eq!(
            config.plugin["kinesis"].call_interval,
            Some(Span::millis(0))
        );
        assert!(matches!(config.log.level, LogLevel::Debug));
        assert_eq!(config.storage.startup_timeout, Some(Span::seconds(90)));
        let folders = &config.plugin["s3"].grants.folders;
        assert_eq!(folders[1].path, Path::new("/srv/in"));
        assert_eq!(config.variables.len(), 12);
    }

    #[test]
    fn what_is_not_set_or_empty_changes_nothing() {
        let config = with(&[(SERVER_PORT, ""), (JVM_ARGS, "")]).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn a_value_that_cannot_be_used_is_refused_with_the_variable_and_what_it_may_be() {
        for (name, value, expected) in [
            (STORE_ROOT_DIR, "relative", "not an absolute path"),
            (STORE_ROOT_DIR, "/no/such/folder", "is not a folder"),
            (SERVER_PORT, "70000", "0 to 65535"),
            (AUTHENTICATE_CLIENT, "perhaps", "true nor false"),
            (MAX_BANDWIDTH, "0", "kilobits a second"),
            (THREAD_POOL_SIZE, "many", "threads"),
            (OLD_THREAD_POOL_SIZE, "-1", "threads"),
            (MIN_PART_SIZE, "1000", "5242880"),
            (KINESIS_DELAY, "1s", "milliseconds"),
            (LOG_LEVEL, "LOUD", "TRACE"),
            (STARTUP_TIMEOUT, "soon", "seconds"),
            (READ_ONLY_DIRS, "/ok,in", "absolute"),
        ] {
            let error = with(&[(name, value)]).unwrap_err();
            assert!(error.contains(name) && error.contains(expected), "{error}");
        }
    }
}
