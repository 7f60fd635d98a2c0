//! Updating streams (specification, 6.4). What an update does to cursors is in `export_progress`.

use serde_json::{Value, json};

use super::{Behaviour, Status, all, defined, merge, plain};
use crate::behaviour::Section;
use crate::clients::refused;
use crate::stage::Stage;

pub(super) const SECTION: Section = Section {
    id: "update",
    title: "Updating streams",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "every_property",
        "6.4",
        "An update changes everything but name and persistence, and describe shows it.",
        every_property,
    ),
    all(
        "back_to_defaults",
        "6.4",
        "What an update leaves out goes back to its default.",
        back_to_defaults,
    ),
    all(
        "update_unknown_stream",
        "6.4",
        "An update of a stream that is not there is ResourceNotFound.",
        update_unknown_stream,
    ),
    all(
        "persistence_stays",
        "6.4",
        "Another persistence is UpdateNotAllowed (17), in both directions; the same is taken.",
        persistence_stays,
    ),
    all(
        "size_below_content",
        "6.4",
        "A `maxSize` below what the stream holds is refused with status 3; exactly that is taken.",
        size_below_content,
    ),
    all(
        "segments_from_now_on",
        "6.4",
        "A new `streamSegmentSize` holds for new segments.",
        segments_from_now_on,
    ),
    all(
        "strategy_from_now_on",
        "6.4",
        "A full stream that is changed to overwrite takes messages again, and the other way round \
         refuses them.",
        strategy_from_now_on,
    ),
    all(
        "more_room",
        "6.4",
        "A full stream that is given more room takes messages again.",
        more_room,
    ),
    all(
        "new_export_start",
        "6.4",
        "A start that an update names has to be below the newest number; otherwise it is refused \
         with status 3.",
        new_export_start,
    ),
    all(
        "exports_by_identifier",
        "6.4",
        "Exports are matched by identifier: changed, added and left out.",
        exports_by_identifier,
    ),
    all(
        "another_kind",
        "10",
        "An identifier may change to another kind of export.",
        another_kind,
    ),
    all(
        "invalid_update",
        "6.4",
        "An update that breaks a rule changes nothing.",
        invalid_update,
    ),
    all(
        "messages_stay",
        "6.4",
        "An update leaves messages and numbers as they are.",
        messages_stay,
    ),
    all(
        "update_status_stream",
        "6.3",
        "A status stream that an update names has to exist.",
        update_status_stream,
    ),
];

fn kinesis(identifier: &str, more: Value) -> Value {
    let mut export = json!({
        "identifier": identifier, "kinesisStreamName": "k", "disabled": true,
    });
    merge(&mut export, more);
    export
}

fn exporting(name: &str, exports: Value) -> Value {
    defined(name, json!({ "exportDefinition": { "kinesis": exports } }))
}

fn every_property(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&plain(&name)).unwrap();
    let mut definition = client.definition(&name);
    merge(
        &mut definition,
        json!({
            "maxSize": 67_108_864,
            "streamSegmentSize": 1_048_576,
            "timeToLiveMillis": 3_600_000,
            "strategyOnFull": 0,
            "flushOnWrite": true,
        }),
    );
    definition["exportDefinition"]["kinesis"] = json!([kinesis(
        "k",
        json!({ "batchSize": 10, "priority": 3, "batchIntervalMillis": 60_000 })
    )]);
    client.update(&definition).unwrap();
    assert_eq!(client.definition(&name), definition);
}

fn back_to_defaults(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&plain(&name)).unwrap();
    let defaults = client.definition(&name);
    let mut other = exporting(&name, json!([kinesis("k", json!({}))]));
    merge(
        &mut other,
        json!({
            "maxSize": 1 << 20, "streamSegmentSize": 1 << 16, "timeToLiveMillis": 60_000,
            "flushOnWrite": true,
        }),
    );
    client.update(&other).unwrap();
    assert_ne!(client.definition(&name), defaults);
    client.update(&plain(&name)).unwrap();
    assert_eq!(client.definition(&name), defaults);
}

fn update_unknown_stream(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    refused(client.update(&plain(&name)), Status::ResourceNotFound);
}

fn persistence_stays(stage: &Stage) {
    let mut client = stage.client();
    for (persistence, other) in [(0, 1), (1, 0)] {
        let name = stage.name(&persistence.to_string());
        let same = defined(&name, json!({ "persistence": persistence }));
        client.create(&same).unwrap();
        client.update(&same).unwrap();
        let change = defined(&name, json!({ "persistence": other }));
        let text = refused(client.update(&change), Status::UpdateNotAllowed);
        assert!(text.contains("persistence"), "{text}");
        assert_eq!(client.definition(&name)["persistence"], persistence);
    }
}

fn size_below_content(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&plain(&name)).unwrap();
    client.append(&name, vec![7; 10_000]).unwrap();
    let held = client.storage(&name).2;
    let size = |size: i64| defined(&name, json!({ "maxSize": size }));
    let text = refused(client.update(&size(held - 1)), Status::InvalidRequest);
    assert!(text.contains("maxSize"), "{text}");
    client.update(&size(held)).unwrap();
    assert_eq!(client.definition(&name)["maxSize"], held);
}

fn segments_from_now_on(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let sizes = |segment: u32| json!({ "maxSize": 8192, "streamSegmentSize": segment });
    client.create(&defined(&name, sizes(8192))).unwrap();
    for _ in 0..4 {
        client.append(&name, vec![7; 1000]).unwrap();
    }
    client.update(&defined(&name, sizes(1024))).unwrap();
    for _ in 0..4 {
        client.append(&name, vec![7; 1000]).unwrap();
    }
    assert_eq!(client.storage(&name).0, 0);
    // The first segment goes as one, the later ones message by message.
    client.append(&name, vec![7; 1000]).unwrap();
    assert_eq!(client.storage(&name).0, 4);
    for _ in 0..4 {
        client.append(&name, vec![7; 1000]).unwrap();
    }
    assert_eq!(client.storage(&name).0, 5);
}

