//! `millstream new`

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use millstream_runtime::CONTRACT_VERSION;
use serde::Deserialize;

use super::plugin::{PROJECT, Project};
use super::{Failed, output};

/// What `build.rs` embeds, each file with its path within its folder.
mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

/// Write a small project that becomes a plugin
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct New {
    /// What it becomes
    kind: Kind,
    /// Its name, such as my-sink: lower-case letters, digits and hyphens
    name: ProjectName,
    /// The language it is written in
    #[arg(long)]
    lang: Lang,
    /// The folder to write to, which must not be there yet [default: its name]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
A plugin is a WebAssembly component. From nothing to one that runs:
  millstream new exporter my-sink --lang python
  cd my-sink
  millstream plugin build               run the language's own tool
  millstream plugin test my-sink.wasm   see whether it keeps the contract
  cd ..                                 to where the host's millstream.toml is
  millstream plugin add my-sink/my-sink.wasm --grant hosts=http://127.0.0.1:8090

Exporters and producers can be written in each language. For transforms there
are templates in Rust and Python; in the others, wit/transform.wit of any
project is the contract to write one from.

The project's README says what its files are. The contract is in wit/, with
the packages of WASI that a plugin may take: whatever tool reads WIT can build
it, without this program.";

/// What a project becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// It carries messages to a destination
    Exporter,
    /// It makes messages
    Producer,
    /// It changes messages on their way to an exporter
    Transform,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exporter => "exporter",
            Self::Producer => "producer",
            Self::Transform => "transform",
        })
    }
}

/// A language that there are templates for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lang {
    Rust,
    Python,
    Javascript,
    C,
    Go,
}

impl Lang {
    /// The name of its folder of templates.
    fn folder(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Javascript => "javascript",
            Self::C => "c",
            Self::Go => "go",
        }
    }
}

/// A name that can be that of a plugin and of a package in every language.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ProjectName(String);

