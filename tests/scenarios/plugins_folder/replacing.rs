//! A version takes the place of another, or fails to.

use std::sync::atomic::{AtomicBool, Ordering};

use millstream_protocol::Call;
use millstream_tests::{RawClient, eventually, eventually_within};

use super::{IN_TIME, Stage, TO_FILE, built, get, sha256, version};

const TAKEN_OVER: &str = "export goes on with another version of its plugin";

#[test]
fn a_plugin_that_is_replaced_under_load_loses_and_doubles_nothing_and_hardly_pauses() {
    let file = built("file");
    let stage = Stage::start(&[("file.wasm", &file)], TO_FILE);
    let versions = [version(&file, "one"), version(&file, "two"), file.clone()];
    versions.iter().for_each(|version| stage.prepare(version));
    let done = AtomicBool::new(false);
    let appended = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut client = RawClient::connect(stage.host.port());
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                let (name, payload) = ("s".parse().unwrap(), "message".into());
                let response = client.call("a", Call::Append { name, payload });
                assert!(response.outcome.is_ok(), "{response:?}");
                count += 1;
            }
            count
        });
        for (number, version) in versions.iter().enumerate() {
            stage.put("file.wasm", version);
            eventually("the export goes on with the new version", || {
                (stage.log_lines(TAKEN_OVER).len() == number + 1).then_some(())
            });
            let before = stage.written().len();
            eventually("messages are exported by it", || {
                (stage.written().len() > before).then_some(())
            });
        }
        done.store(true, Ordering::Relaxed);
        load.join().unwrap()
    });
    stage.wait_for_written(appended);
    let export = stage.host.wait_for_export("s", "is done", |export| {
        export["exportedMessagesCount"] == appended
    });
    assert_eq!(export["errorMessage"], "");
    for line in stage.log_lines(TAKEN_OVER) {
        assert!(line["paused_ms"].is_number(), "{line}");
    }
    let plugin = stage.plugin("file");
    assert_eq!(plugin["replacements"], 3);
    assert_eq!(plugin["sha256"], sha256(&file));
}

#[test]
fn version_and_hash_in_use_stand_in_the_list_the_log_and_the_metrics() {
    let file = built("file");
    let stage = Stage::start(&[("file.wasm", &file)], TO_FILE);
    let shows = |bytes: &[u8]| {
        let hash = sha256(bytes);
        eventually("the status has the hash", || {
            let status = stage.status();
            let of_export = &status["streams"][0]["exports"][0]["pluginSha256"];
            (*of_export == hash && status["plugins"][0]["sha256"] == hash).then_some(())
        });
        let listed = stage.list();
        assert!(
            listed.contains(&hash[..12]) && listed.contains("in use"),
            "{listed}"
        );
        let status = stage.status();
        let metrics = get(status["http"].as_str().unwrap(), "/metrics");
        let version = status["plugins"][0]["version"].as_str().unwrap();
        let line = format!("millstream_plugin_info{{version=\"{version}\",sha256=\"{hash}\",");
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
        assert!(!stage.log_lines(&hash).is_empty());
    };
    shows(&file);
    let other = version(&file, "one");
    stage.prepare(&other);
    stage.put("file.wasm", &other);
    // Nothing has to be exported for it.
    eventually_within(IN_TIME, "the new version is in use", || {
        (stage.plugin("file")["sha256"] == sha256(&other)).then_some(())
    });
    shows(&other);
}

