//! `millstream plugin build`

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use clap::Args;
use serde::Deserialize;

use super::{Failed, inspect, kind, output};
use crate::cli::new::Kind;
use crate::plugins::Plugins;
use crate::replace::replace;

/// The file that says how a project is built.
pub(in crate::cli) const PROJECT: &str = "millstream-plugin.toml";
/// Where languages keep the tools of one project.
const OWN_TOOLS: [&str; 2] = ["node_modules/.bin", ".venv/bin"];
/// Remembers that the project was set up, and how.
const SET_UP: &str = ".millstream/setup";

/// Build the project in this folder with its language's own tool
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Build {
    /// The folder of the project
    #[arg(default_value = ".")]
    folder: PathBuf,
}

const AFTER_HELP: &str = "\
What is run stands in the project's millstream-plugin.toml: the `command` of
[build], and once before it the commands of `setup`. Tools are looked for in
node_modules/.bin and .venv/bin of the project, and in the PATH. What comes out
becomes NAME.wasm in the project's folder, and is looked at: it has to be a
component of this program's contract. The project's own tests are not run; the
end of the output says how.";

/// `millstream-plugin.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Project {
    pub(in crate::cli) kind: Kind,
    /// The language, for people.
    pub(in crate::cli) lang: String,
    /// The plugin's name: what is built is NAME.wasm.
    pub(in crate::cli) name: String,
    build: Steps,
    #[serde(default)]
    test: Option<Tests>,
}

/// `[build]`. A command is a list: the program, and its arguments.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Steps {
    command: Vec<String>,
    /// The tool that has to be there.
    tool: String,
    /// The file that the command writes.
    output: PathBuf,
    /// How to get the tool, in a sentence.
    missing: String,
    /// Commands that are run once, before.
    #[serde(default)]
    setup: Vec<Vec<String>>,
}

/// `[test]`: what tests the project without a host.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tests {
    command: Vec<String>,
    /// What `millstream plugin test` needs behind the file, as one types it.
    #[serde(default)]
    kit: String,
}

impl Project {
    /// Reads the text of `millstream-plugin.toml`.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        let project: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let commands = project.build.setup.iter().chain([&project.build.command]);
        if commands.into_iter().any(Vec::is_empty) {
            return Err("a command has to name a program".into());
        }
        Ok(project)
    }

    /// The command that tests what was built.
    pub(in crate::cli) fn test_command(&self) -> String {
        let kit = self.test.as_ref().map_or("", |test| &test.kit);
        let command = format!("millstream plugin test {}.wasm {kit}", self.name);
        command.trim_end().to_owned()
    }
}

impl Build {
    pub(super) async fn run(&self, plugins: &Plugins) -> Result<(), Failed> {
        let folder = std::fs::canonicalize(&self.folder)
            .map_err(|error| format!("the folder {}: {error}", self.folder.display()))?;
        let file = folder.join(PROJECT);
        let text = std::fs::read_to_string(&file).map_err(|error| {
            format!(
                "{} cannot be read: {error}; `millstream new` writes a project, and the command is run in its \
                 folder",
                file.display()
            )
        })?;
        let project =
            Project::parse(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let workshop = Workshop::of(&folder);
        let started = Instant::now();
        workshop.build(&project).await?;

        let wasm = format!("{}.wasm", project.name);
        let built = folder.join(&project.build.output);
        take(&built, &folder.join(&wasm))?;
        let inspected = plugins.inspect(&folder.join(&wasm)).await;
        let loaded = inspected.map_err(|error| error.to_string())?;
        let (component, described) = (loaded.component, loaded.described);
        if kind(&component) != project.kind.to_string() {
            let reason = format!(
                "{PROJECT} says that {wasm} is to be of the kind {}, and it is of the kind {}",
                project.kind,
                kind(&component)
            );
            return Err(reason.into());
        }
        output::line(format!(
            "built {wasm} in {:.1} s",
            started.elapsed().as_secs_f64()
        ));
        inspect::summary(&component, &described);
        if let Some(tests) = &project.test {
            output::line(format!("its own tests: {}", tests.command.join(" ")));
        }
        output::line(format!("now: {}", project.test_command()));
        Ok(())
    }
}

/// The file where it is wanted; a tool may write it elsewhere.
fn take(built: &Path, wanted: &Path) -> Result<(), String> {
    let bytes = std::fs::read(built).map_err(|error| {
        format!(
            "the tool ended well, but what it was to write cannot be read: {}: {error}; `output` in {PROJECT} \
             says where that is",
            built.display()
        )
    })?;
    if built == wanted {
        return Ok(());
    }
    replace(wanted, &bytes, 0o644)
        .map_err(|error| format!("cannot write {}: {error}", wanted.display()))
}

/// A folder in which commands are run, and where programs are found.
struct Workshop {
    folder: PathBuf,
    /// What `PATH` becomes for the commands.
    path: OsString,
}

impl Workshop {
    fn of(folder: &Path) -> Self {
        let own = OWN_TOOLS.iter().map(|tools| folder.join(tools));
        let usual = std::env::var_os("PATH").unwrap_or_default();
        let usual: Vec<_> = std::env::split_paths(&usual).collect();
        // A folder with a colon in its name cannot stand in it.
        let path = std::env::join_paths(own.chain(usual.iter().cloned()))
            .or_else(|_| std::env::join_paths(usual))
            .unwrap_or_default();
        Self {
            folder: folder.to_owned(),
            path,
        }
    }

