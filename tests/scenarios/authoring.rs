//! The tutorial for authors, word for word, and the reference of the contract.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use millstream_tests::{eventually_within, millstream, repository, target};
use serde_json::Value;
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

/// The steps of the tutorial for those who write in a language, with other ports.
///
/// Not among them are the blocks `sh before`: how one comes to the program, which is what is tested here and was
/// built before. What they put into `PATH`, [`furnish`] does.
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
        let code = code.to_owned();
        match kind.split_once(' ') {
            None if kind == "sh" => steps.push(Step::Type(code)),
            // What is only shown.
            None => assert_eq!(kind, "text"),
            Some(("sh", "before")) => {}
            Some(("sh", "background")) => steps.push(Step::Start(code)),
            Some(("sh", of)) => {
                let of = of.strip_prefix("lang=").unwrap();
                assert!(LANGUAGES.contains(&of), "{of}");
                if of == language {
                    steps.push(Step::Type(code));
                }
            }
            Some((_, file)) => {
                let name = file.strip_prefix("file=").unwrap().to_owned();
                steps.push(Step::Save(name, code));
            }
        }
        rest = &fence[block.len() + "\n```".len()..];
    }
    steps
}

const LANGUAGES: [&str; 5] = ["rust", "python", "javascript", "c", "go"];

/// What stands in the place of programs of a reader that would change the machine, take minutes, or fetch
/// something that a test machine cannot reach. Each fails if what it stands for would not have had its effect.
///
/// * `sudo apt-get install` sees that the packages are installed;
/// * `cargo install` sees that the tools are there in these versions: `cargo xtask` has compiled them;
/// * `curl` hands over the file of that name out of the folder of tools.
const STAND_INS: [(&str, &str); 3] = [
    (
        "sudo",
        r#"[ "$1 $2" = "apt-get install" ] && shift 2 && dpkg --status "$@" > /dev/null"#,
    ),
    (
        "cargo",
        r#"[ "$1" = install ] && shift || exit 1
for tool; do
    name=${tool%@*}
    "${name%-cli}" --version | grep --fixed-strings --word-regexp "${tool#*@}" || exit 1
done"#,
    ),
    (
        "curl",
        r#"for url; do :; done
cp "$TOOLS/${url##*/}" ."#,
    ),
];

