//! A plugin comes, is copied slowly, and goes.

use std::io::Write;

use millstream_protocol::definition::{
    Destination, Export, ExportDefinition, ExportFormat, StrategyOnFull,
};
use millstream_protocol::{Call, MessageStreamDefinition};
use millstream_tests::{HttpAnswer, HttpSink, RawClient, eventually, eventually_within};

use super::{IN_TIME, Stage, TO_FILE, built, sha256, version};

#[test]
fn a_plugin_that_is_dropped_in_exports_at_once() {
    let stage = Stage::start(&[], TO_FILE);
    stage.append(1);
    stage.host.wait_for_export("s", "names the file", |export| {
        let error = export["errorMessage"].as_str().unwrap();
        error.contains("put file.wasm into the folder")
    });
    let file = built("file");
    stage.prepare(&file);

    stage.put("file.wasm", &file);
    eventually_within(IN_TIME, "the message is exported", || {
        (stage.written() == [0]).then_some(())
    });
    let export = stage.host.wait_for_export("s", "is well", |export| {
        export["exportedMessagesCount"] == 1
    });
    assert_eq!(export["errorMessage"], "");
    let plugin = stage.plugin("file");
    assert_eq!(plugin["sha256"], sha256(&file));
    assert_eq!(plugin["problem"], "");
}

#[test]
fn a_plugin_that_is_taken_away_pauses_its_exports_and_they_go_on_when_it_is_back() {
    let file = built("file");
    let stage = Stage::start(&[("file.wasm", &file)], TO_FILE);
    stage.append(30);
    stage.wait_for_written(30);
    stage
        .host
        .wait_for_export("s", "is well", |export| export["errorMessage"] == "");

    stage.take_away("file.wasm");
    eventually_within(IN_TIME, "the export says what has happened", || {
        let export = &stage.host.describe("s")?["exports"][0];
        let error = export["errorMessage"].as_str()?;
        (error.contains("was taken away") && error.contains("go on when")).then_some(())
    });
    assert_eq!(stage.plugin("file")["sha256"], "");
    let listed = stage.list();
    assert!(
        listed.contains("gone") && listed.contains("was taken away"),
        "{listed}"
    );
    stage.append(30);
    assert_eq!(stage.written().len(), 30);

    stage.put("file.wasm", &file);
    stage.wait_for_written(60);
    let export = stage.host.wait_for_export("s", "is well", |export| {
        export["exportedMessagesCount"] == 60
    });
    assert_eq!(export["errorMessage"], "");
    // The same version again replaces nothing.
    assert_eq!(stage.plugin("file")["replacements"], 0);
}

#[test]
fn a_file_that_is_half_copied_is_waited_for_and_not_reported() {
    let sink = HttpSink::scripted(|_, _| HttpAnswer::status(200));
    let endpoint = sink.endpoint();
    let config = format!(
        "{TO_FILE}\n[[stream]]\nname = \"h\"\n[[stream.export]]\nidentifier = \"to-http\"\nplugin = \
         \"http\"\nconfig = {{ uri = \"{endpoint}/in\" }}\n[plugin.http.grants]\nhosts = [\"{endpoint}\"]\n"
    );
    let stage = Stage::start(&[], &config);
    stage.host.wait_for_export("h", "names the file", |export| {
        export["errorMessage"]
            .as_str()
            .unwrap()
            .contains("put http.wasm")
    });
    // Compiled now, so that the half file does not wait until it counts as broken.
    stage.prepare(&built("file"));
    let http = built("http");
    let (first, second) = http.split_at(http.len() / 2);
    stage.put("http.wasm", first);

    // Another plugin that comes later is there; the half one was looked at as often.
    stage.append(1);
    stage.put("file.wasm", &built("file"));
    stage.wait_for_written(1);
    assert!(stage.log_lines("http.wasm is not whole").is_empty());
    let export = stage.host.describe("h").unwrap();
    let error = export["exports"][0]["errorMessage"].as_str().unwrap();
    assert!(error.contains("put http.wasm"), "{error}");

    let mut file = std::fs::File::options()
        .append(true)
        .open(stage.path("http.wasm"))
        .unwrap();
    file.write_all(second).unwrap();
    let appended = stage
        .host
        .command(&["stream", "append", "h", "over the wire"]);
    assert!(appended.status.success());
    eventually("the message arrives", || {
        (sink.requests().len() == 1).then_some(())
    });
    assert!(stage.log_lines("is not whole").is_empty());
}