fn strategy_from_now_on(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let strategy =
        |strategy: u8| json!({ "name": name, "strategyOnFull": strategy, "maxSize": 1024 });
    client.create(&strategy(0)).unwrap();
    assert_eq!(client.append(&name, vec![7; 900]), Ok(0));
    refused(client.append(&name, vec![7; 900]), Status::InvalidRequest);
    client.update(&strategy(1)).unwrap();
    assert_eq!(client.append(&name, vec![7; 900]), Ok(1));
    client.update(&strategy(0)).unwrap();
    refused(client.append(&name, vec![7; 900]), Status::InvalidRequest);
    assert_eq!(client.read_plainly(&name).unwrap()[0].number, 1);
}

fn more_room(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let size = |size: u32| json!({ "name": name, "strategyOnFull": 0, "maxSize": size });
    client.create(&size(1024)).unwrap();
    assert_eq!(client.append(&name, vec![7; 900]), Ok(0));
    refused(client.append(&name, vec![7; 900]), Status::InvalidRequest);
    client.update(&size(2048)).unwrap();
    assert_eq!(client.append(&name, vec![7; 900]), Ok(1));
    assert_eq!(client.storage(&name).0, 0);
}

fn new_export_start(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&plain(&name)).unwrap();
    let starting = |start: i64| {
        let export = kinesis("k", json!({ "startSequenceNumber": start }));
        exporting(&name, json!([export]))
    };
    refused(client.update(&starting(1)), Status::InvalidRequest);
    client.fill(&name, 5);
    for start in [4, 5, 1 << 40] {
        let text = refused(client.update(&starting(start)), Status::InvalidRequest);
        assert!(text.contains("startSequenceNumber"), "{text}");
    }
    client.update(&starting(3)).unwrap();
    let exports = client.definition(&name)["exportDefinition"].take();
    assert_eq!(exports["kinesis"][0]["startSequenceNumber"], 3);
    let status = client.export_status(&name, "k").unwrap();
    assert_eq!(status["lastExportedSequenceNumber"], 2);
}

fn exports_by_identifier(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let before = json!([kinesis("gone", json!({})), kinesis("stays", json!({}))]);
    client.create(&exporting(&name, before)).unwrap();
    let after = json!([
        kinesis("new", json!({ "batchSize": 1, "priority": 1 })),
        kinesis("stays", json!({ "batchSize": 9, "priority": 2 })),
    ]);
    client.update(&exporting(&name, after.clone())).unwrap();
    let exports = client.definition(&name)["exportDefinition"].take();
    assert_eq!(exports["kinesis"], after);
    assert!(client.export_status(&name, "new").is_some());
    assert!(client.export_status(&name, "stays").is_some());
    assert!(client.export_status(&name, "gone").is_none());
}

fn another_kind(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client
        .create(&exporting(&name, json!([kinesis("same", json!({}))])))
        .unwrap();
    let sitewise = json!({ "IotSitewise": [{ "identifier": "same", "disabled": true }] });
    client
        .update(&defined(&name, json!({ "exportDefinition": sitewise })))
        .unwrap();
    let exports = client.definition(&name)["exportDefinition"].take();
    assert_eq!(exports["kinesis"], json!([]));
    assert_eq!(exports["IotSitewise"][0]["identifier"], "same");
}

fn invalid_update(stage: &Stage) {
    let (mut client, name) = (stage.unchecked_client(), stage.name("s"));
    client
        .create(&exporting(&name, json!([kinesis("k", json!({}))])))
        .unwrap();
    client.append(&name, vec![7; 5000]).unwrap();
    let before = client.describe(&name).unwrap();
    let twice = json!([kinesis("k", json!({})), kinesis("k", json!({}))]);
    for invalid in [
        defined(&name, json!({ "maxSize": 1023 })),
        defined(&name, json!({ "maxSize": 2048 })),
        defined(&name, json!({ "timeToLiveMillis": 1 })),
        exporting(&name, twice),
        exporting(&name, json!([kinesis("k", json!({ "batchSize": 501 }))])),
    ] {
        refused(client.update(&invalid), Status::InvalidRequest);
        assert_eq!(client.describe(&name).unwrap(), before);
    }
}

fn messages_stay(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&plain(&name)).unwrap();
    client.fill(&name, 3);
    let before = client.storage(&name);
    let smaller = json!({ "maxSize": 1 << 20, "flushOnWrite": true });
    client.update(&defined(&name, smaller)).unwrap();
    assert_eq!(client.storage(&name), before);
    assert_eq!(client.append(&name, "x"), Ok(3));
    let all = json!({ "minMessageCount": 4 });
    assert_eq!(client.numbers(&name, all), [0, 1, 2, 3]);
}

fn update_status_stream(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&plain(&name)).unwrap();
    let reporting = |to: &str| {
        let status = json!({ "statusStreamName": to });
        let s3 = json!([{ "identifier": "s", "disabled": true, "statusConfig": status }]);
        defined(
            &name,
            json!({ "exportDefinition": { "s3TaskExecutor": s3 } }),
        )
    };
    let nowhere = reporting(&stage.name("nowhere"));
    refused(client.update(&nowhere), Status::InvalidRequest);
    client.update(&reporting(&name)).unwrap();
}
