//! The many ways of writing one request (specification, 1.3).

use serde_json::json;

use super::{Behaviour, Status, all, raw};
use crate::behaviour::Section;
use crate::stage::Stage;
use crate::wire::{Item, list, map, op, raw as encoded};

pub(super) const SECTION: Section = Section {
    id: "cbor",
    title: "CBOR",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    raw(
        "indefinite_maps",
        "1.3",
        "Maps may have indefinite length, as those of the Java SDK, and so may all maps inside.",
        indefinite_maps,
    ),
    raw(
        "in_pieces",
        "1.3",
        "Lists may have indefinite length, and text and bytes may come in chunks.",
        in_pieces,
    ),
    raw(
        "mixed_lengths",
        "1.3",
        "Definite and indefinite lengths may be nested in any mix.",
        mixed_lengths,
    ),
    raw(
        "any_key_order",
        "1.3",
        "Keys may come in any order, `requestId` last as well.",
        any_key_order,
    ),
    raw(
        "whole_floats",
        "1.3",
        "A float without a fraction is an integer, in half, single and double width.",
        whole_floats,
    ),
    all(
        "two_to_63",
        "1.3",
        "The greatest integer, 2^63 - 1, arrives as such, also as the float 2^63 that Node.js makes \
         of it.",
        two_to_63,
    ),
    raw(
        "no_other_floats",
        "1.3",
        "Fractions, infinities, NaN and floats beyond the bounds are refused.",
        no_other_floats,
    ),
    raw(
        "wide_integers",
        "1.3",
        "Integers and lengths may be wider than they need to be.",
        wide_integers,
    ),
    raw(
        "null_is_absent",
        "1.3",
        "Null and undefined are as good as absent.",
        null_is_absent,
    ),
    raw(
        "unknown_keys",
        "1.4",
        "Unknown keys are passed over, whatever their values, in every map of a request.",
        unknown_keys,
    ),
    raw(
        "repeated_keys",
        "10",
        "Of a key that comes more than once, the last counts.",
        repeated_keys,
    ),
];

/// A definition with something in every kind of map.
fn definition(name: &str) -> Item {
    let value = json!({
        "name": name,
        "strategyOnFull": 1,
        "maxSize": 1 << 20,
        "streamSegmentSize": 1 << 16,
        "exportDefinition": {
            "kinesis": [
                { "identifier": "one", "kinesisStreamName": "k", "disabled": true },
                { "identifier": "two", "kinesisStreamName": "k", "disabled": true },
            ],
            "s3TaskExecutor": [
                { "identifier": "s3", "disabled": true, "statusConfig": { "statusLevel": 3 } },
            ],
        },
    });
    value.into()
}

/// Creates a stream with a definition in a certain form, and holds what came of it against
/// [`definition`].
fn created_as(stage: &Stage, which: &str, form: impl Fn(Item) -> Item) {
    let (mut wire, name) = (stage.wire(), stage.name(which));
    let request = form(map([
        ("requestId", "form".into()),
        ("definition", definition(&name)),
    ]));
    let answer = wire.ask_plainly(op::CREATE, &request).done();
    assert_eq!(answer.request_id.as_deref(), Some("form"));
    let found = wire.describe(&name)["definition"].take();
    assert_eq!(found["maxSize"], 1 << 20);
    assert_eq!(found["streamSegmentSize"], 1 << 16);
    let exports = &found["exportDefinition"];
    assert_eq!(exports["kinesis"][0]["identifier"], "one");
    assert_eq!(exports["kinesis"][1]["identifier"], "two");
    assert_eq!(
        exports["s3TaskExecutor"][0]["statusConfig"]["statusLevel"],
        3
    );
}

fn indefinite_maps(stage: &Stage) {
    created_as(stage, "s", Item::opened);
}

fn in_pieces(stage: &Stage) {
    created_as(stage, "s", Item::in_pieces);
    let mut wire = stage.wire();
    let append = map([
        ("requestId", "a".into()),
        ("name", stage.name("s").into()),
        ("payload", b"in pieces".as_slice().into()),
    ]);
    wire.ask_plainly(op::APPEND, &append.in_pieces()).done();
    let read = wire.ask(op::READ, map([("streamName", stage.name("s").into())]));
    let payload = read.done().fields["messages"][0]["payload"].clone();
    assert_eq!(payload, "aW4gcGllY2Vz", "`in pieces` in base64");
}

fn mixed_lengths(stage: &Stage) {
    created_as(stage, "inner", |request| {
        let name = stage.name("inner");
        request.replacing("definition", definition(&name).in_pieces())
    });
    created_as(stage, "outer", |request| {
        let Item::Map(fields) = request else { panic!() };
        Item::OpenMap(fields)
    });
}

