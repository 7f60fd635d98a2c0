//! Creating streams (specification, 3 and 6.3).

use serde_json::{Value, json};

use super::{Behaviour, Status, all, defined, plain, raw};
use crate::behaviour::Section;
use crate::clients::refused;
use crate::stage::Stage;
use crate::wire::{map, op};

pub(super) const SECTION: Section = Section {
    id: "create",
    title: "Creating streams",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "defaults",
        "3",
        "A stream with no more than name and strategy has the defaults of the specification, and \
         all five lists of exports, empty.",
        defaults,
    ),
    all(
        "every_field",
        "3",
        "Every field of a definition is described as it was given.",
        every_field,
    ),
    all(
        "create_again",
        "2.2",
        "Creating a stream that exists is refused with status 3 and exactly `the message stream \
         already exists`, with the same definition and with another.",
        create_again,
    ),
    all(
        "create_again_changes_nothing",
        "6.3",
        "A refused create leaves the stream as it was.",
        create_again_changes_nothing,
    ),
    all(
        "inside_bounds",
        "3",
        "The least and the greatest value of each field are taken.",
        inside_bounds,
    ),
    all(
        "outside_bounds",
        "3",
        "A value just outside its bounds is refused, with the name of its field.",
        outside_bounds,
    ),
    raw(
        "unknown_enumerations",
        "3",
        "A number that is no value of an enumeration is refused.",
        unknown_enumerations,
    ),
    all(
        "default_segment_shrinks",
        "10",
        "A `maxSize` below 16 MiB takes the default `streamSegmentSize`, which every SDK sends \
         along, down with it.",
        default_segment_shrinks,
    ),
    all(
        "segment_beyond_stream",
        "3",
        "A `streamSegmentSize` that was chosen and is above `maxSize` is refused.",
        segment_beyond_stream,
    ),
    all(
        "memory_stream",
        "3",
        "A stream in memory is used as any other.",
        memory_stream,
    ),
    all(
        "memory_does_not_flush",
        "10",
        "`flushOnWrite` means nothing for a stream in memory, and is described as false.",
        memory_does_not_flush,
    ),
    all(
        "missing_status_stream",
        "6.3",
        "A status stream has to exist before it is named.",
        missing_status_stream,
    ),
    all(
        "nothing_half_created",
        "6.3",
        "A stream whose creation was refused is not there, and can be created.",
        nothing_half_created,
    ),
];

fn defaults(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&plain(&name)).unwrap();
    let expected = json!({
        "name": name,
        "maxSize": 268_435_456,
        "streamSegmentSize": 16_777_216,
        "strategyOnFull": 1,
        "persistence": 0,
        "flushOnWrite": false,
        "exportDefinition": {
            "http": [], "iotAnalytics": [], "kinesis": [], "IotSitewise": [], "s3TaskExecutor": [],
        },
    });
    assert_eq!(client.definition(&name), expected);
}

fn every_field(stage: &Stage) {
    let mut client = stage.client();
    for (which, strategy, persistence, flush) in [
        ("one", 0, 0, true),
        ("two", 1, 1, false),
        ("three", 1, 0, false),
    ] {
        let definition = json!({
            "name": stage.name(which),
            "maxSize": 10_485_760,
            "streamSegmentSize": 1_048_576,
            "timeToLiveMillis": 3_600_000,
            "strategyOnFull": strategy,
            "persistence": persistence,
            "flushOnWrite": flush,
            "exportDefinition": {
                "http": [], "iotAnalytics": [], "kinesis": [], "IotSitewise": [],
                "s3TaskExecutor": [],
            },
        });
        client.create(&definition).unwrap();
        assert_eq!(client.definition(&stage.name(which)), definition);
    }
}

fn create_again(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&plain(&name)).unwrap();
    for again in [plain(&name), defined(&name, json!({ "strategyOnFull": 0 }))] {
        let text = refused(client.create(&again), Status::InvalidRequest);
        assert_eq!(text, "the message stream already exists");
    }
}

fn create_again_changes_nothing(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&plain(&name)).unwrap();
    client.append(&name, "kept").unwrap();
    let before = client.describe(&name).unwrap();
    let other = defined(&name, json!({ "maxSize": 1 << 20, "persistence": 1 }));
    refused(client.create(&other), Status::InvalidRequest);
    assert_eq!(client.describe(&name).unwrap(), before);
    assert_eq!(client.read_plainly(&name).unwrap()[0].payload, b"kept");
}

/// Fields with their least and greatest values. Numbers of 2^53 and beyond are `two_to_63`'s concern:
/// the SDK for Node.js cannot read them in an answer.
const BOUNDS: [(&str, i64, i64); 3] = [
    ("maxSize", 1024, (1 << 53) - 1),
    ("streamSegmentSize", 1024, 2_147_483_647),
    ("timeToLiveMillis", 60_000, 9_223_372_036_854),
];

/// A definition with one field set, and room for it.
fn bounded(name: &str, key: &str, value: i64) -> Value {
    let mut definition = plain(name);
    if key == "streamSegmentSize" {
        definition["maxSize"] = 4_294_967_296_u64.into();
    }
    definition[key] = value.into();
    definition
}

