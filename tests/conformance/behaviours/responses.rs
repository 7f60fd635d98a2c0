//! What answers look like (specification, 2). The rules that hold for all of them are checked on every
//! answer that our own client gets, in this section and everywhere else.

use serde_json::{Map, Value, json};

use super::{Behaviour, Status, raw};
use crate::behaviour::Section;
use crate::stage::Stage;
use crate::wire::{Item, map, op};

pub(super) const SECTION: Section = Section {
    id: "responses",
    title: "Answers",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    raw(
        "fields_of_success",
        "2",
        "A success carries its id, status 0, an empty `errorMessage`, what was asked for, and \
         nothing else; never null, no key twice, lists of definite length.",
        fields_of_success,
    ),
    raw(
        "fields_of_refusal",
        "2",
        "A refusal carries its id, its status, a text, and nothing else.",
        fields_of_refusal,
    ),
    raw(
        "fields_of_messages",
        "2",
        "A message has stream, number, ingest time and payload.",
        fields_of_messages,
    ),
    raw(
        "fields_of_descriptions",
        "2",
        "A description has the whole definition, three numbers of storage, and a status of six \
         fields for each export.",
        fields_of_descriptions,
    ),
    raw(
        "empty_lists",
        "1.3",
        "A list with nothing in it is an empty list.",
        empty_lists,
    ),
    raw(
        "one_answer_each",
        "1.3",
        "Each request has exactly one answer.",
        one_answer_each,
    ),
];

fn keys(object: &Map<String, Value>) -> Vec<&str> {
    let mut keys: Vec<_> = object.keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn fields_of_success(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    let definition = map([("name", (&name).into()), ("strategyOnFull", 1.into())]);
    let definition = map([("definition", definition)]);
    let named = map([("name", (&name).into())]);
    let append = named.clone().with("payload", Item::Bytes(vec![1]));
    let read = map([("streamName", name.into())]);
    for (operation, request, fields) in [
        (op::CREATE, definition.clone(), &[][..]),
        (op::UPDATE, definition, &[]),
        (op::APPEND, append, &["sequenceNumber"]),
        (op::READ, read, &["messages"]),
        (op::LIST, map([]), &["streams"]),
        (op::DESCRIBE, named.clone(), &["messageStreamInfo"]),
        (op::DELETE, named, &[]),
    ] {
        assert_eq!(keys(&wire.ask(operation, request).done().fields), fields);
    }
}

fn fields_of_refusal(stage: &Stage) {
    let mut wire = stage.wire();
    let nowhere = stage.name("nowhere");
    let named = map([("name", (&nowhere).into())]);
    let append = named.clone().with("payload", Item::Bytes(vec![1]));
    let definition = map([("name", (&nowhere).into()), ("strategyOnFull", 1.into())]);
    for (operation, request) in [
        (op::UPDATE, map([("definition", definition)])),
        (op::APPEND, append),
        (op::READ, map([("streamName", (&nowhere).into())])),
        (op::DESCRIBE, named.clone()),
        (op::DELETE, named),
    ] {
        wire.refuses(operation, request, Status::ResourceNotFound);
    }
}

fn fields_of_messages(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    wire.create(&name);
    wire.append(&name, b"x");
    let read = wire.ask(op::READ, map([("streamName", name.into())]));
    let message = read.done().fields["messages"][0].clone();
    assert_eq!(
        keys(message.as_object().unwrap()),
        ["ingestTime", "payload", "sequenceNumber", "streamName"]
    );
}

fn fields_of_descriptions(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    let definition = json!({
        "name": name,
        "strategyOnFull": 1,
        "exportDefinition": { "kinesis": [
            { "identifier": "k", "kinesisStreamName": "k", "disabled": true },
        ] },
    });
    wire.ask(op::CREATE, map([("definition", definition.into())]))
        .done();
    let info = wire.describe(&name);
    let object = |value: &Value| value.as_object().unwrap().clone();
    assert_eq!(
        keys(&object(&info)),
        ["definition", "exportStatuses", "storageStatus"]
    );
    assert_eq!(
        keys(&object(&info["storageStatus"])),
        ["newestSequenceNumber", "oldestSequenceNumber", "totalBytes"]
    );
    assert_eq!(
        keys(&object(&info["exportStatuses"][0])),
        [
            "errorMessage",
            "exportConfigIdentifier",
            "exportedBytesFromStream",
            "exportedMessagesCount",
            "lastExportTime",
            "lastExportedSequenceNumber"
        ]
    );
    assert_eq!(
        keys(&object(&info["definition"])),
        [
            "exportDefinition",
            "flushOnWrite",
            "maxSize",
            "name",
            "persistence",
            "strategyOnFull",
            "streamSegmentSize"
        ],
        "a time to live only where there is one"
    );
    assert_eq!(
        keys(&object(&info["definition"]["exportDefinition"])),
        [
            "IotSitewise",
            "http",
            "iotAnalytics",
            "kinesis",
            "s3TaskExecutor"
        ]
    );
}

fn empty_lists(stage: &Stage) {
    let host = stage.own_host("");
    let mut wire = crate::wire::Wire::connect(host.port());
    let streams = wire.ask(op::LIST, map([])).done().fields["streams"].clone();
    assert_eq!(streams, json!([]));
    wire.create("s");
    assert_eq!(wire.describe("s")["exportStatuses"], json!([]));
}

fn one_answer_each(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    wire.create(&name);
    let mut bytes = Vec::new();
    for (id, operation) in [
        ("1", op::LIST),
        ("2", op::DELETE),
        ("3", 99),
        ("4", op::LIST),
    ] {
        let request = map([("requestId", id.into()), ("name", (&name).into())]);
        bytes.extend(crate::wire::frame(operation, &request.encode()));
    }
    wire.send(&bytes);
    wire.close_sending();
    let answers: Vec<_> = std::iter::from_fn(|| wire.try_answer())
        .map(|answer| answer.request_id.unwrap())
        .collect();
    assert_eq!(answers, ["1", "2", "3", "4"]);
}
