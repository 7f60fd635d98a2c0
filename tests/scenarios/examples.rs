//! The README's clients do what it says, word for word.

use std::process::Command;

use millstream_tests::{Host, node, python, repository};

/// Runs an example against a host, and checks that the README shows the same.
fn run(example: &str, mut interpreter: Command) -> String {
    let source = repository().join("components").join(example);
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let shown = std::fs::read_to_string(&source).unwrap();
    assert!(
        readme.contains(&shown),
        "the README does not show {example} as it is"
    );
    let host = Host::start("");
    let output = interpreter
        .arg(source)
        .env("STREAM_MANAGER_SERVER_PORT", host.port().to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_python_program_connects_as_the_readme_says() {
    let printed = run("sdk-python/append.py", python());
    assert!(printed.contains("sequence number 0 hello"), "{printed}");
}

#[test]
fn a_node_program_connects_as_the_readme_says() {
    let printed = run("sdk-node/append.js", node());
    assert!(printed.contains("sequence number 0 hello"), "{printed}");
}

#[test]
fn a_plain_socket_connects_as_the_readme_says() {
    let printed = run("plain-socket/append.py", python());
    assert!(printed.contains("sequence number 0"), "{printed}");
}
