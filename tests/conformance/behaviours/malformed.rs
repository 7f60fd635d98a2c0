//! What is no request (specification, 1.2, 1.3 and 1.5).

use super::{Behaviour, Status, raw};
use crate::behaviour::Section;
use crate::stage::Stage;
use crate::wire::{Item, list, map, op, raw as encoded};

pub(super) const SECTION: Section = Section {
    id: "malformed",
    title: "Malformed requests",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    raw(
        "truncated",
        "1.2",
        "A payload that ends too early is refused with its id if that can be read, and otherwise \
         ends the connection.",
        truncated,
    ),
    raw(
        "no_map",
        "1.2",
        "A payload that is no map, or none at all, ends the connection: it has no id.",
        no_map,
    ),
    raw(
        "trailing_bytes",
        "1.2",
        "Bytes behind the map are refused.",
        trailing_bytes,
    ),
    raw(
        "no_id",
        "1.5",
        "A request without an id, or with one that is empty, of another type or beyond 255 bytes, \
         ends the connection.",
        no_id,
    ),
    raw(
        "missing_keys",
        "2",
        "A required key that is missing is refused by name.",
        missing_keys,
    ),
    raw(
        "wrong_types",
        "2",
        "A value of the wrong type is refused with the name of its field, wherever it is.",
        wrong_types,
    ),
    raw(
        "invalid_text",
        "1.3",
        "Text that is not UTF-8 is refused.",
        invalid_text,
    ),
    raw(
        "stray_break",
        "1.3",
        "A break where a value belongs is refused.",
        stray_break,
    ),
    raw(
        "deep_nesting",
        "1.3",
        "An unknown value that nests beyond 32 levels is refused, and costs nothing else.",
        deep_nesting,
    ),
    raw(
        "false_lengths",
        "1.3",
        "A length that announces more than is there is refused, however great.",
        false_lengths,
    ),
    raw(
        "damaged_bytes",
        "1.3",
        "Any single byte of a request may be damaged: the host answers or closes, and serves on.",
        damaged_bytes,
    ),
];

fn append(name: &str) -> Item {
    map([
        ("requestId", "broken".into()),
        ("name", name.into()),
        ("payload", b"x".as_slice().into()),
    ])
}

fn truncated(stage: &Stage) {
    let bytes = append("s").encode();
    let id_ends = 1 + "requestId".len() + 1 + "broken".len() + 1;
    for end in 0..bytes.len() {
        let mut wire = stage.wire();
        if end < id_ends {
            wire.is_closed_upon(op::APPEND, &bytes[..end]);
        } else {
            wire.send(&crate::wire::frame(op::APPEND, &bytes[..end]));
            let answer = wire.answer().refused(Status::InvalidRequest);
            assert_eq!(answer.request_id.as_deref(), Some("broken"));
            wire.assert_serves();
        }
    }
}

fn no_map(stage: &Stage) {
    for item in [
        encoded([]),
        list(["requestId".into(), "x".into()]),
        "requestId".into(),
        7.into(),
        Item::Null,
        encoded([0xff]),
    ] {
        stage.wire().is_closed_upon(op::LIST, &item.encode());
    }
}

fn trailing_bytes(stage: &Stage) {
    let mut wire = stage.wire();
    let mut bytes = map([("requestId", "broken".into())]).encode();
    bytes.push(0);
    wire.send(&crate::wire::frame(op::LIST, &bytes));
    wire.answer().refused(Status::InvalidRequest);
    wire.assert_serves();
}

fn no_id(stage: &Stage) {
    for request in [
        map([]),
        map([("requestId", Item::Null)]),
        map([("requestId", "".into())]),
        map([("requestId", 7.into())]),
        map([("requestId", Item::Bytes(b"id".to_vec()))]),
        map([("requestId", "x".repeat(256).into())]),
    ] {
        stage.wire().is_closed_upon(op::LIST, &request.encode());
    }
}

fn missing_keys(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    let definition = map([("name", (&name).into()), ("strategyOnFull", 1.into())]);
    let payload = Item::Bytes(vec![1]);
    let export = |kind: &'static str, export: Item| {
        let exports = map([(kind, list([export]))]);
        let definition = definition.clone().with("exportDefinition", exports);
        map([("definition", definition)])
    };
    let identified = || map([("identifier", "i".into())]);
    for (operation, request, key) in [
        (op::CREATE, map([]), "definition"),
        (op::UPDATE, map([]), "definition"),
        (
            op::CREATE,
            map([("definition", definition.clone().without("name"))]),
            "definition.name",
        ),
        (
            op::CREATE,
            map([("definition", definition.clone().without("strategyOnFull"))]),
            "definition.strategyOnFull",
        ),
        (op::DELETE, map([]), "name"),
        (op::DESCRIBE, map([]), "name"),
        (op::APPEND, map([("payload", payload)]), "name"),
        (op::APPEND, map([("name", (&name).into())]), "payload"),
        (op::READ, map([("name", (&name).into())]), "streamName"),
        (op::CREATE, export("http", identified()), "uri"),
        (
            op::CREATE,
            export("iotAnalytics", identified()),
            "iotChannel",
        ),
        (
            op::CREATE,
            export("kinesis", identified()),
            "kinesisStreamName",
        ),
        (op::CREATE, export("IotSitewise", map([])), "identifier"),
        (op::CREATE, export("s3TaskExecutor", map([])), "identifier"),
    ] {
        let refusal = wire.refuses(operation, request, Status::InvalidRequest);
        assert!(refusal.message.contains(key), "{key}: {}", refusal.message);
    }
}