impl FromStr for ProjectName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let words = text.split('-');
        let starts_well = |word: &str| word.starts_with(|first: char| first.is_ascii_lowercase());
        if text.len() > 64 || !text.bytes().all(plain) || !words.clone().all(starts_well) {
            return Err(
                "a name has 1 to 64 lower-case letters, digits and hyphens, and each of its words begins \
                 with a letter, as in my-sink"
                    .into(),
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl ProjectName {
    /// Puts the name in its three forms, and the version of the contract, where a template has a place
    /// for them.
    fn fill(&self, text: &str) -> String {
        let camel: String = self
            .0
            .split('-')
            .map(|word| {
                let (first, rest) = word.split_at(1);
                first.to_ascii_uppercase() + rest
            })
            .collect();
        text.replace("{{name}}", &self.0)
            .replace("{{snake}}", &self.0.replace('-', "_"))
            .replace("{{Camel}}", &camel)
            .replace("{{contract}}", CONTRACT_VERSION)
    }
}

impl New {
    pub(super) fn run(&self) -> Result<(), Failed> {
        let files = self.files()?;
        let folder = match &self.folder {
            Some(folder) => folder.clone(),
            None => PathBuf::from(&self.name.0),
        };
        if folder.exists() {
            let reason = format!(
                "{} is there already; --folder writes the project somewhere else",
                folder.display()
            );
            return Err(reason.into());
        }
        let manifest = files.iter().find(|(path, _)| path == Path::new(PROJECT));
        let project = Project::parse(manifest.map_or("", |(_, text)| text))?;
        for (path, text) in &files {
            write(&folder.join(path), text).map_err(|error| {
                format!("cannot write {}: {error}", folder.join(path).display())
            })?;
        }
        output::line(format!(
            "wrote {}, {} in {} files; now:\n  cd {}\n  millstream plugin build\n  {}\n{} says what its files are, and what a host needs to run it",
            folder.display(),
            self.kind,
            files.len(),
            folder.display(),
            project.test_command(),
            folder.join("README.md").display()
        ));
        Ok(())
    }

    /// The files of the project, with their paths in it.
    fn files(&self) -> Result<Vec<(PathBuf, String)>, String> {
        let place = format!("{}/{}", self.lang.folder(), self.kind);
        let template: Vec<_> = template(&place).collect();
        if template.is_empty() {
            return Err(self.missing());
        }
        let own = template
            .into_iter()
            .map(|(path, text)| (self.name.fill(path).into(), self.name.fill(text)));
        Ok(own.chain(contract()).collect())
    }

    /// That there is no template, and what to do instead.
    fn missing(&self) -> String {
        let wanted = format!("/{}", self.kind);
        let places = places();
        let langs: Vec<_> = places
            .iter()
            .filter_map(|place| place.strip_suffix(&wanted))
            .collect();
        format!(
            "there is no template for a {kind} in {lang}, only in {langs}; take one of these with --lang, or \
             begin with `millstream new exporter {name} --lang {lang}` and implement the world of \
             wit/{kind}.wit in its place",
            kind = self.kind,
            lang = self.lang.folder(),
            langs = langs.join(" and "),
            name = self.name.0,
        )
    }
}

/// The files of a template, with their paths in the project.
fn template(place: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let files = embedded::TEMPLATES.iter().copied();
    files.filter_map(move |(path, text)| Some((path.strip_prefix(place)?.strip_prefix('/')?, text)))
}

/// The templates that there are, as `LANG/KIND`.
fn places() -> Vec<String> {
    let mut places: Vec<_> = embedded::TEMPLATES
        .iter()
        .filter_map(|(path, _)| {
            let mut parts = path.split('/');
            Some(format!("{}/{}", parts.next()?, parts.next()?))
        })
        .collect();
    places.dedup();
    places
}

/// The contract, and the packages that components may take beside it, as every tool looks for them: the
/// package itself in `wit`, and others in `wit/deps`.
fn contract() -> impl Iterator<Item = (PathBuf, String)> {
    let folders = [
        ("wit", embedded::CONTRACT),
        ("wit/deps", embedded::WASI),
        ("wit/deps/tls", embedded::TLS),
    ];
    folders.into_iter().flat_map(|(folder, files)| {
        let file =
            move |(path, text): &(&str, &str)| (Path::new(folder).join(path), (*text).to_owned());
        files.iter().map(file)
    })
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ProjectName {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_stands_in_its_three_forms() {
        let filled = name("my-2nd-sink".replace("2nd", "second").as_str())
            .fill("{{name}} {{snake}} {{Camel}} {{contract}} {{sink}}");
        assert_eq!(
            filled,
            "my-second-sink my_second_sink MySecondSink 0.1.0 {{sink}}"
        );
    }

    #[test]
    fn what_some_language_could_not_take_is_no_name() {
        for wrong in [
            "", "My-sink", "my_sink", "-sink", "sink-", "a--b", "2nd", "a-2", "../a", "ä",
        ] {
            assert!(wrong.parse::<ProjectName>().is_err(), "{wrong}");
        }
        assert_eq!(name("s3-like").0, "s3-like");
    }

    #[test]
    fn a_transform_in_a_language_without_a_template_comes_with_the_way_to_write_one() {
        let new = New {
            kind: Kind::Transform,
            name: name("my-means"),
            lang: Lang::Go,
            folder: None,
        };
        assert_eq!(
            new.files().unwrap_err(),
            "there is no template for a transform in go, only in python and rust; take one of these with \
             --lang, or begin with `millstream new exporter my-means --lang go` and implement the world of \
             wit/transform.wit in its place"
        );
    }

    #[test]
    fn each_template_is_a_project_with_a_readme_a_test_and_the_contract() {
        assert!(
            places().contains(&"rust/exporter".to_owned()),
            "{:?}",
            places()
        );
        for place in places() {
            let (lang, kind) = place.split_once('/').unwrap();
            let new = New {
                kind: Kind::from_str(kind, false).unwrap(),
                name: name("my-sink"),
                lang: Lang::from_str(lang, false).unwrap(),
                folder: None,
            };
            let files = new.files().unwrap();
            let text = |wanted: &str| {
                let mut found = files.iter().filter(|(path, _)| path == Path::new(wanted));
                &found
                    .next()
                    .unwrap_or_else(|| panic!("{place} has no {wanted}"))
                    .1
            };
            let project = Project::parse(text(PROJECT)).unwrap();
            // What a producer or a transform is tested with stands in its README too.
            assert!(
                text("README.md").contains(&project.test_command()),
                "{place}"
            );
            assert_eq!(
                (project.kind, project.name.as_str()),
                (new.kind, "my-sink"),
                "{place}"
            );
            assert!(
                text("README.md").contains("millstream plugin build"),
                "{place}"
            );
            assert!(text("wit/types.wit").contains("package millstream:plugin@"));
            assert!(text("wit/deps/http.wit").starts_with("package wasi:http@0.2."));
            assert!(text("wit/deps/tls/world.wit").contains("package wasi:tls@"));
            let mut tests = files
                .iter()
                .map(|(path, text)| (path.to_string_lossy(), text));
            let has_test =
                tests.any(|(path, text)| path.contains("test") || text.contains("#[test]"));
            assert!(has_test, "{place}");
            for (path, text) in &files {
                let path = path.to_string_lossy();
                for form in ["{{name}}", "{{snake}}", "{{Camel}}", "{{contract}}"] {
                    assert!(
                        !path.contains(form) && !text.contains(form),
                        "{place}: {path}"
                    );
                }
            }
        }
    }
}
