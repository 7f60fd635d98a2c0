//! Exports and their cursors, as far as clients see them (specification, 2 and 4.1).

use millstream_tests::eventually;
use serde_json::{Value, json};

use super::{Behaviour, Status, all, defined, merge};
use crate::behaviour::Section;
use crate::clients::{Session, refused};
use crate::stage::Stage;

pub(super) const SECTION: Section = Section {
    id: "export_progress",
    title: "Exports and their cursors",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "fresh_export",
        "2",
        "An export that has done nothing says -1, 0 messages, 0 bytes, never, and no error.",
        fresh_export,
    ),
    all(
        "progress",
        "2",
        "What an export delivers shows in its status: the last number, messages, bytes, and when.",
        progress,
    ),
    all(
        "exporting_removes_nothing",
        "4.1",
        "Exported messages stay in the stream.",
        exporting_removes_nothing,
    ),
    all(
        "disabled",
        "4.1",
        "A disabled export does nothing; enabled again, it goes on from its cursor.",
        disabled,
    ),
    all(
        "start",
        "4",
        "An export begins at its `startSequenceNumber`.",
        start,
    ),
    all(
        "independent",
        "4.1",
        "Each export of a stream has a cursor of its own.",
        independent,
    ),
    all(
        "failing_export",
        "2",
        "An export that cannot deliver says why, and its stream goes on.",
        failing_export,
    ),
    all(
        "kept_cursor",
        "6.4",
        "An update that keeps an identifier keeps its cursor, whatever else it changes.",
        kept_cursor,
    ),
    all(
        "kept_start",
        "10",
        "An update that names no `startSequenceNumber`, the same, or 0, keeps the cursor.",
        kept_start,
    ),
    all(
        "new_start",
        "6.4",
        "An update that names another `startSequenceNumber` lets the export begin there.",
        new_start,
    ),
    all(
        "dropped_export",
        "6.4",
        "An export that an update leaves out is gone; added again, it begins anew.",
        dropped_export,
    ),
    all(
        "refused_update_keeps_exports",
        "6.4",
        "An update that is refused stops no export.",
        refused_update_keeps_exports,
    ),
];

/// A stream whose one export, `e`, writes files.
fn exporting(name: &str, more: Value) -> Value {
    let uri = format!("plugin:file?fileName={name}");
    let mut http = json!({ "identifier": "e", "uri": uri, "batchSize": 1 });
    merge(&mut http, more);
    defined(name, json!({ "exportDefinition": { "http": [http] } }))
}

/// The status of the export once it has done so much.
fn exported(client: &mut Session, name: &str, messages: u64) -> Value {
    eventually(&format!("{name} has exported {messages} messages"), || {
        let status = client.export_status(name, "e")?;
        (status["exportedMessagesCount"] == messages).then_some(status)
    })
}

fn fresh_export(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&exporting(&name, json!({}))).unwrap();
    let expected = json!({
        "exportConfigIdentifier": "e",
        "lastExportedSequenceNumber": -1,
        "lastExportTime": 0,
        "errorMessage": "",
        "exportedBytesFromStream": 0,
        "exportedMessagesCount": 0,
    });
    assert_eq!(client.export_status(&name, "e"), Some(expected));
}

fn progress(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&exporting(&name, json!({}))).unwrap();
    let mut before = 0;
    for payload in ["one", "three", "eleven"] {
        client.append(&name, payload).unwrap();
        before = client.read(&name, json!({ "minMessageCount": 1 })).unwrap()[0].ingest_time;
    }
    let status = exported(&mut client, &name, 3);
    assert_eq!(status["lastExportedSequenceNumber"], 2);
    assert_eq!(status["exportedBytesFromStream"], 3 + 5 + 6);
    assert_eq!(status["errorMessage"], "");
    assert!(status["lastExportTime"].as_u64().unwrap() >= before);
}

fn exporting_removes_nothing(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&exporting(&name, json!({}))).unwrap();
    client.fill(&name, 3);
    exported(&mut client, &name, 3);
    let all = json!({ "minMessageCount": 3 });
    assert_eq!(client.numbers(&name, all), [0, 1, 2]);
    assert_eq!(client.storage(&name).0, 0);
}

