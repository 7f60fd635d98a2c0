//! The documents that speak of the list: `docs/conformance.md`, which is the list as a table and cannot
//! say more than the suite proves, and `docs/decisions-open-points.md`, which names behaviours.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use millstream_tests::repository;

use crate::behaviours::SECTIONS;
use crate::clients::Kind;

const FILE: &str = "docs/conformance.md";
const DECISIONS: &str = "docs/decisions-open-points.md";
const COMMAND: &str = "MILLSTREAM_BLESS=1 cargo xtask test conformance";

/// What this suite cannot show.
const ELSEWHERE: &str = "
## Elsewhere

* That messages go when their time to live is over, which is a minute at least, is tested with a clock
  that can be moved: `host/streams/tests/retention.rs`.
* That a read waits for 59 seconds at most, and that idle connections stay open, takes too long for a test.
* The Java SDK and the SDK for Node.js of the repository are in no package registry. Their recorded frames
  are decoded in `host/protocol/tests/frames`, and our own client writes as the Java SDK does.
* What exports deliver, and what they do when a destination fails, is in `tests/scenarios`.
";

/// Holds the file against the list, or writes it if `MILLSTREAM_BLESS` is set.
///
/// # Errors
///
/// A sentence with the command that writes the file, if it says something else than the list.
pub(crate) fn check() -> Result<(), String> {
    let file = repository().join(FILE);
    let rendered = render();
    if std::env::var_os("MILLSTREAM_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, rendered).unwrap();
        return Ok(());
    }
    if std::fs::read_to_string(&file).is_ok_and(|checked_in| checked_in == rendered) {
        Ok(())
    } else {
        Err(format!(
            "{FILE} is not what the list of behaviours says; `{COMMAND}` writes it"
        ))
    }
}

/// Looks whether the behaviours that the decisions name are in the list, each once.
///
/// # Errors
///
/// A sentence with the name that is not there, or not the only one.
pub(crate) fn check_decisions() -> Result<(), String> {
    let mut known = BTreeSet::new();
    for behaviour in SECTIONS.iter().flat_map(|section| section.behaviours) {
        if !known.insert(behaviour.id) {
            return Err(format!("two behaviours are named {}", behaviour.id));
        }
    }
    let decisions = std::fs::read_to_string(repository().join(DECISIONS)).unwrap();
    let rows = decisions.lines().filter(|line| line.starts_with("| "));
    let proofs = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    let mut named = proofs
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .peekable();
    if named.peek().is_none() {
        return Err(format!("{DECISIONS} names no behaviour"));
    }
    match named.find(|name| !known.contains(name)) {
        Some(name) => Err(format!(
            "{DECISIONS} names the behaviour {name}, which is not in the list"
        )),
        None => Ok(()),
    }
}

fn render() -> String {
    let mut out = format!(
        "# Conformance\n\nWhat clients can rely on, and which clients have proved it: each `✓` is a \
         test against the real\nprogram, run by `cargo xtask test`. Written by the suite itself; \
         `{COMMAND}`\nwrites it anew after a change of the list in `tests/conformance/behaviours`, \
         and the suite fails if this file\nsays something else. `§` is the section of the \
         protocol's specification.\n\n| client | |\n| --- | --- |\n"
    );
    for kind in Kind::ALL {
        writeln!(out, "| {} | {} |", column(kind), about(kind)).unwrap();
    }
    for section in SECTIONS {
        write!(out, "\n## {}\n\n| behaviour | § |", section.title).unwrap();
        for kind in Kind::ALL {
            write!(out, " {} |", column(kind)).unwrap();
        }
        out.push_str("\n| --- | --- | :-: | :-: | :-: | :-: |\n");
        for behaviour in section.behaviours {
            write!(
                out,
                "| **{}** {} | {} |",
                behaviour.id, behaviour.says, behaviour.section
            )
            .unwrap();
            for kind in Kind::ALL {
                let proved = behaviour.clients.include(kind);
                out.push_str(if proved { " ✓ |" } else { " |" });
            }
            out.push('\n');
        }
    }
    out.push_str(ELSEWHERE);
    out
}

fn column(kind: Kind) -> &'static str {
    match kind {
        Kind::Raw => "raw",
        Kind::Python => "Python",
        Kind::GreengrassPython => "Python V1",
        Kind::Node => "Node.js",
    }
}

fn about(kind: Kind) -> String {
    let tests = repository().join("tests");
    let python = |list: &str, package: &str| {
        let version = pinned(&tests.join("python").join(list), package);
        format!("the official SDK `{package}` {version}, from PyPI")
    };
    match kind {
        Kind::Raw => {
            "ours, which can send anything; where SDKs do the same, it writes as the Java \
                      SDK does (maps of indefinite length, no empty lists)"
                .to_owned()
        }
        Kind::Python => python("requirements.txt", "stream-manager"),
        Kind::GreengrassPython => python("greengrasssdk.txt", "greengrasssdk"),
        Kind::Node => {
            let manifest = std::fs::read_to_string(tests.join("node/package.json")).unwrap();
            let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
            let package = "aws-greengrass-core-sdk";
            let version = manifest["dependencies"][package].as_str().unwrap();
            format!("the official SDK `{package}` {version}, from npm")
        }
    }
}

/// The version of a package in a list of requirements.
fn pinned(list: &Path, package: &str) -> String {
    let list = std::fs::read_to_string(list).unwrap();
    let versions = list.lines().filter_map(|line| line.split_once("=="));
    let (_, version) = versions
        .into_iter()
        .find(|(name, _)| *name == package)
        .unwrap();
    version.to_owned()
}
