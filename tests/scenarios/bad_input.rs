//! Configuration, files and folders that are not as they should be.

use std::path::Path;
use std::process::{Output, Stdio};

use millstream_protocol::Call;
use millstream_tests::{Host, RawClient, millstream, plugins, target};

/// Runs a command in a folder with a configuration, to its end.
fn run(folder: &Path, config: &str, args: &[&str]) -> Output {
    std::fs::write(folder.join("millstream.toml"), config).unwrap();
    millstream()
        .current_dir(folder)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Starts a host that must refuse, and returns what it says.
fn refusal(folder: &Path, config: &str) -> (Option<i32>, String) {
    let output = run(folder, config, &["run"]);
    assert!(!output.status.success());
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

const ANY_PORT: &str = "[server]\nlisten = \"127.0.0.1:0\"\n";

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let host = Host::start("");
    let folder = tempfile::tempdir().unwrap();
    let config = format!("[server]\nlisten = \"127.0.0.1:{}\"\n", host.port());
    let (_, said) = refusal(folder.path(), &config);
    assert!(
        said.contains(&host.port().to_string()) && said.contains("server.listen"),
        "{said}"
    );
}

#[test]
fn a_data_folder_in_use_is_named_and_the_host_that_uses_it_goes_on() {
    let host = Host::start("");
    let data = host.folder().join("data");
    let folder = tempfile::tempdir().unwrap();
    let config = format!("{ANY_PORT}[storage]\nfolder = {data:?}\n");
    let (_, said) = refusal(folder.path(), &config);
    assert!(said.contains("in use by another process"), "{said}");
    assert!(
        RawClient::connect(host.port())
            .call("l", Call::List)
            .outcome
            .is_ok()
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let config = format!("{ANY_PORT}[storage]\nfolder = \"file/data\"\n");
    let (_, said) = refusal(folder.path(), &config);
    assert!(
        said.contains("file/data") && said.contains("storage.folder"),
        "{said}"
    );
}

#[test]
fn a_wrong_key_type_or_unit_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    for (config, expected) in [
        (
            "[server]\nlisen = \"127.0.0.1:0\"",
            "line 2: unknown key \"lisen\"; did you mean \"listen\"?",
        ),
        ("[server]\nmax-connections = \"x\"", "line 2: invalid type"),
        ("[storage]\ncache = \"4 bananas\"", "is not a size"),
        (
            "[exports]\nlinger = \"1 fortnight\"",
            "is not a length of time",
        ),
        ("[server", "line 1"),
    ] {
        let (code, said) = refusal(folder.path(), config);
        assert!(said.contains(expected), "{config}: {said}");
        assert_eq!(code, Some(3));
        assert!(
            !folder.path().join("millstream-data").exists(),
            "nothing was touched"
        );
    }
}

/// Plugins that are not what they should be, beside the good ones.
fn broken_plugins() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["file", "timestamp"] {
        let from = plugins().join(format!("{name}.wasm"));
        std::fs::copy(from, folder.path().join(format!("{name}.wasm"))).unwrap();
    }
    std::fs::write(folder.path().join("text.wasm"), "not WebAssembly").unwrap();
    // The smallest core module: a magic number and a version.
    std::fs::write(folder.path().join("core.wasm"), b"\0asm\x01\0\0\0").unwrap();
    // The smallest component: it exports nothing.
    std::fs::write(folder.path().join("empty.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    // The same contract in a version that this host does not have.
    let good = std::fs::read(plugins().join("file.wasm")).unwrap();
    let other = replace(
        &good,
        b"millstream:plugin/exporter@0.1.0",
        b"millstream:plugin/exporter@0.9.0",
    );
    std::fs::write(folder.path().join("future.wasm"), other).unwrap();
    folder
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    while let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

#[test]
fn a_file_that_is_no_plugin_is_explained_and_the_others_are_listed() {
    let plugins = broken_plugins();
    let folder = tempfile::tempdir().unwrap();
    let cache = target().join("native-code");
    let config = format!(
        "[plugins]\nfolder = {:?}\ncache = {cache:?}\n",
        plugins.path()
    );
    let output = run(folder.path(), &config, &["plugin", "list"]);
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |name: &str| {
        let line = listed.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("{name} is not in:\n{listed}"))
            .to_owned()
    };
    assert!(line("file").contains("exporter"), "{listed}");
    assert!(line("timestamp").contains("producer"), "{listed}");
    assert!(line("text").contains("not WebAssembly"), "{listed}");
    assert!(line("core").contains("core module"), "{listed}");
    assert!(line("empty").contains("exporter"), "{listed}");
    let future = line("future");
    assert!(
        future.contains("0.9.0") && future.contains("0.1"),
        "{listed}"
    );
}

#[test]
fn an_export_whose_plugin_is_broken_missing_or_not_granted_says_so_and_the_rest_goes_on() {
    let plugins = broken_plugins();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("out")).unwrap();
    let export = |identifier: &str, plugin: &str| {
        format!("[[stream.export]]\nidentifier = \"{identifier}\"\nplugin = \"{plugin}\"\n")
    };
    let config = format!(
        "[exports]\nlinger = \"10ms\"\n[[stream]]\nname = \"s\"\n{}{}{}{}[[stream]]\nname = \
         \"good\"\n{}config = {{ folder = \"/granted\" }}\n[plugin.file.grants]\nfolders = \
         [{{ path = \"out\", as = \"/granted\", write = true }}]\n",
        export("missing", "nowhere"),
        export("text", "text"),
        export("core", "core"),
        export("not-granted", "file"),
        export("works", "file"),
    );
    let host = Host::start_in(folder, plugins.path(), &config, &[]);
    let mut client = RawClient::connect(host.port());
    for stream in ["s", "good"] {
        let name = stream.parse().unwrap();
        let response = client.call(
            "a",
            Call::Append {
                name,
                payload: "kept".into(),
            },
        );
        assert!(response.outcome.is_ok());
    }
    host.wait_for_export("good", "works", |export| {
        export["exportedMessagesCount"] == 1
    });
    for (place, expected) in [
        (0, "put nowhere.wasm into"),
        (1, "not WebAssembly"),
        (2, "core module"),
        (3, "folder"),
    ] {
        millstream_tests::eventually(&format!("export {place} says \"{expected}\""), || {
            let export = host.describe("s")?["exports"][place].clone();
            export["errorMessage"]
                .as_str()?
                .contains(expected)
                .then_some(())
        });
    }
    assert_eq!(host.describe("s").unwrap()["newestSequenceNumber"], 0);
}

#[test]
fn a_key_that_nobody_knows_is_ignored_and_logged_once() {
    let host = Host::start("log.level = \"debug\"");
    let mut client = RawClient::connect(host.port());
    let list = b"\x00\x00\x00\x13\x0b\xa2\x69requestId\x61l\x63new\x01";
    client.send(&list.repeat(2));
    for _ in 0..2 {
        assert!(client.response().outcome.is_ok());
    }
    host.wait_for_log("not known");
    let log = host.log();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("not known"))
        .collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("key=\"new\""), "{log}");
}
