//! `docs/sandbox.md` names a test for each of its statements.

use std::collections::BTreeSet;
use std::path::Path;

use millstream_tests::repository;

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the functions that stand below `#[test]` or `#[tokio::test]`.
fn tests_in(path: &Path) -> BTreeSet<String> {
    let text = text(path);
    let mut lines = text.lines().map(str::trim);
    let mut names = BTreeSet::new();
    while let Some(line) = lines.next() {
        if line == "#[test]" || line == "#[tokio::test]" {
            let function = lines.next().unwrap().trim_start_matches("async ");
            let name = function.strip_prefix("fn ").unwrap();
            names.insert(name.split('(').next().unwrap().to_owned());
        }
    }
    names
}

/// What stands between backticks: `file: test`, or `test` alone in the file before.
fn named_in(document: &str) -> BTreeSet<(String, String)> {
    let mut file = String::new();
    let mut named = BTreeSet::new();
    for code in document.split('`').skip(1).step_by(2) {
        let test = match code.split_once(": ") {
            Some((before, test)) if !before.contains(' ') && is_test(test) => {
                file = before.to_owned();
                test
            }
            None if is_test(code) => code,
            _ => continue,
        };
        named.insert((file.clone(), test.to_owned()));
    }
    named
}

/// Tests are sentences.
fn is_test(name: &str) -> bool {
    name.matches('_').count() >= 3 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[test]
fn each_statement_of_the_document_has_a_test_and_each_test_a_statement() {
    let folder = repository().join("tests/scenarios/hostile");
    let named = named_in(&text(&repository().join("docs/sandbox.md")));
    for (file, test) in &named {
        let path = match file.ends_with(".rs") {
            true => repository().join(file),
            false => folder.join(file).with_extension("rs"),
        };
        assert!(
            tests_in(&path).contains(test),
            "{file}: {test} is not there"
        );
    }
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        if file == "document" {
            continue;
        }
        for test in tests_in(&path) {
            let named = named.contains(&(file.clone(), test.clone()));
            assert!(named, "docs/sandbox.md does not name {file}: {test}");
        }
    }
}