fn any_key_order(stage: &Stage) {
    created_as(stage, "s", |request| {
        let Item::Map(mut fields) = request else {
            panic!()
        };
        fields.reverse();
        if let Item::Map(inner) = &mut fields[0].1 {
            inner.reverse();
        }
        Item::Map(fields)
    });
}

/// Half a float: the widths that the standard library does not have.
const HALF_ONE: [u8; 3] = [0xf9, 0x3c, 0x00];

fn whole_floats(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    let definition = map([
        ("name", (&name).into()),
        ("strategyOnFull", encoded(HALF_ONE)),
        ("maxSize", Item::Float(1_048_576.0)),
        ("streamSegmentSize", Item::Double(65_536.0)),
    ]);
    wire.ask(op::CREATE, map([("definition", definition)]))
        .done();
    let found = wire.describe(&name)["definition"].take();
    assert_eq!(found["strategyOnFull"], 1);
    assert_eq!(found["maxSize"], 1_048_576);
    assert_eq!(found["streamSegmentSize"], 65_536);
    wire.append(&name, b"x");
    let options = map([
        ("desiredStartSequenceNumber", Item::Double(-0.0)),
        ("minMessageCount", encoded(HALF_ONE)),
        ("maxMessageCount", Item::Float(2_147_483_648.0 / 2.0)),
        ("readTimeoutMillis", Item::Double(0.0)),
    ]);
    let read = map([
        ("streamName", name.into()),
        ("readMessagesOptions", options),
    ]);
    wire.ask(op::READ, read).done();
}

fn two_to_63(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let mut definition = super::plain(&name);
    definition["maxSize"] = i64::MAX.into();
    client.create(&definition).unwrap();
    assert_eq!(client.append(&name, b"x"), Ok(0));
    let mut wire = stage.wire();
    let max_size = |wire: &mut crate::wire::Wire, name: &str| {
        wire.describe(name)["definition"]["maxSize"]
            .as_i64()
            .unwrap()
    };
    assert_eq!(max_size(&mut wire, &name), i64::MAX);
    for (which, float) in [
        ("float", Item::Float(9_223_372_036_854_775_808.0)),
        ("double", Item::Double(9_223_372_036_854_775_808.0)),
    ] {
        let name = stage.name(which);
        let definition = map([
            ("name", (&name).into()),
            ("strategyOnFull", 1.into()),
            ("maxSize", float),
        ]);
        wire.ask(op::CREATE, map([("definition", definition)]))
            .done();
        assert_eq!(max_size(&mut wire, &name), i64::MAX);
    }
}

fn no_other_floats(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    for float in [
        2048.5,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        -2048.0,
        9_223_372_036_854_777_856.0,
        1e300,
    ] {
        let definition = map([
            ("name", (&name).into()),
            ("strategyOnFull", 1.into()),
            ("maxSize", Item::Double(float)),
        ]);
        let refusal = wire.refuses(
            op::CREATE,
            map([("definition", definition)]),
            Status::InvalidRequest,
        );
        assert!(refusal.message.contains("maxSize"), "{}", refusal.message);
    }
}

fn wide_integers(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    let wide = |value: u64| {
        let mut bytes = vec![0x1b];
        bytes.extend(value.to_be_bytes());
        encoded(bytes)
    };
    // Text and bytes with a length of eight bytes.
    let mut wide_name = vec![0x7b];
    wide_name.extend((name.len() as u64).to_be_bytes());
    wide_name.extend(name.as_bytes());
    let definition = map([
        ("name", encoded(wide_name.clone())),
        ("strategyOnFull", wide(1)),
        ("maxSize", wide(2048)),
        ("streamSegmentSize", encoded([0x1a, 0, 0, 4, 0])),
    ]);
    wire.ask(op::CREATE, map([("definition", definition)]))
        .done();
    let found = wire.describe(&name)["definition"].take();
    assert_eq!(found["maxSize"], 2048);
    assert_eq!(found["streamSegmentSize"], 1024);
    let payload = encoded([0x5a, 0, 0, 0, 1, b'x']);
    let append = map([("name", encoded(wide_name)), ("payload", payload)]);
    wire.ask(op::APPEND, append).done();
}

