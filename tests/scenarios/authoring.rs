//! The tutorial for authors, word for word, and the reference of the contract.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use millstream_tests::{eventually_within, millstream, repository, target};
use tempfile::TempDir;
use tokio::net::TcpSocket;

/// What a fenced block of the tutorial is for, by the words behind its fence.
#[derive(Debug)]
enum Step {
    /// A reader types it.
    Type(String),
    /// A reader types it into another terminal, where it goes on.
    Start(String),
    /// A reader saves it under this name.
    Save(String, String),
}

/// The steps of the tutorial, with other ports and in another language.
fn steps(language: &str, sink: u16) -> Vec<Step> {
    let text = fs::read_to_string(repository().join("docs/authoring.md")).unwrap();
    let text = text
        .replace("8090", &sink.to_string())
        .replace("--lang python", &format!("--lang {language}"));
    let mut steps = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, fence)) = rest.split_once("\n```") {
        let (block, _) = fence.split_once("\n```\n").unwrap();
        let (kind, code) = block.split_once('\n').unwrap();
        match kind.split_once(' ') {
            None if kind == "sh" => steps.push(Step::Type(code.to_owned())),
            Some(("sh", "background")) => steps.push(Step::Start(code.to_owned())),
            Some((_, file)) => {
                let name = file.strip_prefix("file=").unwrap().to_owned();
                steps.push(Step::Save(name, code.to_owned()));
            }
            None => {}
        }
        rest = &fence[block.len() + "\n```".len()..];
    }
    steps
}

/// Commands that run on in another terminal, and end with this.
struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // The group that `process_group` has made: the shell and what it started.
            let group = i32::try_from(child.id()).unwrap();
            let group = rustix::process::Pid::from_raw(group).unwrap();
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
            let _ = child.wait();
        }
    }
}

/// A shell like a reader's, in a folder, with `millstream` on its path and a port of its own.
fn shell(folder: &Path, port: u16, script: &str) -> Command {
    let program = millstream();
    let bin = Path::new(program.get_program())
        .parent()
        .unwrap()
        .to_owned();
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(bin).chain(std::env::split_paths(&usual));
    let mut shell = Command::new("bash");
    shell
        .args(["-e", "-c", script])
        .current_dir(folder)
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("XDG_CACHE_HOME", target().join("cache-of-authors"))
        .env("STREAM_MANAGER_SERVER_PORT", port.to_string())
        .stdin(Stdio::null());
    shell
}

/// A port that nobody else is given while the socket is there: it is bound, and whoever listens may bind it
/// as well.
fn free_port() -> (TcpSocket, u16) {
    let held = TcpSocket::new_v4().unwrap();
    held.set_reuseaddr(true).unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = held.local_addr().unwrap().port();
    (held, port)
}

/// Does what the tutorial says, and sees what it promises.
fn follow(language: &str) {
    let folder = TempDir::new().unwrap();
    let ((_held_sink, sink), (_held_host, host)) = (free_port(), free_port());
    // Where a reader is: `cd` counts for what comes after it.
    let mut place = folder.path().to_owned();
    let printed = folder.path().join("printed");
    let mut running = Running(Vec::new());
    for step in steps(language, sink) {
        match step {
            Step::Save(name, code) => fs::write(place.join(name), code).unwrap(),
            Step::Start(command) => {
                let out = fs::File::options()
                    .create(true)
                    .append(true)
                    .open(&printed)
                    .unwrap();
                let mut shell = shell(&place, host, &format!("exec {command}"));
                shell.stdout(out.try_clone().unwrap()).stderr(out);
                running.0.push(shell.process_group(0).spawn().unwrap());
                let port = if command.contains("sink") { sink } else { host };
                eventually_within(std::time::Duration::from_secs(60), "it listens", || {
                    std::net::TcpStream::connect(("127.0.0.1", port)).ok()
                });
            }
            Step::Type(commands) => {
                let script = format!("{commands}\npwd > {}/place", folder.path().display());
                let output = shell(&place, host, &script).output().unwrap();
                let said = [output.stdout, output.stderr].concat();
                let said = String::from_utf8_lossy(&said);
                assert!(output.status.success(), "{commands}\n{said}");
                let now = fs::read_to_string(folder.path().join("place")).unwrap();
                place = now.trim().into();
            }
        }
    }
    eventually_within(
        std::time::Duration::from_secs(60),
        "the sink prints the message",
        || {
            let printed = fs::read_to_string(&printed).ok()?;
            let line = printed
                .lines()
                .find(|line| line.contains("\"sequenceNumber\""))?;
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                (&line["sequenceNumber"], &line["payload"]),
                (&0.into(), &"21.5".into())
            );
            Some(())
        },
    );
}

#[test]
fn the_tutorial_leads_to_a_running_exporter_in_rust() {
    follow("rust");
}

#[test]
fn the_tutorial_leads_to_a_running_exporter_in_python() {
    follow("python");
}

/// The reference: what `wit/` says, with its comments as text and its definitions as code.
fn reference() -> String {
    let mut text = String::from(
        "# The contract\n\nWhat stands between Millstream and its plugins, version 0.1.0, written from `wit/`. A component of version \
         0.1.x links\nto every host that offers 0.1.y with y at least x.\n",
    );
    for file in [
        "types",
        "exporter",
        "work",
        "canceling",
        "transform",
        "producer",
        "stop",
        "streams",
        "secrets",
        "log",
    ] {
        let path = repository().join("wit").join(format!("{file}.wit"));
        let wit = fs::read_to_string(path).unwrap();
        let mut comment: Vec<&str> = Vec::new();
        let mut code = String::new();
        for line in wit.lines() {
            let is_top = !line.starts_with(' ') && !line.starts_with('}');
            if let Some(said) = line.strip_prefix("///") {
                comment.push(said.strip_prefix(' ').unwrap_or(said));
            } else if is_top && (line.starts_with("interface") || line.starts_with("world")) {
                let title = line.trim_end_matches(['{', ' ']);
                write!(text, "\n## {title}\n\n{}\n\n", comment.join("\n")).unwrap();
                comment.clear();
                code = format!("{line}\n");
            } else if line == "}" {
                write!(text, "```wit\n{code}}}\n```\n").unwrap();
                code.clear();
            } else if !code.is_empty() {
                writeln!(code, "{line}").unwrap();
            } else {
                // The package, whose comment stands above.
                comment.clear();
            }
        }
    }
    text
}

/// `MILLSTREAM_BLESS=1` writes it.
#[test]
fn the_reference_of_the_contract_is_what_wit_says() {
    let path = repository().join("docs/contract.md");
    let expected = reference();
    if std::env::var_os("MILLSTREAM_BLESS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == expected,
        "docs/contract.md is not what wit/ says: set MILLSTREAM_BLESS=1 and run this test once"
    );
    let files = fs::read_dir(repository().join("wit")).unwrap().count();
    assert_eq!(files, 10, "a file of wit/ is not in the reference");
}
