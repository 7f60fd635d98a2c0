//! Connections that run protocol 1.0.0 (specification, 2.1 and 7.1).

use serde_json::json;

use super::{Behaviour, Status, defined, raw};
use crate::behaviour::Section;
use crate::stage::Stage;
use crate::wire::{Wire, map, op};

pub(super) const SECTION: Section = Section {
    id: "older_protocol",
    title: "Protocol 1.0.0",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    raw(
        "every_call",
        "7.1",
        "A client of 1.0.0 makes every call of its version.",
        every_call,
    ),
    raw(
        "update_not_allowed_is_invalid",
        "2.1",
        "What is UpdateNotAllowed (17) in 1.1.0 is InvalidRequest (3).",
        update_not_allowed,
    ),
    raw(
        "unknown_operation_is_unknown_failure",
        "2.1",
        "What is UnknownOperation (18) in 1.1.0 is UnknownFailure (1).",
        unknown_operation,
    ),
    raw(
        "out_of_memory_is_unknown_failure",
        "2.1",
        "What is OutOfMemoryError (15) in 1.1.0 is UnknownFailure (1).",
        out_of_memory,
    ),
];

fn older(stage: &Stage) -> Wire {
    Wire::connect_as(stage.host().port(), "1.0.0")
}

fn every_call(stage: &Stage) {
    let (mut wire, name) = (older(stage), stage.name("s"));
    wire.create(&name);
    assert_eq!(wire.append(&name, b"x"), 0);
    let read = wire.ask(op::READ, map([("streamName", (&name).into())]));
    assert_eq!(read.done().fields["messages"][0]["sequenceNumber"], 0);
    let list = wire.ask(op::LIST, map([])).done();
    let names = list.fields["streams"].as_array().unwrap();
    assert!(names.contains(&json!(name)));
    assert_eq!(wire.describe(&name)["definition"]["name"], name);
    wire.ask(op::DELETE, map([("name", name.into())])).done();
}

fn update_not_allowed(stage: &Stage) {
    let (mut wire, name) = (older(stage), stage.name("s"));
    wire.create(&name);
    let definition = defined(&name, json!({ "persistence": 1 }));
    let request = map([("definition", definition.into())]);
    let newer = stage.wire().ask(op::UPDATE, request.clone());
    newer.refused(Status::UpdateNotAllowed);
    wire.refuses(op::UPDATE, request, Status::InvalidRequest);
}

fn unknown_operation(stage: &Stage) {
    older(stage).refuses(99, map([]), Status::UnknownFailure);
}

fn out_of_memory(stage: &Stage) {
    let host = stage.own_host("storage.memory-streams = \"64 KiB\"");
    let definition = json!({ "name": "s", "strategyOnFull": 0, "persistence": 1 });
    let create = map([("definition", definition.into())]);
    let append = map([
        ("name", "s".into()),
        ("payload", vec![7_u8; 100 << 10].as_slice().into()),
    ]);
    let mut newer = Wire::connect(host.port());
    newer.ask(op::CREATE, create).done();
    newer.refuses(op::APPEND, append.clone(), Status::OutOfMemoryError);
    let mut older = Wire::connect_as(host.port(), "1.0.0");
    older.refuses(op::APPEND, append, Status::UnknownFailure);
}