#[test]
fn a_transform_is_replaced_and_its_version_and_hash_stand_in_the_list_the_log_and_the_metrics() {
    let (file, transform) = (built("file"), built("json-fields"));
    let through = "transforms = [{ plugin = \"json-fields\", config = { drop = [\"raw\"] } }]\n";
    let config = TO_FILE.replace("batch-size = 20\n", &format!("batch-size = 20\n{through}"));
    let stage = Stage::start(
        &[("file.wasm", &file), ("json-fields.wasm", &transform)],
        &config,
    );
    let append = |count: usize| {
        let mut client = RawClient::connect(stage.host.port());
        for _ in 0..count {
            let (name, payload) = ("s".parse().unwrap(), r#"{"kept":1,"raw":2}"#.into());
            let response = client.call("a", Call::Append { name, payload });
            assert!(response.outcome.is_ok(), "{response:?}");
        }
    };
    let shows = |bytes: &[u8]| {
        let (hash, version) = (sha256(bytes), env!("CARGO_PKG_VERSION"));
        eventually_within(IN_TIME, "the status has version and hash", || {
            let plugin = stage.plugin("json-fields");
            (plugin["sha256"] == hash && plugin["version"] == version).then_some(())
        });
        let listed = stage.list();
        assert!(listed.contains(&hash[..12]), "{listed}");
        let metrics = get(stage.status()["http"].as_str().unwrap(), "/metrics");
        let line = format!("millstream_plugin_info{{version=\"{version}\",sha256=\"{hash}\",");
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
        let logged = stage.log_lines(&hash);
        assert!(logged.iter().any(|line| line["version"] == version));
    };
    append(10);
    stage.wait_for_written(10);
    shows(&transform);
    let other = version(&transform, "one");
    stage.prepare(&other);
    stage.put("json-fields.wasm", &other);
    shows(&other);
    append(10);
    stage.wait_for_written(20);
    let written = std::fs::read_to_string(stage.host.folder().join("out/s.jsonl")).unwrap();
    assert!(
        written.contains("kept") && !written.contains("raw"),
        "{written}"
    );
}

#[test]
fn a_file_that_is_no_plugin_is_reported_and_the_version_in_use_goes_on() {
    let file = built("file");
    let stage = Stage::start(&[("file.wasm", &file)], TO_FILE);
    stage.append(1);
    stage.wait_for_written(1);
    stage.put("file.wasm", b"not WebAssembly");
    eventually_within(IN_TIME, "the failure is reported", || {
        (!stage.log_lines("the version in use goes on").is_empty()).then_some(())
    });
    stage.append(1);
    stage.wait_for_written(2);
    let listed = stage.list();
    let in_use = format!(
        "in use    {} {}",
        env!("CARGO_PKG_VERSION"),
        &sha256(&file)[..12]
    );
    assert!(
        listed.contains(&in_use) && listed.contains("is not WebAssembly"),
        "{in_use} is not in\n{listed}"
    );
    let metrics = get(stage.status()["http"].as_str().unwrap(), "/metrics");
    assert!(
        metrics.contains("millstream_plugin_failing{plugin=\"file\"} 1\n"),
        "{metrics}"
    );
    assert_eq!(stage.log_lines("the version in use goes on").len(), 1);

    // Mended, it is taken up.
    let other = version(&file, "one");
    stage.put("file.wasm", &other);
    eventually("the new version is in use", || {
        (stage.plugin("file")["sha256"] == sha256(&other)).then_some(())
    });
    assert_eq!(stage.plugin("file")["problem"], "");
    stage.append(1);
    stage.wait_for_written(3);
}

#[test]
fn a_version_that_refuses_the_configuration_of_an_export_is_reported_and_the_old_one_goes_on() {
    let file = built("file");
    let stage = Stage::start(&[("file.wasm", &file)], TO_FILE);
    stage.append(1);
    stage.wait_for_written(1);
    // A plugin in its own right, which wants to know where to send.
    stage.put("file.wasm", &built("http"));
    let export = eventually("the export does not take over", || {
        let status = stage.status();
        let export = &status["streams"][0]["exports"][0];
        (export["passedOver"] != "").then(|| export.clone())
    });
    assert_eq!(export["pluginSha256"], sha256(&file));
    let sentence = export["passedOver"].as_str().unwrap();
    assert!(sentence.contains("cannot be opened"), "{sentence}");
    stage.append(1);
    stage.wait_for_written(2);
    let listed = stage.list();
    assert!(listed.contains("s/to-files: "), "{listed}");

    let other = version(&file, "one");
    stage.put("file.wasm", &other);
    eventually("the export takes over the next version", || {
        let status = stage.status();
        let export = &status["streams"][0]["exports"][0];
        (export["pluginSha256"] == sha256(&other) && export["passedOver"] == "").then_some(())
    });
    stage.append(1);
    stage.wait_for_written(3);
}
