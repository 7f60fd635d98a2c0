//! The commands, as scripts use them.

use std::process::{Output, Stdio};

use millstream_tests::{Host, kinesis_config, millstream};

fn text(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn init_writes_a_configuration_that_check_and_run_accept_and_never_replaces_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        millstream()
            .current_dir(folder.path())
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    text(&run(&["init"]));
    let again = run(&["init"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--force"));
    let written = std::fs::read_to_string(folder.path().join("millstream.toml")).unwrap();
    // Port 8088 may be taken by whoever runs the tests.
    let config = written.replace("127.0.0.1:8088", "127.0.0.1:0");
    std::fs::write(folder.path().join("millstream.toml"), config).unwrap();
    let checked = text(&run(&["check"]));
    assert!(checked.contains("ok     the data folder"), "{checked}");
}

#[test]
fn check_names_each_key_of_a_plugins_configuration_that_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    for plugin in ["file.wasm", "http.wasm", "json-fields.wasm"] {
        let built = millstream_tests::plugins().join(plugin);
        std::fs::copy(built, plugins.join(plugin)).unwrap();
    }
    std::fs::create_dir(folder.path().join("out")).unwrap();
    let cache = millstream_tests::target().join("native-code");
    let config = format!(
        r#"
        server.listen = "127.0.0.1:0"
        plugins.cache = {cache:?}
        [plugin.file.grants]
        folders = [{{ path = "out", as = "/out", write = true }}]
        [plugin.http]
        config = {{ exportFormat = 7 }}
        [[stream]]
        name = "telemetry"
        [[stream.export]]
        identifier = "right"
        plugin = "file"
        config = {{ folder = "/out" }}
        [[stream.export]]
        identifier = "misspelt"
        plugin = "file"
        config = {{ foldr = "/out" }}
        transforms = [{{ plugin = "json-fields", config = {{ dropp = ["raw"] }} }}]
        "#
    );
    std::fs::write(folder.path().join("millstream.toml"), config).unwrap();
    let checked = millstream()
        .current_dir(folder.path())
        .arg("check")
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&checked.stdout);
    let wrong: Vec<_> = printed
        .lines()
        .filter(|line| line.starts_with("WRONG"))
        .collect();
    let place = "WRONG  [[stream]] \"telemetry\": export \"misspelt\"";
    assert_eq!(wrong.len(), 3, "{printed}");
    assert!(wrong[0].starts_with(&format!("{place}: config: `foldr` is unknown")));
    assert!(wrong[0].ends_with("did you mean `folder`?"), "{printed}");
    assert!(wrong[1].starts_with("WRONG  [plugin.http]: config: `exportFormat` has to be"));
    let transform = format!("{place}, transform json-fields: config: `dropp` is unknown");
    assert!(wrong[2].starts_with(&transform), "{printed}");
}

#[test]
fn streams_can_be_listed_described_appended_to_read_and_deleted() {
    let host = Host::start("[[stream]]\nname = \"s\"\n");
    assert_eq!(text(&host.command(&["stream", "list"])), "s\n");
    assert_eq!(
        text(&host.command(&["stream", "append", "s", "one", "two"])),
        "0\n1\n"
    );
    assert_eq!(
        text(&host.command(&["stream", "read", "s", "--start", "1"])),
        "1\ttwo\n"
    );
    let described = text(&host.command(&["stream", "describe", "s"]));
    assert!(described.contains("messages    0 to 1"), "{described}");
    let json = text(&host.command(&["stream", "read", "s", "--max", "1", "--json"]));
    let message: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(message["payload"], "one");
    let unasked = host.command(&["stream", "delete", "s"]);
    assert!(String::from_utf8_lossy(&unasked.stderr).contains("--yes"));
    text(&host.command(&["stream", "delete", "s", "--yes"]));
    assert_eq!(text(&host.command(&["stream", "list"])), "");
    let missing = host.command(&["stream", "describe", "s"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("does not exist"));
}

#[test]
fn a_host_that_is_not_there_has_an_exit_code_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let output = millstream()
        .current_dir(folder.path())
        .args(["stream", "list", "--server", &address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("millstream run"));
}

#[test]
fn a_plugin_shows_what_it_is_what_it_wants_and_what_is_missing() {
    let host = Host::start("");
    let shown = text(&host.command(&["plugin", "inspect", "kinesis"]));
    for expected in [
        "kind        exporter",
        "asks for    aws-services: kinesis",
        "[plugin.kinesis.grants]",
        "kinesisStreamName",
        "sha256",
    ] {
        assert!(shown.contains(expected), "{expected}:\n{shown}");
    }
    let granted = Host::start(&kinesis_config("http://127.0.0.1:1"));
    let shown = text(&granted.command(&["plugin", "inspect", "kinesis"]));
    assert!(!shown.contains("missing  "), "{shown}");
    let listed = text(&host.command(&["plugin", "list", "--json"]));
    let files = std::fs::read_dir(millstream_tests::plugins()).unwrap();
    assert_eq!(listed.lines().count(), files.count(), "{listed}");
}

#[test]
fn logs_can_be_json_lines() {
    let host = Host::start("[log]\nformat = \"json\"\n");
    host.wait_for_log("RUNNING");
    let log = host.log();
    let line: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(line["level"], "INFO");
    assert_eq!(
        line["message"],
        "Stream Manager reporting the state: RUNNING"
    );
}
