//! Export definitions (specification, 4).

use serde_json::{Value, json};

use super::{Behaviour, Status, all, defined, merge, raw};
use crate::behaviour::Section;
use crate::clients::refused;
use crate::stage::Stage;
use crate::wire::{map, op};

pub(super) const SECTION: Section = Section {
    id: "export_definitions",
    title: "Export definitions",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "every_kind",
        "4",
        "Each of the five kinds of export survives create and describe with every field it has.",
        every_kind,
    ),
    all(
        "defaults_of_kinds",
        "4",
        "An export with no more than what is required has the defaults of its kind: the greatest \
         batch, priority 10, enabled.",
        defaults_of_kinds,
    ),
    all(
        "several_of_a_kind",
        "4",
        "A stream may have several exports of one kind, described in their order.",
        several_of_a_kind,
    ),
    all(
        "send_back",
        "6.4",
        "A definition that was described can be sent back in an update, with every kind of export.",
        send_back,
    ),
    all(
        "unique_identifiers",
        "4.1",
        "Two exports of a stream with one identifier are refused, also if they are of different \
         kinds.",
        unique_identifiers,
    ),
    all(
        "inside_export_bounds",
        "4",
        "The least and the greatest value of each field of an export are taken.",
        inside_bounds,
    ),
    all(
        "outside_export_bounds",
        "4",
        "A value of an export just outside its bounds is refused, with the way to its field.",
        outside_bounds,
    ),
    raw(
        "unknown_export_enumerations",
        "4",
        "A number that is no `exportFormat` or `statusLevel` is refused.",
        unknown_enumerations,
    ),
    raw(
        "unknown_kinds",
        "4",
        "A list of exports of an unknown kind is passed over; `iotSitewise` with a small i is one.",
        unknown_kinds,
    ),
    raw(
        "s3_has_no_batches",
        "4",
        "Batch and start of an S3 export are unknown keys.",
        s3_has_no_batches,
    ),
    raw(
        "missing_lists",
        "6.4",
        "A list of exports that is missing is an empty one.",
        missing_lists,
    ),
    raw(
        "many_exports",
        "10",
        "A stream has up to 256 exports.",
        many_exports,
    ),
    all(
        "plugin_address",
        "4.3",
        "An HTTP export whose address begins with `plugin:` is described as it was given.",
        plugin_address,
    ),
    raw(
        "deep_plugin_address",
        "10",
        "A `plugin:` address has up to 16 KiB, and a key in it up to 16 parts.",
        deep_plugin_address,
    ),
];

/// Every kind with every field it has, all disabled.
fn every_field(status_stream: &str) -> Value {
    let common = |more: Value| {
        let mut export = json!({
            "batchSize": 7,
            "batchIntervalMillis": 60_000,
            "priority": 3,
            "startSequenceNumber": 5,
            "disabled": true,
        });
        merge(&mut export, more);
        export
    };
    json!({
        "http": [common(json!({
            "identifier": "h", "uri": "http://127.0.0.1:1/path?a=b", "exportFormat": 1,
        }))],
        "iotAnalytics": [common(json!({
            "identifier": "a", "iotChannel": "channel", "iotMsgIdPrefix": "prefix",
        }))],
        "kinesis": [common(json!({ "identifier": "k", "kinesisStreamName": "stream" }))],
        "IotSitewise": [common(json!({ "identifier": "w" }))],
        "s3TaskExecutor": [{
            "identifier": "s",
            "sizeThresholdForMultipartUploadBytes": 6_291_456,
            "priority": 2,
            "disabled": true,
            "statusConfig": { "statusLevel": 3, "statusStreamName": status_stream },
        }],
    })
}

/// Every kind with what is required.
fn required() -> Value {
    json!({
        "http": [{ "identifier": "h", "uri": "http://127.0.0.1:1/" }],
        "iotAnalytics": [{ "identifier": "a", "iotChannel": "channel" }],
        "kinesis": [{ "identifier": "k", "kinesisStreamName": "stream" }],
        "IotSitewise": [{ "identifier": "w" }],
        "s3TaskExecutor": [{ "identifier": "s" }],
    })
}

fn exporting(name: &str, exports: Value) -> Value {
    defined(name, json!({ "exportDefinition": exports }))
}

fn every_kind(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let status = stage.name("status");
    client.create_plain(&status);
    let exports = every_field(&status);
    client.create(&exporting(&name, exports.clone())).unwrap();
    assert_eq!(client.definition(&name)["exportDefinition"], exports);
}

fn defaults_of_kinds(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&exporting(&name, required())).unwrap();
    let mut expected = required();
    for (kind, batch_size) in [
        ("http", 500),
        ("iotAnalytics", 100),
        ("kinesis", 500),
        ("IotSitewise", 10),
    ] {
        let defaults = json!({ "batchSize": batch_size, "priority": 10, "disabled": false });
        merge(&mut expected[kind][0], defaults);
    }
    merge(&mut expected["http"][0], json!({ "exportFormat": 0 }));
    let s3 = json!({
        "sizeThresholdForMultipartUploadBytes": 5_242_880, "priority": 10, "disabled": false,
    });
    merge(&mut expected["s3TaskExecutor"][0], s3);
    assert_eq!(client.definition(&name)["exportDefinition"], expected);
}