fn null_is_absent(stage: &Stage) {
    for (which, nothing) in [("null", Item::Null), ("undefined", encoded([0xf7]))] {
        let (mut wire, name) = (stage.wire(), stage.name(which));
        let mut definition = map([("name", (&name).into()), ("strategyOnFull", 1.into())]);
        for key in [
            "maxSize",
            "streamSegmentSize",
            "timeToLiveMillis",
            "persistence",
            "flushOnWrite",
            "exportDefinition",
        ] {
            definition = definition.with(key, nothing.clone());
        }
        wire.ask(op::CREATE, map([("definition", definition)]))
            .done();
        assert_eq!(
            wire.describe(&name)["definition"]["maxSize"],
            268_435_456,
            "the default"
        );
        let kinesis = map([
            ("identifier", "k".into()),
            ("kinesisStreamName", "k".into()),
            ("batchSize", nothing.clone()),
            ("disabled", true.into()),
        ]);
        let exports = map([("http", nothing.clone()), ("kinesis", list([kinesis]))]);
        let definition = map([
            ("name", (&name).into()),
            ("strategyOnFull", 1.into()),
            ("exportDefinition", exports),
        ]);
        wire.ask(op::UPDATE, map([("definition", definition)]))
            .done();
        wire.append(&name, b"x");
        let read = map([
            ("streamName", (&name).into()),
            ("readMessagesOptions", nothing.clone()),
        ]);
        wire.ask(op::READ, read).done();
        let refusal = wire.refuses(op::DELETE, map([("name", nothing)]), Status::InvalidRequest);
        assert!(refusal.message.contains("name"), "{}", refusal.message);
    }
}

/// A value of every kind, nested.
fn anything() -> Item {
    let floats = list([
        Item::Float(1.5),
        Item::Double(f64::NAN),
        encoded(HALF_ONE),
        encoded([0xc1, 0x1a, 0, 0, 0, 1]),
        encoded([0xe5]),
        encoded([0xf8, 0xff]),
    ]);
    let map = Item::OpenMap(vec![
        (7.into(), Item::Null),
        (Item::Bytes(vec![1]), list([floats])),
        ("k".into(), Item::from(i128::from(u64::MAX))),
    ]);
    list([map, Item::Int(-1_000_000), Item::from("text").in_pieces()])
}

fn unknown_keys(stage: &Stage) {
    let unknown = |item: Item| item.with("somethingNew", anything());
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    let kinesis = unknown(map([
        ("identifier", "k".into()),
        ("kinesisStreamName", "k".into()),
        ("disabled", true.into()),
    ]));
    let status = unknown(map([("statusLevel", 1.into())]));
    let s3 = unknown(map([
        ("identifier", "s3".into()),
        ("disabled", true.into()),
        ("statusConfig", status),
    ]));
    let exports = unknown(map([
        ("kinesis", list([kinesis])),
        ("s3TaskExecutor", list([s3])),
    ]));
    let definition = unknown(map([
        ("name", (&name).into()),
        ("strategyOnFull", 1.into()),
        ("exportDefinition", exports),
    ]));
    let request = unknown(map([("definition", definition)]));
    wire.ask(op::CREATE, request.clone()).done();
    wire.ask(op::UPDATE, request).done();
    let append = map([
        ("name", (&name).into()),
        ("payload", [1_u8].as_slice().into()),
    ]);
    wire.ask(op::APPEND, unknown(append)).done();
    let options = unknown(map([("maxMessageCount", 5.into())]));
    let read = map([
        ("streamName", (&name).into()),
        ("readMessagesOptions", options),
    ]);
    wire.ask(op::READ, unknown(read)).done();
    wire.ask(op::LIST, unknown(map([]))).done();
    let named = unknown(map([("name", name.into())]));
    wire.ask(op::DESCRIBE, named.clone()).done();
    wire.ask(op::DELETE, named).done();
}

fn repeated_keys(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    let kinesis = |identifier: &str| {
        list([map([
            ("identifier", identifier.into()),
            ("kinesisStreamName", "k".into()),
            ("disabled", true.into()),
        ])])
    };
    let exports = map([("kinesis", kinesis("first")), ("kinesis", kinesis("last"))]);
    let definition = map([
        ("name", "never".into()),
        ("name", (&name).into()),
        ("strategyOnFull", 0.into()),
        ("strategyOnFull", 1.into()),
        ("exportDefinition", exports),
    ]);
    wire.ask(op::CREATE, map([("definition", definition)]))
        .done();
    let found = wire.describe(&name)["definition"].take();
    assert_eq!(found["strategyOnFull"], 1);
    let kinesis = found["exportDefinition"]["kinesis"].as_array().unwrap();
    assert_eq!(kinesis.len(), 1);
    assert_eq!(kinesis[0]["identifier"], "last");
    let append = map([
        ("requestId", "first".into()),
        ("name", name.into()),
        ("payload", b"first".as_slice().into()),
        ("payload", b"last".as_slice().into()),
        ("requestId", "last".into()),
    ]);
    let answer = wire.ask_plainly(op::APPEND, &append).done();
    assert_eq!(answer.request_id.as_deref(), Some("last"));
}