fn disabled(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&exporting(&name, json!({}))).unwrap();
    client.fill(&name, 2);
    exported(&mut client, &name, 2);
    let paused = exporting(&name, json!({ "disabled": true }));
    client.update(&paused).unwrap();
    client.fill(&name, 2);
    // Another export of the host works in the meantime; this one has not moved.
    let other = stage.name("other");
    client.create(&exporting(&other, json!({}))).unwrap();
    client.fill(&other, 5);
    exported(&mut client, &other, 5);
    let status = client.export_status(&name, "e").unwrap();
    assert_eq!(status["lastExportedSequenceNumber"], 1);
    client.update(&exporting(&name, json!({}))).unwrap();
    let status = exported(&mut client, &name, 4);
    assert_eq!(status["lastExportedSequenceNumber"], 3);
}

fn start(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let definition = exporting(&name, json!({ "startSequenceNumber": 3 }));
    client.create(&definition).unwrap();
    client.fill(&name, 5);
    let status = exported(&mut client, &name, 2);
    assert_eq!(status["lastExportedSequenceNumber"], 4);
}

fn independent(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let mut definition = exporting(&name, json!({}));
    let kinesis = json!([{ "identifier": "k", "kinesisStreamName": "k", "disabled": true }]);
    definition["exportDefinition"]["kinesis"] = kinesis;
    client.create(&definition).unwrap();
    client.fill(&name, 2);
    exported(&mut client, &name, 2);
    let other = client.export_status(&name, "k").unwrap();
    assert_eq!(other["lastExportedSequenceNumber"], -1);
}

fn failing_export(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let mut definition = exporting(&name, json!({}));
    definition["exportDefinition"]["http"][0]["uri"] = "plugin:nowhere".into();
    client.create(&definition).unwrap();
    client.fill(&name, 1);
    let status = eventually("the export says what is wrong", || {
        let status = client.export_status(&name, "e")?;
        (status["errorMessage"] != "").then_some(status)
    });
    let text = status["errorMessage"].as_str().unwrap();
    assert!(text.contains("nowhere"), "{text}");
    assert_eq!(status["lastExportedSequenceNumber"], -1);
    assert_eq!(client.append(&name, "more"), Ok(1));
}

fn kept_cursor(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&exporting(&name, json!({}))).unwrap();
    client.fill(&name, 3);
    let before = exported(&mut client, &name, 3);
    let mut changed = exporting(
        &name,
        json!({ "priority": 2, "batchSize": 5, "disabled": true }),
    );
    merge(&mut changed, json!({ "maxSize": 1 << 30 }));
    client.update(&changed).unwrap();
    assert_eq!(client.export_status(&name, "e"), Some(before));
}

fn kept_start(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let starting = |start: u64| exporting(&name, json!({ "startSequenceNumber": start }));
    client.create(&starting(5)).unwrap();
    // Also while the stream is shorter than that.
    client.update(&starting(5)).unwrap();
    client.fill(&name, 8);
    let before = exported(&mut client, &name, 3);
    let absent = exporting(&name, json!({}));
    for same in [starting(5), absent, starting(0)] {
        client.update(&same).unwrap();
        assert_eq!(client.export_status(&name, "e"), Some(before.clone()));
    }
}

fn new_start(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&exporting(&name, json!({}))).unwrap();
    client.fill(&name, 4);
    exported(&mut client, &name, 4);
    let two = exporting(&name, json!({ "startSequenceNumber": 2 }));
    client.update(&two).unwrap();
    let status = exported(&mut client, &name, 2);
    assert_eq!(status["lastExportedSequenceNumber"], 3);
}

fn dropped_export(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&exporting(&name, json!({}))).unwrap();
    client.fill(&name, 2);
    exported(&mut client, &name, 2);
    client.update(&super::plain(&name)).unwrap();
    assert_eq!(client.export_status(&name, "e"), None);
    let exports = client.definition(&name)["exportDefinition"].take();
    assert_eq!(exports["http"], json!([]));
    let again = exporting(&name, json!({ "disabled": true }));
    client.update(&again).unwrap();
    let status = client.export_status(&name, "e").unwrap();
    assert_eq!(status["lastExportedSequenceNumber"], -1);
    assert_eq!(status["exportedMessagesCount"], 0);
}

fn refused_update_keeps_exports(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&exporting(&name, json!({}))).unwrap();
    client.fill(&name, 1);
    exported(&mut client, &name, 1);
    let mut refusing = exporting(&name, json!({ "priority": 1 }));
    refusing["persistence"] = 1.into();
    refused(client.update(&refusing), Status::UpdateNotAllowed);
    client.fill(&name, 1);
    let status = exported(&mut client, &name, 2);
    assert_eq!(status["lastExportedSequenceNumber"], 1);
}