    /// The file of a program, if it is there.
    fn find(&self, program: &str) -> Option<PathBuf> {
        let places: Vec<_> = match program.contains('/') {
            true => vec![self.folder.clone()],
            false => std::env::split_paths(&self.path).collect(),
        };
        let mut files = places.into_iter().map(|place| place.join(program));
        files.find(|file| is_program(file))
    }

    async fn build(&self, project: &Project) -> Result<(), String> {
        let steps = &project.build;
        // What was set up before may have been deleted since.
        if !self.is_set_up(steps) || self.find(&steps.tool).is_none() {
            for command in &steps.setup {
                self.run(project, command).await?;
            }
            self.remember_setup(steps)
                .map_err(|error| format!("cannot write {SET_UP}: {error}"))?;
        }
        if self.find(&steps.tool).is_none() {
            return Err(missing(project, &steps.tool));
        }
        self.run(project, &steps.command).await
    }

    async fn run(&self, project: &Project, command: &[String]) -> Result<(), String> {
        let Some((program, args)) = command.split_first() else {
            return Ok(());
        };
        let Some(file) = self.find(program) else {
            return Err(missing(project, program));
        };
        output::line(format!("running {}", command.join(" ")));
        let status = tokio::process::Command::new(&file)
            .args(args)
            .current_dir(&self.folder)
            .env("PATH", &self.path)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .status()
            .await
            .map_err(|error| format!("{} cannot be started: {error}", file.display()))?;
        if status.success() {
            return Ok(());
        }
        Err(format!(
            "{program} failed ({status}); what it said stands above. If something is missing: {}",
            project.build.missing
        ))
    }

    fn is_set_up(&self, steps: &Steps) -> bool {
        steps.setup.is_empty()
            || std::fs::read_to_string(self.folder.join(SET_UP))
                .is_ok_and(|done| done == setup_text(steps))
    }

    fn remember_setup(&self, steps: &Steps) -> std::io::Result<()> {
        if steps.setup.is_empty() {
            return Ok(());
        }
        let file = self.folder.join(SET_UP);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
            std::fs::write(folder.join(".gitignore"), "*\n")?;
        }
        std::fs::write(file, setup_text(steps))
    }
}

fn setup_text(steps: &Steps) -> String {
    let lines = steps.setup.iter().map(|command| command.join(" ") + "\n");
    lines.collect()
}

fn missing(project: &Project, program: &str) -> String {
    format!(
        "{program} is not there, which builds plugins in {}. {}",
        project.lang, project.build.missing
    )
}

fn is_program(file: &Path) -> bool {
    std::fs::metadata(file)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const PROJECT: &str = r#"
kind = "exporter"
lang = "shell"
name = "my-sink"
[build]
command = ["own-tool", "build"]
tool = "own-tool"
output = "out.wasm"
missing = "Install own-tool."
setup = [["sh", "-c", "echo set up >> log; mkdir -p .venv/bin; printf '#!/bin/sh\necho $1 >> log' > .venv/bin/own-tool; chmod +x .venv/bin/own-tool"]]
"#;

    #[tokio::test]
    async fn a_project_is_set_up_once_and_finds_its_own_tools() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::parse(PROJECT).unwrap();
        let workshop = Workshop::of(folder.path());
        workshop.build(&project).await.unwrap();
        workshop.build(&project).await.unwrap();
        let log = || fs::read_to_string(folder.path().join("log")).unwrap();
        assert_eq!(log(), "set up\nbuild\nbuild\n");
        // What was set up is gone: it is set up again.
        fs::remove_dir_all(folder.path().join(".venv")).unwrap();
        workshop.build(&project).await.unwrap();
        assert_eq!(log(), "set up\nbuild\nbuild\nset up\nbuild\n");
    }

    #[tokio::test]
    async fn a_tool_that_is_missing_comes_with_how_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::parse(PROJECT).unwrap();
        project.build.setup.clear();
        let error = Workshop::of(folder.path())
            .build(&project)
            .await
            .unwrap_err();
        assert_eq!(
            error,
            "own-tool is not there, which builds plugins in shell. Install own-tool."
        );
        project.build.command = vec!["sh".into(), "-c".into(), "exit 3".into()];
        project.build.tool = "sh".into();
        let error = Workshop::of(folder.path())
            .build(&project)
            .await
            .unwrap_err();
        assert!(
            error.contains("sh failed") && error.contains("Install own-tool."),
            "{error}"
        );
    }

    #[test]
    fn a_project_without_a_command_or_with_an_unknown_key_is_refused() {
        let without = PROJECT.replace(r#"["own-tool", "build"]"#, "[]");
        assert!(Project::parse(&without).unwrap_err().contains("a program"));
        let unknown = PROJECT.replace("missing =", "mising =");
        assert!(Project::parse(&unknown).unwrap_err().contains("mising"));
    }
}
