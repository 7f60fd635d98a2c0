//! `millstream plugin add`

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use millstream_runtime::{Component, ComponentKind, Description};
use sha2::{Digest, Sha256};

use super::build::PROJECT;
use super::grant::{self, Grant};
use super::{Failed, inspect, output};
use crate::config::{self, Config, Edit};
use crate::plugins::Plugins;
use crate::replace::replace;

/// Put a plugin into the plugins folder, and grant it what it asks for
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Add {
    /// The file
    file: PathBuf,
    /// Grant it everything that it asks for, without asking
    #[arg(long, conflicts_with = "grant")]
    yes: bool,
    /// Grant it this and nothing else, without asking; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    grant: Vec<Grant>,
    /// The name by which the configuration speaks of it [default: the file's, without .wasm]
    #[arg(long)]
    name: Option<String>,
}

const AFTER_HELP: &str = "\
A plugin reaches only what the configuration grants it. This command shows what
it asks for, asks whether that is granted, copies the file into the plugins
folder, and writes [plugin.NAME.grants], or the [[producer]], into
millstream.toml, where the rest stays as it is. Where nobody can be asked, say
it on the command line:
  millstream plugin add my-sink.wasm --grant hosts=https://ingest.example.com
  millstream plugin add my-files.wasm --grant folders=out:/out:write
  millstream plugin add my-readings.wasm --grant append=readings
  millstream plugin add my-means.wasm --yes

Run it in the folder of the host's millstream.toml, or name that file with
--config. Where there is none it is made, but not in the folder of a project
that `millstream new` wrote: no host would read it there.

KEY is hosts, private-hosts, addresses, private-addresses, aws-services,
folders, append, read, secrets or readable-secrets. Grants that are there
already stay. A host that runs reads them when it is started again.";

impl Add {
    /// `file` is the configuration's, if the command line names one.
    pub(super) async fn run(
        &self,
        plugins: &Plugins,
        config: &Config,
        file: Option<&Path>,
    ) -> Result<(), Failed> {
        let file = changed_file(file)?;
        let inspected = plugins.inspect(&self.file).await;
        let loaded = inspected.map_err(|error| error.to_string())?;
        let (component, described) = (loaded.component, loaded.described);
        let name = self.name.as_deref().unwrap_or(component.name());
        let target = plugins.path(name)?;
        inspect::summary(&component, &described);

        let grants = self.grants(described.exporter());
        let mut edit = Edit::of(file)?;
        match component.kind() {
            ComponentKind::Exporter | ComponentKind::Transform => {
                edit.grant(name, &grant::by_key(&grants))?
            }
            ComponentKind::Producer | ComponentKind::Webhook => {
                edit.add_producer(name, &grant::by_key(&grants))?
            }
        }
        edit.check()?;
        // The data folder may be another one by the environment, of which the text says nothing.
        config.check_folders(&grant::resolve(&grants, &config.base)?)?;
        self.announce(&component, &target, &edit, &grants);
        self.consent()?;

        make_folders(&grants, config)?;
        copy(&component, &target)?;
        edit.save()?;
        output::line(format!("added {name}"));
        Ok(())
    }

    /// What is to be granted: what was said, or everything that is asked for.
    fn grants(&self, description: Option<&Description>) -> Vec<Grant> {
        match description {
            Some(description) if self.grant.is_empty() => Grant::all_of(&description.wants),
            _ => self.grant.clone(),
        }
    }

    fn announce(&self, component: &Component, target: &Path, edit: &Edit, grants: &[Grant]) {
        let replaced = match target.exists() {
            true => ", in the place of the one that is there",
            false => "",
        };
        output::line(format!("copied to   {}{replaced}", target.display()));
        if !edit.path().exists() {
            output::line(format!(
                "makes       {}, which a host reads that is started in this folder",
                edit.path().display()
            ));
        }
        if component.kind() == ComponentKind::Producer {
            output::line(format!(
                "runs as     [[producer]] in {}, where its `args` belong; one that is there stays, with these grants too; its standard \
                 output goes to the log, or to the stream that you name there as `stdout`",
                edit.path().display()
            ));
        }
        let lines = grant::lines(grants);
        if lines.is_empty() {
            output::line(match target.exists() {
                true => "granted     nothing new",
                false => "granted     nothing",
            });
        }
        for line in lines {
            output::line(format!("granted     {line}"));
        }
    }

    fn consent(&self) -> Result<(), String> {
        if self.yes || !self.grant.is_empty() {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(
                "nothing was added: nobody can be asked here. Give --yes to grant what it asks for, or \
                 --grant for what it may reach"
                    .into(),
            );
        }
        output::question("Add it, with these grants? [y/N] ");
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        let consents = matches!(answer.trim(), "y" | "Y" | "yes");
        match read {
            Ok(_) if consents => Ok(()),
            Ok(_) => Err("nothing was added".into()),
            Err(error) => Err(format!("nothing was added: {error}")),
        }
    }
}

/// The configuration that is changed: the one that the command line names, or else that of this folder, which
/// need not be there yet.
///
/// # Errors
///
/// A sentence, where an author works: a configuration that is made there would be one that no host reads.
fn changed_file(named: Option<&Path>) -> Result<&Path, String> {
    let of_folder = Path::new(config::DEFAULT_FILE);
    match named {
        Some(file) => Ok(file),
        None if Path::new(PROJECT).is_file() && !of_folder.exists() => Err(format!(
            "nothing was added: this is the folder of a plugin's project and has no {}, so no host would take \
             the plugin from here; run the command in the host's folder with the path of the file, or name the \
             host's configuration with --config FILE; `millstream init` writes one where there is no host yet",
            of_folder.display()
        )),
        None => Ok(of_folder),
    }
}

/// A folder that is granted has to be there.
fn make_folders(grants: &[Grant], config: &Config) -> Result<(), String> {
    for folder in grant::resolve(grants, &config.base)?.folders {
        std::fs::create_dir_all(&folder.host).map_err(|error| {
            format!(
                "the folder {} cannot be made: {error}",
                folder.host.display()
            )
        })?;
    }
    Ok(())
}

/// Copies what was looked at: the file may have been replaced since.
fn copy(component: &Component, target: &Path) -> Result<(), String> {
    let path = component.path();
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let sha256 = Sha256::digest(&bytes);
    let sha256: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    if sha256 != component.sha256() {
        return Err(format!(
            "nothing was added: {} has changed while it was looked at",
            path.display()
        ));
    }
    let unwritable = |error| format!("cannot write {}: {error}", target.display());
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).map_err(unwritable)?;
    }
    replace(target, &bytes, 0o644).map_err(unwritable)
}