#[test]
fn a_copy_that_does_not_go_on_is_reported_once_and_the_version_in_use_goes_on() {
    let file = built("file");
    let stage = Stage::start(&[("file.wasm", &file)], TO_FILE);
    stage.append(1);
    stage.wait_for_written(1);
    let other = version(&file, "cut off");
    stage.put("file.wasm", &other[..other.len() - 1]);
    stage.host.wait_for_log("is not whole");
    stage.append(1);
    stage.wait_for_written(2);
    assert_eq!(stage.log_lines("is not whole").len(), 1);
    let plugin = stage.plugin("file");
    assert_eq!(plugin["sha256"], sha256(&file));
    let problem = plugin["problem"].as_str().unwrap();
    assert!(problem.contains("copy it again"), "{problem}");
}

#[test]
fn a_producer_runs_on_with_the_version_that_replaces_its_own() {
    let config = format!(
        "{TO_FILE}\n[[producer]]\nname = \"clock\"\ncomponent = \"timestamp\"\nargs = [\"--stream\", \
         \"s\", \"--interval\", \"20ms\"]\n[producer.grants]\nappend = [\"s\"]\n"
    );
    let timestamp = built("timestamp");
    let stage = Stage::start(
        &[
            ("file.wasm", &built("file")),
            ("timestamp.wasm", &timestamp),
        ],
        &config,
    );
    let written = |count| {
        eventually(&format!("{count} messages come"), || {
            (stage.written().len() >= count).then_some(())
        });
    };
    written(5);
    let other = version(&timestamp, "another clock");
    stage.put("timestamp.wasm", &other);
    let hash = sha256(&other);
    eventually("the producer runs in its new version", || {
        let started = stage.log_lines("producer started");
        let last = started.last()?["sha256"].as_str()?.to_owned();
        (started.len() == 2 && hash.starts_with(&last)).then_some(())
    });
    written(stage.written().len() + 5);

    stage.take_away("timestamp.wasm");
    stage.host.wait_for_log("was taken away");
    stage.put("timestamp.wasm", &timestamp);
    eventually("the producer runs again", || {
        (stage.log_lines("producer started").len() == 3).then_some(())
    });
    let numbers = stage.written();
    assert!(numbers.iter().copied().eq(0..numbers.len() as u64));
}

#[test]
fn a_plugin_that_cannot_be_looked_at_is_an_error_of_its_exports_and_its_stream_can_be_deleted() {
    let stage = Stage::start(&[], TO_FILE);
    // A file that leads to itself is neither there nor not there, whoever looks.
    std::os::unix::fs::symlink("file.wasm", stage.path("file.wasm")).unwrap();
    stage.append(1);
    stage
        .host
        .wait_for_export("s", "says what is wrong", |export| {
            let error = export["errorMessage"].as_str().unwrap();
            error.contains("file.wasm cannot be looked at")
        });

    let mut client = RawClient::connect(stage.host.port());
    let name = "long".parse().unwrap();
    let mut definition = MessageStreamDefinition::new(name, StrategyOnFull::OverwriteOldestData);
    let destination = Destination::Http {
        uri: format!("plugin:{}", "x".repeat(300)),
        format: ExportFormat::RawNotBatched,
    };
    let export = Export::new("e".parse().unwrap(), destination);
    definition.exports = ExportDefinition::new(vec![export]).unwrap();
    let created = client.call("c", Call::Create(Box::new(definition)));
    assert!(created.outcome.is_ok(), "{created:?}");
    stage
        .host
        .wait_for_export("long", "says what is wrong", |export| {
            let error = export["errorMessage"].as_str().unwrap();
            error.contains("is not the name of a plugin: it has more than 200 bytes")
        });
    // Of what it does not carry any more, nobody can be told: that holds up nothing.
    let deleted = client.call("d", Call::Delete("long".parse().unwrap()));
    assert!(deleted.outcome.is_ok(), "{deleted:?}");

    stage.take_away("file.wasm");
    let file = built("file");
    stage.prepare(&file);
    stage.put("file.wasm", &file);
    stage.wait_for_written(1);
    let export = stage.host.wait_for_export("s", "is well", |export| {
        export["exportedMessagesCount"] == 1
    });
    assert_eq!(export["errorMessage"], "");
    assert_eq!(stage.plugin("file")["problem"], "");
}
