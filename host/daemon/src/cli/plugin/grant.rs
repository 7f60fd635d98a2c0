//! `--grant KEY=VALUE`: what a component may reach, as the configuration says it.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use millstream_runtime::{Grants, Wants};
use toml_edit::{Array, InlineTable, Value};

use crate::config::{ComponentGrants, nearest};

/// The keys of `[plugin.NAME.grants]` that hold texts.
const TEXTS: [&str; 9] = [
    "hosts",
    "private-hosts",
    "addresses",
    "private-addresses",
    "aws-services",
    "append",
    "read",
    "secrets",
    "readable-secrets",
];
const FOLDERS: &str = "folders";

/// One thing that is granted.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    key: &'static str,
    value: Value,
}

impl FromStr for Grant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text
            .split_once('=')
            .ok_or("write KEY=VALUE, as in hosts=https://example.com")?;
        if key == FOLDERS {
            return folder(value);
        }
        let mut known = TEXTS.into_iter();
        match known.find(|known| *known == key) {
            Some(key) => Ok(Self::text(key, value)),
            None => Err(unknown(key)),
        }
    }
}

impl Grant {
    fn text(key: &'static str, value: &str) -> Self {
        Self {
            key,
            value: value.into(),
        }
    }

    fn folder(path: &str, guest: &str, write: bool) -> Self {
        let mut folder = InlineTable::new();
        folder.insert("path", path.into());
        folder.insert("as", guest.into());
        if write {
            folder.insert("write", true.into());
        }
        Self {
            key: FOLDERS,
            value: folder.into(),
        }
    }

    /// Everything that a plugin asks for. A folder of the component becomes one of the same name beside
    /// the configuration, for writing; streams may be appended to and read.
    pub(super) fn all_of(wants: &Wants) -> Vec<Self> {
        let texts = |key: &'static str, wanted: &[String]| {
            let granted = wanted.iter().map(|value| Self::text(key, value));
            granted.collect::<Vec<_>>()
        };
        let folders = wants.folders.iter().map(|guest| {
            let path = match guest.trim_matches('/') {
                "" => "files",
                path => path,
            };
            Self::folder(path, guest, true)
        });
        let mut all = texts("hosts", &wants.hosts);
        all.extend(texts("aws-services", &wants.aws_services));
        all.extend(folders);
        all.extend(texts("append", &wants.streams));
        all.extend(texts("read", &wants.streams));
        all
    }
}

fn folder(value: &str) -> Result<Grant, String> {
    let mut parts = value.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(path), Some(guest), write @ (None | Some("write")), None)
            if !path.is_empty() && guest.starts_with('/') =>
        {
            Ok(Grant::folder(path, guest, write.is_some()))
        }
        _ => Err(
            "write folders=PATH:AS, or folders=PATH:AS:write, as in folders=out:/out:write"
                .to_owned(),
        ),
    }
}

fn unknown(key: &str) -> String {
    let known: Vec<_> = TEXTS.into_iter().chain([FOLDERS]).collect();
    match nearest(key, &known) {
        Some(near) => format!("there is no grant \"{key}\"; did you mean \"{near}\"?"),
        None => format!(
            "there is no grant \"{key}\"; there are {}",
            known.join(", ")
        ),
    }
}

/// The grants by their keys, as they stand in a configuration.
pub(super) fn by_key(grants: &[Grant]) -> BTreeMap<&'static str, Array> {
    let mut keys = BTreeMap::<_, Array>::new();
    for grant in grants {
        keys.entry(grant.key).or_default().push(grant.value.clone());
    }
    keys
}

/// The lines of a table of grants.
pub(super) fn lines(grants: &[Grant]) -> Vec<String> {
    let keys = by_key(grants).into_iter();
    keys.map(|(key, values)| format!("{key} = {values}"))
        .collect()
}

/// The grants as the runtime takes them; relative folders start from `base`.
pub(super) fn resolve(grants: &[Grant], base: &Path) -> Result<Grants, String> {
    let text = lines(grants).join("\n");
    let grants: ComponentGrants =
        toml::from_str(&text).map_err(|error| error.message().to_owned())?;
    grants.resolve(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(texts: &[&str]) -> Vec<Grant> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn grants_become_the_lines_of_a_configuration() {
        let grants = grants(&[
            "hosts=https://a.example",
            "folders=out:/out:write",
            "hosts=b.example",
            "folders=in:/in",
        ]);
        assert_eq!(
            lines(&grants),
            [
                "folders = [{ path = \"out\", as = \"/out\", write = true }, { path = \"in\", as = \"/in\" }]",
                "hosts = [\"https://a.example\", \"b.example\"]",
            ]
        );
        let resolved = resolve(&grants, Path::new("/base")).unwrap();
        assert_eq!(resolved.hosts.len(), 2);
        assert_eq!(resolved.folders[0].host, Path::new("/base/out"));
    }

    #[test]
    fn everything_that_is_asked_for_can_be_granted() {
        let wants = Wants {
            hosts: vec!["kinesis.*.amazonaws.com".into()],
            aws_services: vec!["kinesis".into()],
            folders: vec!["/out".into()],
            streams: vec!["status".into()],
        };
        let all = lines(&Grant::all_of(&wants)).join("\n");
        for expected in [
            "hosts = [\"kinesis.*.amazonaws.com\"]",
            "aws-services = [\"kinesis\"]",
            "folders = [{ path = \"out\", as = \"/out\", write = true }]",
            "append = [\"status\"]",
            "read = [\"status\"]",
        ] {
            assert!(all.contains(expected), "{all}");
        }
    }

    #[test]
    fn what_is_no_grant_is_refused_with_what_would_be_one() {
        for (text, expected) in [
            ("hosts", "KEY=VALUE"),
            ("host=a", "did you mean \"hosts\"?"),
            ("folders=out", "folders=PATH:AS"),
            ("folders=out:/out:read", "folders=PATH:AS"),
        ] {
            let problem = text.parse::<Grant>().unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
    }
}
