//! What belongs to the host itself, and is granted to no component.
//!
//! Who may write there could forge what the host runs or grants itself more; who may read there could
//! find secrets. A grant that merely contains such a place opens it too, as does one that lies in it.

use std::path::{Component, Path, PathBuf};

use millstream_runtime::Grants;

use super::{Config, DEFAULT_FILE};

impl Config {
    /// Whether every folder of the grants is free of what is the host's own.
    ///
    /// # Errors
    ///
    /// A sentence that names the folder and the place that it would open.
    pub(crate) fn check_folders(&self, grants: &Grants) -> Result<(), String> {
        if grants.folders.is_empty() {
            return Ok(());
        }
        let own = self.own_places();
        for folder in &grants.folders {
            let granted = destination(&folder.host);
            for (what, written) in &own {
                let place = destination(written);
                let relation = if granted == place {
                    "is"
                // Who may write where a link to it lies can make it lead elsewhere.
                } else if place.starts_with(&granted) || link(written).starts_with(&granted) {
                    "contains"
                } else if granted.starts_with(&place) {
                    "lies in"
                } else {
                    continue;
                };
                return Err(format!(
                    "folders: {} {relation} {what} ({}), which is the host's own and open to no component; \
                     grant a folder beside it",
                    folder.host.display(),
                    place.display()
                ));
            }
        }
        Ok(())
    }

    /// Each with what it is called.
    fn own_places(&self) -> Vec<(String, PathBuf)> {
        let mut places = vec![
            (
                "the data folder".to_owned(),
                self.path(&self.storage.folder),
            ),
            (
                "the plugins folder".to_owned(),
                self.path(&self.plugins.folder),
            ),
            // Whatever its name is, it lies there.
            (
                "the configuration".to_owned(),
                self.path(Path::new(DEFAULT_FILE)),
            ),
            (
                "the list of clients".to_owned(),
                self.path(&self.server.clients),
            ),
        ];
        if let Some(cache) = &self.plugins.cache {
            places.push(("the cache of native code".to_owned(), self.path(cache)));
        }
        let secrets = self.secrets.iter();
        places.extend(secrets.filter_map(|(name, secret)| {
            let file = self.path(secret.file()?);
            Some((format!("the file of the secret \"{name}\""), file))
        }));
        let of_plugins = self.plugin.values().map(|plugin| &plugin.grants);
        let of_producers = self.producer.iter().map(|producer| &producer.grants);
        let identities = of_plugins
            .chain(of_producers)
            .flat_map(|grants| &grants.tls_identities);
        let of_device = self.aws.iot_credentials.as_ref();
        let keys = identities
            .map(|identity| &identity.private_key)
            .chain(of_device.map(|device| &device.private_key));
        places.extend(keys.map(|key| ("a private key".to_owned(), self.path(key))));
        places
    }
}

/// Where the name of a place lies, wherever it leads.
fn link(path: &Path) -> PathBuf {
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => destination(folder).join(name),
        _ => destination(path),
    }
}

/// Where a path leads: links are followed as far as it is there, and the rest is taken as it is written.
fn destination(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for ancestor in absolute.ancestors() {
        let (Ok(mut found), Ok(rest)) = (ancestor.canonicalize(), absolute.strip_prefix(ancestor))
        else {
            continue;
        };
        for part in rest.components() {
            match part {
                Component::ParentDir => {
                    found.pop();
                }
                Component::Normal(name) => found.push(name),
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        return found;
    }
    absolute
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(folder: &Path, text: &str) -> Result<(), String> {
        let checked = Config::check_text(&folder.join(DEFAULT_FILE), text);
        checked.map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_folder_of_the_host_is_granted_to_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path();
        std::fs::create_dir(base.join("millstream-data")).unwrap();
        std::fs::create_dir(base.join("out")).unwrap();
        std::fs::create_dir(base.join("native")).unwrap();
        std::os::unix::fs::symlink("../millstream-data", base.join("out/link")).unwrap();
        std::fs::create_dir(base.join("data")).unwrap();
        std::os::unix::fs::symlink("../native", base.join("data/cache")).unwrap();
        let settings = "[plugins]\nfolder = \"code/plugins\"\ncache = \"data/cache\"\n[secrets.token]\nfile = \
                        \"secrets/token\"\n";
        let whole = base.to_str().unwrap();
        for (path, said) in [
            ("millstream-data", "is the data folder"),
            ("not-there/../millstream-data/", "is the data folder"),
            ("millstream-data/streams/new", "lies in the data folder"),
            ("out/link", "is the data folder"),
            ("out/link/streams", "lies in the data folder"),
            (".", "contains the data folder"),
            (whole, "contains the data folder"),
            ("/", "contains the data folder"),
            ("code", "contains the plugins folder"),
            ("code/plugins", "is the plugins folder"),
            ("native/1", "lies in the cache of native code"),
            ("secrets", "contains the file of the secret \"token\""),
            ("data", "contains the cache of native code"),
        ] {
            for grants in [
                "[plugin.p.grants]",
                "[[producer]]\nname = \"p\"\ncomponent = \"c\"\n[producer.grants]",
            ] {
                for write in [true, false] {
                    let text = format!(
                        "{settings}{grants}\nfolders = [{{ path = {path:?}, as = \"/x\", write = {write} }}]"
                    );
                    let problem = check(base, &text).unwrap_err();
                    assert!(
                        problem.contains(said) && problem.contains("\"p\"")
                            || problem.contains(said) && problem.contains("[plugin.p]"),
                        "{path}: {problem}"
                    );
                }
            }
        }
        for path in ["out", "millstream-data-2", "code/other", "../elsewhere"] {
            let text = format!(
                "{settings}[plugin.p.grants]\nfolders = [{{ path = {path:?}, as = \"/x\" }}]"
            );
            check(base, &text).unwrap();
        }
        let elsewhere = "[storage]\nfolder = \"/var/lib/millstream\"\n[plugins]\nfolder = \
                         \"/usr/lib/millstream\"\n[plugin.p.grants]\nfolders = [{ path = \".\", as = \"/x\" }]";
        let problem = check(base, elsewhere).unwrap_err();
        assert!(problem.contains("contains the configuration"), "{problem}");
        for settings in [
            "[server]\nclients = \"private/clients.toml\"\n",
            "[aws.iot-credentials]\nendpoint = \"c.credentials.iot.eu-central-1.amazonaws.com\"\nrole-alias \
             = \"a\"\ncertificate = \"c\"\nprivate-key = \"private/key\"\n",
            "[[plugin.other.grants.tls-identities]]\nservers = [\"a.example\"]\ncertificate = \"c\"\nprivate-key = \
             \"private/key\"\n",
        ] {
            let text = format!(
                "{settings}[plugin.p.grants]\nfolders = [{{ path = \"private\", as = \"/x\" }}]"
            );
            let problem = check(base, &text).unwrap_err();
            assert!(problem.contains("private contains"), "{problem}");
        }
    }
}
