//! What authors of plugins type, and those who add a plugin to a host.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use millstream_tests::{millstream, plugins, repository, target};
use serde_json::Value;
use tempfile::TempDir;

/// Runs a command in a folder that is not a host's; what is compiled is shared by all tests.
fn run(folder: &Path, args: &[&str]) -> Output {
    millstream()
        .current_dir(folder)
        .env("XDG_CACHE_HOME", target().join("cache-of-authors"))
        // Libraries of new projects are compiled once for all of them.
        .env("CARGO_BUILD_BUILD_DIR", target().join("new-projects"))
        .env_remove("CARGO_TARGET_DIR")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn said(output: &Output) -> String {
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    format!("{stdout}{stderr}")
}

fn plugin(name: &str) -> String {
    let file = plugins().join(format!("{name}.wasm"));
    file.to_str().unwrap().to_owned()
}

/// The names of the checks with this verdict.
fn checks(output: &Output, verdict: &str) -> Vec<String> {
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let checks = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    checks
        .filter(|check| check["verdict"] == verdict)
        .map(|check| check["check"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_kit_holds_everything_on_the_plugin_http_and_leaves_no_file() {
    let folder = TempDir::new().unwrap();
    let output = run(
        folder.path(),
        &[
            "plugin",
            "test",
            &plugin("http"),
            "--batches",
            "300",
            "--json",
        ],
    );
    printed(&output);
    assert_eq!(checks(&output, "holds").len(), 20, "{}", said(&output));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_kit_says_that_a_component_is_older_than_its_source() {
    let folder = TempDir::new().unwrap();
    std::fs::copy(plugin("http"), folder.path().join("sink.wasm")).unwrap();
    let project = "kind = \"exporter\"\nlang = \"rust\"\nname = \"sink\"\n";
    std::fs::write(folder.path().join("millstream-plugin.toml"), project).unwrap();
    let source = folder.path().join("lib.rs");
    std::fs::write(&source, "").unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    let file = std::fs::File::open(&source).unwrap();
    file.set_modified(later).unwrap();
    let output = run(
        folder.path(),
        &["plugin", "test", "sink.wasm", "--batches", "10"],
    );
    let sentence = "lib.rs is newer than sink.wasm";
    assert!(said(&output).contains(sentence), "{}", said(&output));
    printed(&output);
}

#[test]
fn what_does_not_hold_is_named_and_the_command_fails() {
    let folder = TempDir::new().unwrap();
    // An operator may say so, and loses messages then: what the kit has to find.
    for (finals, failed, sums_up) in [
        (
            "[500]",
            &["status-500"][..],
            "one of 20 checks does not hold",
        ),
        (
            "[500, 503]",
            &["status-500", "status-503"],
            "2 of 20 checks do not hold",
        ),
    ] {
        let gives_up = format!(r#"{{"uri": "{{{{sink}}}}/in", "finalStatuses": {finals}}}"#);
        let output = run(
            folder.path(),
            &[
                "plugin",
                "test",
                &plugin("http"),
                "--batches",
                "300",
                "--json",
                "--with",
                &gives_up,
            ],
        );
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert_eq!(checks(&output, "does-not-hold"), failed);
        assert!(said(&output).contains(sums_up), "{}", said(&output));
    }
}

#[test]
fn what_has_no_meaning_for_an_exporter_is_not_applicable() {
    let folder = TempDir::new().unwrap();
    let output = run(
        folder.path(),
        &[
            "plugin",
            "test",
            &plugin("file"),
            "--batches",
            "300",
            "--json",
        ],
    );
    printed(&output);
    let left_out = checks(&output, "not-applicable");
    for check in [
        "missing-key",
        "slow-destination",
        "status-500",
        "garbage-answer",
    ] {
        assert!(left_out.iter().any(|one| one == check), "{left_out:?}");
    }
}

#[test]
fn a_producer_is_run_and_asked_to_end() {
    let folder = TempDir::new().unwrap();
    let test = ["plugin", "test", &plugin("timestamp"), "--run-for", "5s"];
    let arguments = ["--", "--stream", "readings", "--interval", "20ms"];
    let output = run(folder.path(), &[&test[..], &arguments].concat());
    let shown = printed(&output);
    assert!(shown.contains("to the stream `readings`"), "{shown}");
    assert!(
        shown.contains("everything holds: 3 checks, 0 not applicable"),
        "{shown}"
    );
    // Without its arguments it fails, and the kit says so.
    let output = run(folder.path(), &test);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("DOES NOT HOLD   start"),
        "{}",
        said(&output)
    );
}

#[test]
fn inspect_shows_the_world_and_the_contract() {
    let folder = TempDir::new().unwrap();
    let shown = printed(&run(folder.path(), &["plugin", "inspect", &plugin("s3")]));
    for expected in [
        "world       millstream:plugin/exporter-plugin@0.1.0, millstream:plugin/canceling-plugin@0.1.0",
        "contract    0.1.0",
        "version     0.1.0",
        "sha256      ",
        "asks for    aws-services: s3",
        "imports     ",
        "wasi:http/outgoing-handler@0.2.",
    ] {
        assert!(shown.contains(expected), "{expected}:\n{shown}");
    }
}

/// A folder with a configuration that has something of a person in it.
fn host_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let cache = target().join("native-code");
    let text = format!(
        "plugins.cache = {cache:?}\n\n[log] # as I like it\nlevel = \"warn\"\n#format = \"json\"\n"
    );
    std::fs::write(folder.path().join("millstream.toml"), text).unwrap();
    folder
}

fn config_of(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join("millstream.toml")).unwrap()
}

#[test]
fn a_plugin_is_added_with_everything_that_it_asks_for() {
    let folder = host_folder();
    let before = config_of(&folder);
    let shown = printed(&run(
        folder.path(),
        &["plugin", "add", &plugin("file"), "--yes"],
    ));
    assert!(shown.contains("asks for    folders: /out"), "{shown}");
    assert_eq!(
        config_of(&folder),
        format!(
            "{before}\n[plugin.file.grants]\nfolders = [{{ path = \"out\", as = \"/out\", write = true }}]\n"
        )
    );
    let added = std::fs::read(folder.path().join("plugins/file.wasm")).unwrap();
    assert_eq!(added, std::fs::read(plugin("file")).unwrap());
    let check = printed(&run(folder.path(), &["plugin", "inspect", "file"]));
    assert!(
        !check.contains("missing  ") && folder.path().join("out").is_dir(),
        "{check}"
    );
    // Once more changes nothing.
    let written = config_of(&folder);
    let shown = printed(&run(
        folder.path(),
        &["plugin", "add", &plugin("file"), "--yes"],
    ));
    assert!(shown.contains("in the place of"), "{shown}");
    assert_eq!(config_of(&folder), written);
}

#[test]
fn a_plugin_that_asks_for_a_folder_of_the_host_is_not_added() {
    // It asks for /out, which is one of the host's by the configuration, by the environment or by a link.
    let refused = |folder: &TempDir, environment: &[(&str, &Path)]| {
        let before = config_of(folder);
        let output = millstream()
            .current_dir(folder.path())
            .env("XDG_CACHE_HOME", target().join("cache-of-authors"))
            .envs(environment.iter().copied())
            .args(["plugin", "add", &plugin("file"), "--yes"])
            .output()
            .unwrap();
        assert!(!output.status.success(), "{}", said(&output));
        let named = said(&output);
        assert!(
            named.contains("the host's own") && named.contains("/out"),
            "{named}"
        );
        assert_eq!(config_of(folder), before);
        assert!(!folder.path().join("out/file.wasm").exists());
    };
    let write = |folder: &TempDir, more: &str| {
        let text = format!("{}\n{more}\n", config_of(folder));
        std::fs::write(folder.path().join("millstream.toml"), text).unwrap();
    };
    for more in ["[plugins]\nfolder = \"out\"", "[storage]\nfolder = \"out\""] {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("millstream.toml"), "").unwrap();
        write(&folder, more);
        refused(&folder, &[]);
    }
    let folder = host_folder();
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    refused(&folder, &[("STREAM_MANAGER_STORE_ROOT_DIR", &out)]);
    let folder = host_folder();
    let data = folder.path().join("millstream-data");
    std::fs::create_dir(&data).unwrap();
    std::os::unix::fs::symlink(&data, folder.path().join("out")).unwrap();
    refused(&folder, &[]);
}

#[test]
fn a_plugin_is_added_under_a_name_with_the_grants_that_are_given_and_no_other() {
    let folder = host_folder();
    let add = ["plugin", "add", &plugin("kinesis"), "--name", "to-cloud"];
    let grant = [
        "--grant",
        "hosts=https://kinesis.eu-central-1.amazonaws.com",
    ];
    printed(&run(folder.path(), &[&add[..], &grant].concat()));
    let config = config_of(&folder);
    let table =
        "[plugin.to-cloud.grants]\nhosts = [\"https://kinesis.eu-central-1.amazonaws.com\"]\n";
    assert!(config.ends_with(table), "{config}");
    assert!(folder.path().join("plugins/to-cloud.wasm").is_file());
    // What it asks for beyond that is still missing, and another grant goes to the first.
    let shown = printed(&run(folder.path(), &["plugin", "inspect", "to-cloud"]));
    assert!(
        shown.contains("add aws-services to [plugin.to-cloud.grants]"),
        "{shown}"
    );
    printed(&run(
        folder.path(),
        &[&add[..], &["--grant", "aws-services=kinesis"]].concat(),
    ));
    assert!(config_of(&folder).contains(&format!("{table}aws-services = [\"kinesis\"]\n")));
}

#[test]
fn nothing_is_added_where_nobody_can_be_asked_or_where_the_answer_is_no() {
    let folder = host_folder();
    let before = config_of(&folder);
    let nothing = |folder: &TempDir| {
        assert_eq!(config_of(folder), before);
        assert!(!folder.path().join("plugins").exists() && !folder.path().join("out").exists());
    };
    let output = run(folder.path(), &["plugin", "add", &plugin("file")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("--yes"), "{}", said(&output));
    nothing(&folder);
    for (name, wrong) in [
        ("../x", "is not the name of a plugin"),
        ("x", "is not a host"),
    ] {
        let args = ["--name", name, "--grant", "hosts=not a host"];
        let output = run(
            folder.path(),
            &[&["plugin", "add", &plugin("file")][..], &args].concat(),
        );
        assert!(
            !output.status.success() && said(&output).contains(wrong),
            "{}",
            said(&output)
        );
        nothing(&folder);
    }
    let refused = on_a_terminal(folder.path(), "n\n");
    assert!(refused.contains("nothing was added"), "{refused}");
    nothing(&folder);
    let consented = on_a_terminal(folder.path(), "y\n");
    assert!(consented.contains("added file"), "{consented}");
    assert!(config_of(&folder).contains("[plugin.file.grants]"));
}

/// Adds the plugin `file` where a person answers.
fn on_a_terminal(folder: &Path, answer: &str) -> String {
    let program = millstream().get_program().to_str().unwrap().to_owned();
    let command = format!("'{program}' plugin add '{}'", plugin("file"));
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Kept open: where the input ends, the terminal does.
    let mut input = child.stdin.take().unwrap();
    input.write_all(answer.as_bytes()).unwrap();
    let mut shown = String::new();
    let mut output = child.stdout.take().unwrap();
    std::io::Read::read_to_string(&mut output, &mut shown).unwrap();
    child.wait().unwrap();
    shown
}

#[test]
fn a_producer_is_added_as_one() {
    let folder = host_folder();
    let add = ["plugin", "add", &plugin("timestamp"), "--name", "ticks"];
    printed(&run(
        folder.path(),
        &[&add[..], &["--grant", "append=readings"]].concat(),
    ));
    let expected = "\n[[producer]]\nname = \"ticks\"\ncomponent = \"ticks\"\n\
                    # Its arguments, if it takes any, stand here, above the grants:\n\
                    # args = [\"--stream\", \"readings\"]\n\n\
                    [producer.grants]\nappend = [\"readings\"]\n";
    assert!(
        config_of(&folder).ends_with(expected),
        "{}",
        config_of(&folder)
    );
}

#[test]
fn in_the_folder_of_a_project_a_plugin_is_added_only_to_a_configuration_that_is_there() {
    let (host, project) = (host_folder(), TempDir::new().unwrap());
    let in_project = |name: &str| project.path().join(name);
    std::fs::write(
        in_project("millstream-plugin.toml"),
        "kind = \"exporter\"\n",
    )
    .unwrap();
    std::fs::copy(plugin("file"), in_project("my-files.wasm")).unwrap();
    let add = ["plugin", "add", "my-files.wasm", "--yes"];
    let output = run(project.path(), &add);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    for way in ["the host's folder", "--config FILE", "`millstream init`"] {
        assert!(said(&output).contains(way), "{}", said(&output));
    }
    let nothing_is_made = || {
        assert!(!in_project("millstream.toml").exists() && !in_project("plugins").exists());
    };
    nothing_is_made();
    // The host's own, wherever it is.
    let config = host.path().join("millstream.toml");
    let named = ["--config", config.to_str().unwrap()];
    printed(&run(project.path(), &[&add[..], &named].concat()));
    assert!(config_of(&host).contains("[plugin.my-files.grants]"));
    assert!(host.path().join("plugins/my-files.wasm").is_file());
    nothing_is_made();
    // The project's folder can be a host's as well.
    std::fs::write(in_project("millstream.toml"), "").unwrap();
    printed(&run(project.path(), &add));
    assert!(in_project("plugins/my-files.wasm").is_file());
}

#[test]
fn elsewhere_a_configuration_that_is_not_there_is_made_and_the_command_says_so() {
    let folder = TempDir::new().unwrap();
    let add = ["plugin", "add", &plugin("file"), "--yes"];
    let shown = printed(&run(folder.path(), &add));
    assert!(shown.contains("makes       millstream.toml"), "{shown}");
    assert!(config_of(&folder).contains("[plugin.file.grants]"));
    let shown = printed(&run(folder.path(), &add));
    assert!(!shown.contains("makes       "), "{shown}");
}

/// A new project in Rust.
fn new_project(folder: &Path, kind: &str, name: &str) -> PathBuf {
    let shown = printed(&run(folder, &["new", kind, name, "--lang", "rust"]));
    assert!(shown.contains("millstream plugin build"), "{shown}");
    let project = folder.join(name);
    std::fs::copy(repository().join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    project
}

#[test]
fn a_new_transform_in_rust_builds_and_says_how_its_own_tests_are_run() {
    let folder = TempDir::new().unwrap();
    let project = new_project(folder.path(), "transform", "my-means");
    let built = printed(&run(&project, &["plugin", "build"]));
    for expected in [
        "kind        transform",
        "its own tests: cargo test",
        "now: millstream plugin test my-means.wasm --payload '{\"sensor\":\"a\",\"value\":{{number}}}'",
    ] {
        assert!(built.contains(expected), "{built}");
    }
    // A folder that is there is left alone.
    let again = ["new", "transform", "my-means", "--lang", "rust"];
    let again = run(folder.path(), &again);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("--folder"), "{}", said(&again));
    // And a language without a template is told what to do.
    let other = ["new", "transform", "other", "--lang", "go"];
    let other = run(folder.path(), &other);
    assert_eq!(other.status.code(), Some(1));
    assert!(
        said(&other).contains("wit/transform.wit"),
        "{}",
        said(&other)
    );
    assert!(!folder.path().join("other").exists());
}