fn wrong_types(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    let text = || Item::from("text");
    let define = |key: &'static str, value: Item| {
        let definition = map([("name", (&name).into()), ("strategyOnFull", 1.into())]);
        let definition = match key {
            "name" | "strategyOnFull" => definition.replacing(key, value),
            _ => definition.with(key, value),
        };
        (op::CREATE, map([("definition", definition)]), key)
    };
    let read = |key: &'static str, value: Item| {
        let options = map([(key, value)]);
        let request = map([
            ("streamName", (&name).into()),
            ("readMessagesOptions", options),
        ]);
        (op::READ, request, key)
    };
    let export = |key: &'static str, value: Item| {
        let export = map([
            ("identifier", "i".into()),
            ("kinesisStreamName", "k".into()),
        ]);
        let export = match key {
            "identifier" | "kinesisStreamName" => export.replacing(key, value),
            _ => export.with(key, value),
        };
        let (operation, request, _) =
            define("exportDefinition", map([("kinesis", list([export]))]));
        (operation, request, key)
    };
    let bignum = encoded([0xc2, 0x41, 0x05]);
    for (operation, request, key) in [
        (op::DELETE, map([("name", 7.into())]), "name"),
        (
            op::DESCRIBE,
            map([("name", Item::Bytes(b"s".to_vec()))]),
            "name",
        ),
        (
            op::APPEND,
            map([("name", (&name).into()), ("payload", text())]),
            "payload",
        ),
        (op::READ, map([("streamName", list([]))]), "streamName"),
        (
            op::READ,
            map([
                ("streamName", (&name).into()),
                ("readMessagesOptions", list([])),
            ]),
            "readMessagesOptions",
        ),
        read("minMessageCount", text()),
        read("maxMessageCount", true.into()),
        read("desiredStartSequenceNumber", list([])),
        read("readTimeoutMillis", bignum),
        (op::CREATE, map([("definition", list([]))]), "definition"),
        define("name", true.into()),
        define("strategyOnFull", text()),
        define("maxSize", text()),
        define("streamSegmentSize", map([])),
        define("timeToLiveMillis", false.into()),
        define("persistence", list([])),
        define("flushOnWrite", 1.into()),
        define("exportDefinition", list([])),
        define("exportDefinition", map([("kinesis", map([]))])),
        define("exportDefinition", map([("kinesis", list([7.into()]))])),
        export("identifier", 7.into()),
        export("kinesisStreamName", Item::Bytes(vec![1])),
        export("batchSize", text()),
        export("priority", text()),
        export("disabled", 0.into()),
    ] {
        let refusal = wire.refuses(operation, request, Status::InvalidRequest);
        assert!(refusal.message.contains(key), "{key}: {}", refusal.message);
    }
    let refusal = wire.ask(op::DESCRIBE, map([("name", name.into())]));
    refusal.refused(Status::ResourceNotFound);
}

fn invalid_text(stage: &Stage) {
    let mut wire = stage.wire();
    let request = map([("name", encoded([0x62, 0xc3, 0x28]))]);
    wire.refuses(op::DELETE, request, Status::InvalidRequest);
}

fn stray_break(stage: &Stage) {
    let mut wire = stage.wire();
    for request in [
        map([("name", encoded([0xff]))]),
        map([("unknown", encoded([0xff]))]),
        map([("unknown", list([encoded([0xff])]))]),
    ] {
        wire.refuses(op::DELETE, request, Status::InvalidRequest);
    }
}

fn deep_nesting(stage: &Stage) {
    let mut wire = stage.wire();
    let nested = |levels: usize| {
        let mut bytes = vec![0x81; levels];
        bytes.push(0);
        map([("unknown", encoded(bytes))])
    };
    wire.ask(op::LIST, nested(31)).done();
    wire.refuses(op::LIST, nested(33), Status::InvalidRequest);
    wire.refuses(op::LIST, nested(1_000_000), Status::InvalidRequest);
    let tags = map([("unknown", encoded([[0xc1; 1000].as_slice(), &[0]].concat()))]);
    wire.refuses(op::LIST, tags, Status::InvalidRequest);
}

fn false_lengths(stage: &Stage) {
    let mut wire = stage.wire();
    // Bytes, text, a list and a map of 2^63 - 1 items.
    for major in [0x5b, 0x7b, 0x9b, 0xbb] {
        let mut bytes = vec![major];
        bytes.extend(i64::MAX.to_be_bytes());
        for key in ["name", "payload", "unknown"] {
            let request = map([(key, encoded(bytes.clone()))]);
            wire.refuses(op::APPEND, request, Status::InvalidRequest);
        }
    }
}

fn damaged_bytes(stage: &Stage) {
    let name = stage.name("s");
    let mut steady = stage.wire();
    steady.create(&name);
    let bytes = append(&name).encode();
    let mut wire = stage.wire();
    for at in 0..bytes.len() {
        for flip in [0xff, 0x80, 0x01] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            wire.send(&crate::wire::frame(op::APPEND, &damaged));
            if wire.try_answer().is_none() {
                wire = stage.wire();
            }
        }
    }
    steady.assert_serves();
}