fn inside_bounds(stage: &Stage) {
    let mut client = stage.client();
    for (key, least, greatest) in BOUNDS {
        for value in [least, greatest] {
            let name = stage.name(&format!("{key}-{value}"));
            client.create(&bounded(&name, key, value)).unwrap();
            assert_eq!(client.definition(&name)[key], value, "{key}");
        }
    }
}

fn outside_bounds(stage: &Stage) {
    let mut client = stage.unchecked_client();
    let beyond_segment = 2_147_483_648;
    let beyond_time = 9_223_372_036_855;
    for (key, value) in [
        ("maxSize", 1023),
        ("maxSize", 0),
        ("maxSize", -1),
        ("streamSegmentSize", 1023),
        ("streamSegmentSize", 0),
        ("streamSegmentSize", beyond_segment),
        ("timeToLiveMillis", 59_999),
        ("timeToLiveMillis", 0),
        ("timeToLiveMillis", -1),
        ("timeToLiveMillis", beyond_time),
    ] {
        let definition = bounded(&stage.name("s"), key, value);
        let text = refused(client.create(&definition), Status::InvalidRequest);
        assert!(text.contains(key), "{key}: {text}");
    }
    let mut wire = stage.wire();
    let definition = defined(&stage.name("s"), json!({ "maxSize": 1_u64 << 63 }));
    let request = map([("definition", definition.into())]);
    wire.refuses(op::CREATE, request, Status::InvalidRequest);
}

fn unknown_enumerations(stage: &Stage) {
    let mut wire = stage.wire();
    for (key, value) in [
        ("strategyOnFull", 2),
        ("strategyOnFull", -1),
        ("strategyOnFull", 256),
        ("persistence", 2),
        ("persistence", -1),
    ] {
        let definition = defined(&stage.name("s"), json!({ key: value }));
        let request = map([("definition", definition.into())]);
        let answer = wire.refuses(op::CREATE, request, Status::InvalidRequest);
        assert!(answer.message.contains(key), "{}", answer.message);
    }
}

fn default_segment_shrinks(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client
        .create(&defined(&name, json!({ "maxSize": 2048 })))
        .unwrap();
    let found = client.definition(&name);
    assert_eq!(found["maxSize"], 2048);
    assert_eq!(found["streamSegmentSize"], 2048);
    // What was described can be sent back, and a smaller stream asked for in the same way.
    client.update(&found).unwrap();
    client
        .update(&defined(&name, json!({ "maxSize": 1024 })))
        .unwrap();
    assert_eq!(client.definition(&name)["streamSegmentSize"], 1024);
}

fn segment_beyond_stream(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let sizes = json!({ "maxSize": 4096, "streamSegmentSize": 4097 });
    let text = refused(
        client.create(&defined(&name, sizes.clone())),
        Status::InvalidRequest,
    );
    assert!(text.contains("streamSegmentSize"), "{text}");
    client.create(&plain(&name)).unwrap();
    let text = refused(
        client.update(&defined(&name, sizes)),
        Status::InvalidRequest,
    );
    assert!(text.contains("streamSegmentSize"), "{text}");
    let equal = json!({ "maxSize": 4096, "streamSegmentSize": 4096 });
    client.update(&defined(&name, equal)).unwrap();
}

fn memory_stream(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client
        .create(&defined(&name, json!({ "persistence": 1 })))
        .unwrap();
    assert_eq!(client.append(&name, "one"), Ok(0));
    assert_eq!(client.append(&name, "two"), Ok(1));
    let messages = client.read(&name, json!({ "minMessageCount": 2 })).unwrap();
    assert_eq!(messages[1].payload, b"two");
    assert_eq!(client.definition(&name)["persistence"], 1);
    client.delete(&name).unwrap();
}

fn memory_does_not_flush(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let definition = defined(&name, json!({ "persistence": 1, "flushOnWrite": true }));
    client.create(&definition).unwrap();
    assert_eq!(client.definition(&name)["flushOnWrite"], false);
    assert_eq!(client.append(&name, "x"), Ok(0));
}

fn reporting(name: &str, to: &str) -> Value {
    let s3 = json!([
        { "identifier": "s3", "disabled": true, "statusConfig": { "statusStreamName": to } },
    ]);
    defined(
        name,
        json!({ "exportDefinition": { "s3TaskExecutor": s3 } }),
    )
}

fn missing_status_stream(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let status = stage.name("status");
    let text = refused(
        client.create(&reporting(&name, &status)),
        Status::InvalidRequest,
    );
    assert!(text.contains(&status), "{text}");
    let itself = client.create(&reporting(&name, &name));
    refused(itself, Status::InvalidRequest);
    client.create_plain(&status);
    client.create(&reporting(&name, &status)).unwrap();
    let s3 = client.definition(&name)["exportDefinition"]["s3TaskExecutor"][0].take();
    assert_eq!(s3["statusConfig"]["statusStreamName"], status);
}

fn nothing_half_created(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let outcome = client.create(&reporting(&name, &stage.name("nowhere")));
    refused(outcome, Status::InvalidRequest);
    assert!(!client.list().contains(&name));
    refused(client.describe(&name), Status::ResourceNotFound);
    client.create_plain(&name);
    assert_eq!(client.append(&name, "x"), Ok(0));
}