/// What a reader of a language has on the machine and set up beyond what every machine has: the tools that
/// `cargo xtask` has put into the target folder.
fn furnish(shell: &mut Command, folder: &Path, language: &str) {
    let tools = target().join("toolchains");
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let mut path: Vec<_> = std::env::split_paths(&usual).collect();
    if language == "go" {
        path.insert(0, target().join("venv-toolchains/bin"));
        // The one module that a project needs comes from a folder, in the place of Go's server of modules.
        let modules = format!("file://{}", tools.join("go-proxy").display());
        shell
            .env("GOPROXY", modules)
            .env("GOSUMDB", "off")
            .env("GOFLAGS", "-modcacherw")
            .env("GOMODCACHE", tools.join("go-modules"));
    }
    if let "c" | "go" = language {
        path.insert(0, tools.join("bin"));
        let stand_ins = folder.join("stand-ins");
        fs::create_dir_all(&stand_ins).unwrap();
        for (name, script) in STAND_INS {
            let program = stand_ins.join(name);
            fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        path.insert(0, stand_ins);
        shell.env("TOOLS", tools);
    }
    let program = millstream();
    let bin = Path::new(program.get_program()).parent().unwrap();
    path.insert(0, bin.to_owned());
    shell
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("XDG_CACHE_HOME", target().join("cache-of-authors"))
        // Libraries that other tests have compiled are not compiled anew.
        .env("CARGO_BUILD_BUILD_DIR", target().join("new-projects"))
        .env_remove("CARGO_TARGET_DIR");
}

/// A terminal in which a command goes on. It ends with this.
struct Terminal {
    command: String,
    child: Child,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The group that `process_group` has made: the shell and what it started.
        let group = i32::try_from(self.child.id()).unwrap();
        let group = rustix::process::Pid::from_raw(group).unwrap();
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// A reader: where they are, what language they write, and the ports of their own.
struct Reader {
    language: &'static str,
    folder: TempDir,
    /// `cd` counts for what comes after it.
    place: PathBuf,
    sink: u16,
    host: u16,
}

impl Reader {
    /// A shell in which something is typed.
    fn shell(&self, script: &str) -> Command {
        let mut shell = Command::new("bash");
        shell
            .args(["-e", "-c", script])
            .current_dir(&self.place)
            .env("STREAM_MANAGER_SERVER_PORT", self.host.to_string())
            .stdin(Stdio::null());
        furnish(&mut shell, self.folder.path(), self.language);
        shell
    }

    /// Types commands, waits for their end, and returns what they print.
    fn types(&mut self, commands: &str) -> String {
        let place = self.folder.path().join("place");
        let script = format!("{commands}\npwd > {}", place.display());
        let output = self.shell(&script).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "{commands}\n{said}");
        self.place = fs::read_to_string(place).unwrap().trim().into();
        said
    }

    /// What the sink and the host have printed.
    fn printed(&self) -> PathBuf {
        self.folder.path().join("printed")
    }

    /// Starts what goes on in another terminal, and waits until it listens.
    fn starts(&self, command: String) -> Terminal {
        let printed = self.printed();
        let out = fs::File::options()
            .create(true)
            .append(true)
            .open(printed)
            .unwrap();
        let mut shell = self.shell(&format!("exec {command}"));
        shell.stdout(out.try_clone().unwrap()).stderr(out);
        let child = shell.process_group(0).spawn().unwrap();
        let port = match command.contains("sink") {
            true => self.sink,
            false => self.host,
        };
        let terminal = Terminal { command, child };
        eventually_within(PATIENCE, "it listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        terminal
    }

    /// Lets the host find the native code that `plugin build` has compiled, for which each of them waits by
    /// itself where a reader works: the components of some languages take long.
    fn shares_native_code(&self) {
        let compiled = target().join("cache-of-authors/millstream/native-code");
        let data = self.place.join("millstream-data");
        fs::create_dir(&data).unwrap();
        symlink(compiled, data.join("native-code")).unwrap();
    }

    /// Hands the second project the tools that the first one has fetched: its own setup runs, and finds them
    /// there. A link stays behind, because programs of a virtual environment name their interpreter by its path.
    fn shares_tools(&self) {
        for tools in [".venv", "node_modules"] {
            let [first, second] =
                ["my-sink", "my-readings"].map(|project| self.place.join(project).join(tools));
            if first.is_dir() {
                fs::rename(&first, &second).unwrap();
                symlink(&second, &first).unwrap();
            }
        }
    }

    fn waits_for_message(&self, number: u64, payload: &str) {
        let what = format!("the sink prints message {number}");
        let line = eventually_within(PATIENCE, &what, || {
            let printed = fs::read_to_string(self.printed()).ok()?;
            let mut lines = printed
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.find(|line| line["sequenceNumber"] == number)
        });
        assert_eq!(line["payload"], payload);
    }
}

/// How long something may take that a reader waits for.
const PATIENCE: Duration = Duration::from_secs(120);

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
fn follow(language: &'static str) {
    let folder = TempDir::new().unwrap();
    let ((_held_sink, sink), (_held_host, host)) = (free_port(), free_port());
    let mut reader = Reader {
        language,
        place: folder.path().to_owned(),
        folder,
        sink,
        host,
    };
    let mut terminals: Vec<Terminal> = Vec::new();
    for step in steps(language, reader.sink) {
        match step {
            Step::Save(name, code) => fs::write(reader.place.join(name), code).unwrap(),
            Step::Start(command) => {
                // What runs is ended before it is started again.
                terminals.retain(|terminal| terminal.command != command);
                terminals.push(reader.starts(command));
            }
            Step::Type(commands) => {
                let said = reader.types(&commands);
                if commands.contains("millstream init") {
                    reader.shares_native_code();
                } else if commands.contains("millstream new producer") {
                    reader.shares_tools();
                } else if commands.contains("append telemetry '21.5'") {
                    reader.waits_for_message(0, "21.5");
                } else if commands.contains("plugin add my-sink/my-sink.wasm --yes") {
                    eventually_within(PATIENCE, "the host takes the new version", || {
                        let printed = fs::read_to_string(reader.printed()).ok()?;
                        printed.contains("plugin replaced").then_some(())
                    });
                } else if commands.contains("append telemetry '22.0'") {
                    reader.waits_for_message(1, "22.0");
                    assert!(said.contains("Posts every batch"), "{said}");
                } else if commands.contains("stream read readings") {
                    eventually_within(PATIENCE, "the producer has appended a reading", || {
                        let said = reader.types(&commands);
                        (said.contains("running") && said.contains("\"number\"")).then_some(())
                    });
                }
            }
        }
    }
    // The tutorial was followed to its end.
    reader.waits_for_message(1, "22.0");
    let readings = reader.types("millstream stream read readings");
    assert!(readings.contains("\"number\""), "{readings}");
}

#[test]
fn the_tutorial_leads_to_a_running_exporter_and_producer_in_rust() {
    follow("rust");
}

#[test]
fn the_tutorial_leads_to_a_running_exporter_and_producer_in_python() {
    follow("python");
}

#[test]
fn the_tutorial_leads_to_a_running_exporter_and_producer_in_javascript() {
    follow("javascript");
}

#[test]
fn the_tutorial_leads_to_a_running_exporter_and_producer_in_c() {
    follow("c");
}

#[test]
fn the_tutorial_leads_to_a_running_exporter_and_producer_in_go() {
    follow("go");
}

/// The rows `exporter`, `producer` and `transform` of a table of languages.
fn kinds_in_table(document: &str) -> Vec<(String, String, bool)> {
    let text = fs::read_to_string(repository().join(document)).unwrap();
    let cells = |line: &str| -> Vec<String> {
        let line = line.trim().trim_matches('|');
        line.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = text.lines();
    let head = lines.find(|line| line.starts_with("| | Rust |")).unwrap();
    let languages = cells(&head.to_lowercase());
    assert_eq!(languages[1..].len(), LANGUAGES.len(), "{document}");
    let mut found = Vec::new();
    for line in lines.take_while(|line| line.starts_with('|')) {
        let row = cells(line);
        if let kind @ ("exporter" | "producer" | "transform") = row[0].as_str() {
            assert_eq!(row.len(), languages.len(), "{document}: {line}");
            for (language, cell) in languages.iter().zip(&row).skip(1) {
                let is_there = cell.starts_with("[yes]") || cell == "yes";
                assert!(
                    is_there || cell.contains("no template"),
                    "{document}: {line}"
                );
                found.push((language.clone(), kind.to_owned(), is_there));
            }
        }
    }
    assert_eq!(found.len(), 3 * LANGUAGES.len(), "{document}");
    found
}

/// That each of these is run is what the modules of `languages.rs` are for.
#[test]
fn the_tables_of_languages_say_what_there_is_a_template_for() {
    for document in ["README.md", "docs/languages.md"] {
        for (language, kind, is_there) in kinds_in_table(document) {
            let template = format!("components/templates/{language}/{kind}");
            assert_eq!(
                repository().join(&template).is_dir(),
                is_there,
                "{document}: {template}"
            );
        }
    }
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