fn several_of_a_kind(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let identifiers = ["second", "first", "third"];
    let exports = identifiers.map(
        |identifier| json!({ "identifier": identifier, "kinesisStreamName": "k", "disabled": true }),
    );
    client
        .create(&exporting(&name, json!({ "kinesis": exports })))
        .unwrap();
    let info = client.describe(&name).unwrap();
    let described = info["definition"]["exportDefinition"]["kinesis"].as_array();
    let described: Vec<_> = described
        .unwrap()
        .iter()
        .map(|export| export["identifier"].clone())
        .collect();
    assert_eq!(described, identifiers);
    assert_eq!(info["exportStatuses"].as_array().unwrap().len(), 3);
}

fn send_back(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let status = stage.name("status");
    client.create_plain(&status);
    for exports in [every_field(&status), required()] {
        let _ = client.delete(&name);
        client.create(&exporting(&name, exports)).unwrap();
        client.append(&name, "x").unwrap();
        let described = client.definition(&name);
        client.update(&described).unwrap();
        assert_eq!(client.definition(&name), described);
    }
}

fn unique_identifiers(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let kinesis = json!({ "identifier": "same", "kinesisStreamName": "k", "disabled": true });
    let sitewise = json!({ "identifier": "same", "disabled": true });
    for exports in [
        json!({ "kinesis": [kinesis, kinesis] }),
        json!({ "kinesis": [kinesis], "IotSitewise": [sitewise] }),
        json!({ "kinesis": [kinesis], "s3TaskExecutor": [sitewise] }),
    ] {
        let text = refused(
            client.create(&exporting(&name, exports)),
            Status::InvalidRequest,
        );
        assert!(text.contains("same"), "{text}");
    }
    let other = json!({ "identifier": "Same", "disabled": true });
    let exports = json!({ "kinesis": [kinesis], "IotSitewise": [other] });
    client.create(&exporting(&name, exports)).unwrap();
}

/// What is required of each kind, with one field set.
fn with(kind: &str, key: &str, value: &Value) -> Value {
    let mut export = required()[kind][0].take();
    export["disabled"] = true.into();
    export[key] = value.clone();
    json!({ kind: [export] })
}

/// Kinds that take part in batches.
const BATCHED: [(&str, i64); 4] = [
    ("http", 500),
    ("iotAnalytics", 100),
    ("kinesis", 500),
    ("IotSitewise", 10),
];

/// The greatest value of the fields that hold a number of a message or of bytes, as far as every
/// client can say it.
const GREATEST: i64 = (1 << 53) - 1;

fn inside_bounds(stage: &Stage) {
    let mut client = stage.client();
    let mut inside = vec![
        ("s3TaskExecutor", "priority", json!(1)),
        ("s3TaskExecutor", "priority", json!(10)),
        (
            "s3TaskExecutor",
            "sizeThresholdForMultipartUploadBytes",
            json!(5_242_880),
        ),
        (
            "s3TaskExecutor",
            "sizeThresholdForMultipartUploadBytes",
            json!(GREATEST),
        ),
        ("http", "uri", json!("x")),
        ("iotAnalytics", "iotChannel", json!("x")),
        ("iotAnalytics", "iotMsgIdPrefix", json!("x".repeat(32))),
        ("kinesis", "kinesisStreamName", json!("x")),
    ];
    for (kind, greatest_batch) in BATCHED {
        inside.extend([
            (kind, "batchSize", json!(1)),
            (kind, "batchSize", json!(greatest_batch)),
            (kind, "batchIntervalMillis", json!(60_000)),
            (kind, "batchIntervalMillis", json!(9_223_372_036_854_i64)),
            (kind, "priority", json!(1)),
            (kind, "priority", json!(10)),
            (kind, "startSequenceNumber", json!(GREATEST)),
        ]);
    }
    for (place, (kind, key, value)) in inside.into_iter().enumerate() {
        let name = stage.name(&place.to_string());
        client
            .create(&exporting(&name, with(kind, key, &value)))
            .unwrap();
        let found = client.definition(&name)["exportDefinition"][kind][0][key].take();
        assert_eq!(found, value, "{kind}.{key}");
    }
}

