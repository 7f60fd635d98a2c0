//! Plugins as their authors make them: what `millstream new` writes, built as its reader builds it.
//!
//! Each template becomes the project `LANG-KIND` in `target/languages`, and is built by the command of its own
//! `millstream-plugin.toml`. The component lands in `target/components`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};

use crate::process::{output, say, step};
use crate::toolchains::Toolchains;
use crate::workspace::{components, millstream, target};

const LANGUAGES: [&str; 5] = ["c", "go", "javascript", "python", "rust"];
/// What there is a template for in every language, and what only in some.
const KINDS: [&str; 2] = ["exporter", "producer"];
const MORE: [(&str, &str); 2] = [("python", "transform"), ("rust", "transform")];
const MANIFEST: &str = "millstream-plugin.toml";

/// A project as a template makes it.
struct Project {
    language: &'static str,
    name: String,
    /// Texts by their paths in the project.
    files: BTreeMap<PathBuf, String>,
    manifest: toml::Table,
}

/// Builds every project whose template or contract has changed.
pub(crate) fn build() -> Result<()> {
    let projects = projects()?;
    if projects.iter().all(Project::is_built) {
        return Ok(());
    }
    let toolchains = Toolchains::install()?;
    step("building what `millstream new` writes, in every language");
    std::fs::create_dir_all(components())?;
    // Their tools use one processor each.
    at_once(&projects, |project| match project.is_built() {
        true => Ok(()),
        false => project.build(&toolchains),
    })
}

/// Runs the tests that the projects have of their own.
pub(crate) fn test() -> Result<()> {
    let toolchains = Toolchains::install()?;
    step("tests of the templates");
    for project in projects()? {
        project.run(&project.command("test")?, &toolchains)?;
        say(format!("   {}: its tests passed", project.name));
    }
    Ok(())
}

/// Does something with all projects, the languages at once.
fn at_once(projects: &[Project], work: impl Fn(&Project) -> Result<()> + Sync) -> Result<()> {
    let work = &work;
    std::thread::scope(|scope| {
        let languages: Vec<_> = LANGUAGES
            .iter()
            .map(|language| {
                let mut own = projects.iter().filter(move |it| it.language == *language);
                scope.spawn(move || own.try_for_each(work))
            })
            .collect();
        let outcomes = languages.into_iter().map(|language| {
            let outcome = language.join();
            outcome.unwrap_or_else(|_| Err(anyhow!("the builder of a language crashed")))
        });
        // All of them end before the first error is told.
        outcomes.collect::<Vec<_>>().into_iter().collect()
    })
}

fn projects() -> Result<Vec<Project>> {
    let mut projects = Vec::new();
    for language in LANGUAGES {
        let more = MORE.into_iter().filter(|(of, _)| *of == language);
        for kind in KINDS.into_iter().chain(more.map(|(_, kind)| kind)) {
            projects.push(Project::read(language, kind)?);
        }
    }
    Ok(projects)
}

impl Project {
    /// Lets `millstream new` write the project, beside the one that was built before.
    fn read(language: &'static str, kind: &str) -> Result<Self> {
        let name = format!("{language}-{kind}");
        let new = Self::new_folder(&name);
        let _ = std::fs::remove_dir_all(&new);
        output(
            Command::new(millstream())
                .args(["new", kind, &name, "--lang", language, "--folder"])
                .arg(&new),
        )?;
        let mut files = BTreeMap::new();
        for path in files_in(&new)? {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            files.insert(path.strip_prefix(&new)?.to_owned(), text);
        }
        let manifest = files
            .get(Path::new(MANIFEST))
            .with_context(|| format!("{name} has no {MANIFEST}"))?;
        let manifest = manifest
            .parse()
            .with_context(|| format!("{MANIFEST} of {name}"))?;
        Ok(Self {
            language,
            name,
            files,
            manifest,
        })
    }

    fn new_folder(name: &str) -> PathBuf {
        target().join("languages").join("new").join(name)
    }

    fn folder(&self) -> PathBuf {
        target().join("languages").join(&self.name)
    }

    fn component(&self) -> PathBuf {
        components().join(format!("{}.wasm", self.name))
    }

    /// Remembers of which files the component was made.
    fn stamp(&self) -> PathBuf {
        target()
            .join("languages")
            .join(format!("{}.built", self.name))
    }

    fn is_built(&self) -> bool {
        let made_of = std::fs::read_to_string(self.stamp());
        made_of.is_ok_and(|made_of| made_of == self.text()) && self.component().exists()
    }

    fn text(&self) -> String {
        format!("{:#?}", self.files)
    }

    fn build(&self, toolchains: &Toolchains) -> Result<()> {
        let started = Instant::now();
        let folder = self.folder();
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::rename(Self::new_folder(&self.name), &folder)
            .with_context(|| format!("cannot write {}", folder.display()))?;
        toolchains.furnish(self.language, &folder)?;
        for command in self.setup() {
            self.run(&command, toolchains)?;
        }
        self.run(&self.command("build")?, toolchains)?;
        let built = folder.join(self.build_text("output")?);
        std::fs::copy(&built, self.component())
            .with_context(|| format!("cannot copy {}", built.display()))?;
        std::fs::write(self.stamp(), self.text())?;
        let seconds = started.elapsed().as_secs_f64();
        say(format!("   {}.wasm in {seconds:.1} s", self.name));
        Ok(())
    }

    /// The steps of `setup` that use the tool; those before them install it.
    fn setup(&self) -> Vec<Vec<String>> {
        let steps = self
            .manifest
            .get("build")
            .and_then(|build| build.get("setup")?.as_array());
        let steps = steps.into_iter().flatten().map(words);
        let tool = self.build_text("tool").unwrap_or_default();
        steps
            .filter(|step| step.first().is_some_and(|program| *program == tool))
            .collect()
    }

    fn build_text(&self, key: &str) -> Result<&str> {
        let text = self
            .manifest
            .get("build")
            .and_then(|build| build.get(key)?.as_str());
        text.with_context(|| format!("{MANIFEST} of {} has no build.{key}", self.name))
    }

    fn command(&self, section: &str) -> Result<Vec<String>> {
        let command = self
            .manifest
            .get(section)
            .and_then(|section| section.get("command"));
        let command = command
            .with_context(|| format!("{MANIFEST} of {} has no {section}.command", self.name))?;
        Ok(words(command))
    }

    /// Runs a command of the project; what it prints is shown only if it fails.
    fn run(&self, command: &[String], toolchains: &Toolchains) -> Result<()> {
        let (program, args) = command.split_first().context("a command is empty")?;
        output(
            Command::new("/usr/bin/env")
                .arg(program)
                .args(args)
                .current_dir(self.folder())
                .envs(toolchains.environment()?)
                // What is built lands in the project.
                .env_remove("CARGO_TARGET_DIR"),
        )
        .with_context(|| self.name.clone())?;
        Ok(())
    }
}

fn words(list: &toml::Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|word| Some(word.as_str()?.to_owned()))
        .collect()
}

/// All files below a folder.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files_in(&path)?),
            false => found.push(path),
        }
    }
    Ok(found)
}
