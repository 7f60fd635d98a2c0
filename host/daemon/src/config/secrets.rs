//! `[secrets.NAME]`: where each secret is, and where it may go. The secret itself never stands in the
//! file: there is no key for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use millstream_runtime as runtime;
use millstream_runtime::{HostGrant, Scheme, SecretName, SecretSource};
use serde::Deserialize;

use super::nearest;

/// One secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Keys")]
pub(crate) struct Secret {
    /// A path is still relative to the configuration.
    source: SecretSource,
    hosts: Vec<HostGrant>,
}

impl Secret {
    /// Where it is read from, relative to the configuration; none if that is no file.
    pub(super) fn file(&self) -> Option<&Path> {
        match &self.source {
            SecretSource::File(path) => Some(path),
            SecretSource::Variable(_) => None,
        }
    }
}

/// The keys as they stand in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    file: Option<PathBuf>,
    env: Option<String>,
    #[serde(default)]
    hosts: Vec<String>,
}

impl TryFrom<Keys> for Secret {
    type Error = String;

    fn try_from(keys: Keys) -> Result<Self, String> {
        let source = match (keys.file, keys.env) {
            (Some(file), None) => SecretSource::File(file),
            (None, Some(variable)) => SecretSource::Variable(variable),
            (None, None) => {
                return Err("a secret needs `file` or `env`, which say where it is".into());
            }
            (Some(_), Some(_)) => {
                return Err("a secret has `file` or `env`, not both".into());
            }
        };
        let hosts = keys.hosts.iter().map(|text| {
            let host: HostGrant = text
                .parse()
                .map_err(|error: runtime::InvalidGrant| error.to_string())?;
            // In the clear only if that was asked for.
            let scheme = host.scheme.or(Some(Scheme::Https));
            Ok::<_, String>(HostGrant { scheme, ..host })
        });
        Ok(Self {
            source,
            hosts: hosts.collect::<Result<_, _>>()?,
        })
    }
}

/// Checks the names.
pub(super) fn check(secrets: &BTreeMap<String, Secret>) -> Result<(), String> {
    for name in secrets.keys() {
        name.parse::<SecretName>()
            .map_err(|error| format!("[secrets.{name}]: {error}"))?;
    }
    Ok(())
}

/// Checks that the secrets of grants are there, and that none is both bound to hosts and readable.
pub(super) fn check_grants(
    grants: &runtime::Grants,
    secrets: &BTreeMap<String, Secret>,
) -> Result<(), String> {
    let find = |name: &SecretName| {
        let name = name.to_string();
        secrets.get(&name).ok_or_else(|| {
            let known: Vec<_> = secrets.keys().map(String::as_str).collect();
            match nearest(&name, &known) {
                Some(near) => format!("there is no secret \"{name}\"; did you mean \"{near}\"?"),
                None => format!("there is no secret \"{name}\"; declare it in [secrets.{name}]"),
            }
        })
    };
    for name in &grants.secrets {
        if find(name)?.hosts.is_empty() {
            return Err(format!(
                "the secret \"{name}\" may be sent nowhere; say in [secrets.{name}] hosts where to"
            ));
        }
    }
    for name in &grants.readable_secrets {
        if !find(name)?.hosts.is_empty() {
            return Err(format!(
                "readable-secrets: a component that reads \"{name}\" could send it anywhere, so the \
                 hosts in [secrets.{name}] would mean nothing; grant it under secrets, or remove its \
                 hosts"
            ));
        }
    }
    Ok(())
}

/// The secrets as the runtime takes them; relative files start from `base`.
pub(super) fn resolve(secrets: &BTreeMap<String, Secret>, base: &Path) -> runtime::Secrets {
    secrets
        .iter()
        .filter_map(|(name, secret)| {
            let source = match &secret.source {
                SecretSource::File(path) => SecretSource::File(base.join(path)),
                variable @ SecretSource::Variable(_) => variable.clone(),
            };
            let hosts = secret.hosts.clone();
            // The names were checked when the configuration was loaded.
            Some((name.parse().ok()?, runtime::Secret { source, hosts }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        let path = Path::new("millstream.toml");
        let config = Config::parse(path, text).map_err(|problem| problem.to_string())?;
        config.check().map(|()| config)
    }

    fn granting(secret: &str, grant: &str) -> Result<Config, String> {
        parse(&format!(
            "[secrets.token]\n{secret}\n[plugin.http.grants]\n{grant}"
        ))
    }

    #[test]
    fn a_secret_is_in_one_place_and_never_in_the_file() {
        for (keys, expected) in [
            ("", "needs \"file\" or \"env\""),
            ("file = \"a\"\nenv = \"B\"", "not both"),
            ("value = \"abc\"", "unknown key \"value\""),
            ("file = \"a\"\nhosts = [\"ftp://a\"]", "ftp"),
        ] {
            let error = parse(&format!("[secrets.token]\n{keys}\n")).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let error = parse("[secrets.\"a b\"]\nenv = \"A\"").unwrap_err();
        assert!(error.contains("not the name of a secret"), "{error}");
    }

    #[test]
    fn files_are_found_from_the_configuration_and_hosts_mean_https() {
        let text = "[secrets.token]\nfile = \"token\"\nhosts = [\"a.b\", \"http://c.d:80\"]";
        let mut config = parse(text).unwrap();
        config.base = "/etc/millstream".into();
        let secrets = config.secrets();
        let (_, secret) = secrets.iter().next().unwrap();
        assert_eq!(
            secret.source,
            SecretSource::File("/etc/millstream/token".into())
        );
        let hosts: Vec<_> = secret.hosts.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["https://a.b", "http://c.d:80"]);
    }

    #[test]
    fn a_grant_names_a_secret_that_is_there_and_may_go_somewhere() {
        let hosts = "env = \"T\"\nhosts = [\"a.b\"]";
        granting(hosts, "secrets = [\"token\"]").unwrap();
        granting("env = \"T\"", "readable-secrets = [\"token\"]").unwrap();
        for (secret, grant, expected) in [
            (hosts, "secrets = [\"tokn\"]", "did you mean \"token\"?"),
            (
                hosts,
                "readable-secrets = [\"x\"]",
                "declare it in [secrets.x]",
            ),
            (
                "env = \"T\"",
                "secrets = [\"token\"]",
                "may be sent nowhere",
            ),
            (
                hosts,
                "readable-secrets = [\"token\"]",
                "would mean nothing",
            ),
        ] {
            let error = granting(secret, grant).unwrap_err();
            assert!(
                error.starts_with("[plugin.http]: ") && error.contains(expected),
                "{error}"
            );
        }
        let producer =
            "[[producer]]\nname = \"p\"\ncomponent = \"c\"\n[producer.grants]\nsecrets = [\"x\"]";
        let error = parse(producer).unwrap_err();
        assert!(error.starts_with("[[producer]] \"p\": "), "{error}");
    }
}