fn outside_bounds(stage: &Stage) {
    let (mut client, name) = (stage.unchecked_client(), stage.name("s"));
    let mut outside = vec![
        ("s3TaskExecutor", "priority", json!(0)),
        ("s3TaskExecutor", "priority", json!(11)),
        (
            "s3TaskExecutor",
            "sizeThresholdForMultipartUploadBytes",
            json!(5_242_879),
        ),
        ("http", "uri", json!("")),
        ("iotAnalytics", "iotChannel", json!("")),
        ("iotAnalytics", "iotMsgIdPrefix", json!("x".repeat(33))),
        ("kinesis", "kinesisStreamName", json!("")),
    ];
    for (kind, greatest_batch) in BATCHED {
        outside.extend([
            (kind, "batchSize", json!(0)),
            (kind, "batchSize", json!(-1)),
            (kind, "batchSize", json!(greatest_batch + 1)),
            (kind, "batchIntervalMillis", json!(59_999)),
            (kind, "batchIntervalMillis", json!(9_223_372_036_855_i64)),
            (kind, "priority", json!(0)),
            (kind, "priority", json!(11)),
            (kind, "startSequenceNumber", json!(-1)),
        ]);
    }
    for (kind, key, value) in outside {
        let outcome = client.create(&exporting(&name, with(kind, key, &value)));
        let text = refused(outcome, Status::InvalidRequest);
        assert!(text.contains(&format!("{kind}[0].{key}")), "{text}");
    }
}

fn unknown_enumerations(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    for (kind, key, value) in [
        ("http", "exportFormat", json!(2)),
        ("http", "exportFormat", json!(-1)),
        (
            "s3TaskExecutor",
            "statusConfig",
            json!({ "statusLevel": 5 }),
        ),
        (
            "s3TaskExecutor",
            "statusConfig",
            json!({ "statusLevel": -1 }),
        ),
    ] {
        let definition = exporting(&name, with(kind, key, &value));
        let request = map([("definition", definition.into())]);
        let answer = wire.refuses(op::CREATE, request, Status::InvalidRequest);
        assert!(answer.message.contains(key), "{}", answer.message);
    }
}

fn unknown_kinds(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    let exports = json!({ "iotSitewise": [{ "identifier": "w" }], "mqtt": 7 });
    let request = map([("definition", exporting(&name, exports).into())]);
    wire.ask(op::CREATE, request).done();
    assert_eq!(wire.describe(&name)["exportStatuses"], json!([]));
}

fn s3_has_no_batches(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    let s3 = json!({
        "identifier": "s", "disabled": true, "batchSize": -7, "batchIntervalMillis": "soon",
        "startSequenceNumber": [],
    });
    let definition = exporting(&name, json!({ "s3TaskExecutor": [s3] }));
    wire.ask(op::CREATE, map([("definition", definition.into())]))
        .done();
    let exports = wire.describe(&name)["definition"]["exportDefinition"].take();
    let described = exports["s3TaskExecutor"][0].as_object().unwrap();
    assert!(!described.contains_key("batchSize"));
}

fn missing_lists(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    let exports = json!({ "kinesis": [
        { "identifier": "k", "kinesisStreamName": "k", "disabled": true },
    ] });
    let request = map([("definition", exporting(&name, exports).into())]);
    wire.ask(op::CREATE, request.clone()).done();
    wire.ask(op::UPDATE, request).done();
    let described = wire.describe(&name)["definition"]["exportDefinition"].take();
    assert_eq!(described["IotSitewise"], json!([]));
    assert_eq!(described["kinesis"].as_array().unwrap().len(), 1);
}

fn many_exports(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    let so_many = |count: u32| {
        let exports: Vec<_> = (0..count)
            .map(|number| {
                json!({ "identifier": number.to_string(), "kinesisStreamName": "k",
                        "disabled": true })
            })
            .collect();
        map([(
            "definition",
            exporting(&name, json!({ "kinesis": exports })).into(),
        )])
    };
    wire.refuses(op::CREATE, so_many(257), Status::InvalidRequest);
    wire.ask(op::CREATE, so_many(256)).done();
    let statuses = wire.describe(&name)["exportStatuses"].take();
    assert_eq!(statuses.as_array().unwrap().len(), 256);
}

fn plugin_address(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let uri = "plugin:nowhere?rotation.maxBytes=1000&folder=%2Fout";
    let http = json!([{ "identifier": "p", "uri": uri, "batchSize": 9, "disabled": true }]);
    client
        .create(&exporting(&name, json!({ "http": http })))
        .unwrap();
    let described = client.definition(&name)["exportDefinition"]["http"][0].take();
    let uri = described["uri"].as_str().unwrap();
    assert!(uri.starts_with("plugin:nowhere?"), "{uri}");
    assert!(uri.contains("rotation.maxBytes=1000") && uri.contains("folder=%2Fout"));
    assert_eq!(described["batchSize"], 9);
}

fn deep_plugin_address(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    let so_deep = |parts: usize| {
        let uri = format!("plugin:nowhere?{}=1", vec!["a"; parts].join("."));
        let http = json!([{ "identifier": "p", "uri": uri, "disabled": true }]);
        let definition = exporting(&name, json!({ "http": http }));
        map([("definition", definition.into())])
    };
    for parts in [17, 1_000_000] {
        wire.refuses(op::CREATE, so_deep(parts), Status::InvalidRequest);
    }
    wire.ask(op::CREATE, so_deep(16)).done();
}
