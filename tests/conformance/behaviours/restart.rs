//! What outlives the end of the host (specification, 2 and 3).

use millstream_tests::Host;
use serde_json::json;

use super::{Behaviour, Status, all, defined};
use crate::behaviour::Section;
use crate::clients::refused;
use crate::stage::Stage;

pub(super) const SECTION: Section = Section {
    id: "restart",
    title: "Restarts",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "after_a_stop",
        "3",
        "A stream on disk outlives an orderly stop, with definition, messages, numbers and cursors.",
        after_a_stop,
    ),
    all(
        "after_a_kill",
        "6.1",
        "What was acknowledged outlives `kill -9`.",
        after_a_kill,
    ),
    all(
        "oldest_after_a_restart",
        "6.6",
        "What was deleted before a restart stays deleted.",
        oldest_after_a_restart,
    ),
    all(
        "memory_after_a_restart",
        "10",
        "A stream in memory is gone after a restart, with its name, and begins at 0 when it is \
         created again.",
        memory_after_a_restart,
    ),
    all(
        "deleted_after_a_restart",
        "6.5",
        "A deleted stream stays deleted.",
        deleted_after_a_restart,
    ),
];

fn fill(stage: &Stage, host: &Host) -> serde_json::Value {
    let mut client = stage.client_of(host);
    let kinesis = json!([
        { "identifier": "k", "kinesisStreamName": "k", "disabled": true, "startSequenceNumber": 2 },
    ]);
    let more = json!({
        "maxSize": 1 << 20,
        "timeToLiveMillis": 3_600_000,
        "exportDefinition": { "kinesis": kinesis },
    });
    client.create(&defined("s", more)).unwrap();
    client.create_plain("empty");
    client.fill("s", 10);
    client.describe("s").unwrap()
}

fn is_as_before(stage: &Stage, host: &Host, before: &serde_json::Value) {
    let mut client = stage.client_of(host);
    assert_eq!(client.describe("s").unwrap(), *before);
    assert_eq!(client.list(), ["empty", "s"]);
    assert_eq!(client.storage("empty"), (0, -1, 0));
    let all = json!({ "minMessageCount": 10 });
    assert_eq!(client.numbers("s", all), (0..10).collect::<Vec<_>>());
    assert_eq!(client.append("s", "next"), Ok(10));
    assert_eq!(client.append("empty", "first"), Ok(0));
}

fn after_a_stop(stage: &Stage) {
    let mut host = stage.own_host("");
    let before = fill(stage, &host);
    host.stop();
    host.start_again();
    is_as_before(stage, &host, &before);
}

fn after_a_kill(stage: &Stage) {
    let mut host = stage.own_host("");
    let before = fill(stage, &host);
    host.kill();
    host.start_again();
    is_as_before(stage, &host, &before);
}

fn oldest_after_a_restart(stage: &Stage) {
    let mut host = stage.own_host("");
    let mut client = stage.client_of(&host);
    let small = json!({ "maxSize": 4096, "streamSegmentSize": 1024 });
    client.create(&defined("s", small)).unwrap();
    for _ in 0..20 {
        client.append("s", vec![7; 900]).unwrap();
    }
    let before = client.storage("s");
    drop(client);
    host.kill();
    host.start_again();
    let mut client = stage.client_of(&host);
    assert_eq!(client.storage("s"), before);
    assert_eq!(client.read_plainly("s").unwrap()[0].number, 16);
}

fn memory_after_a_restart(stage: &Stage) {
    let mut host = stage.own_host("");
    let memory = defined("memory", json!({ "persistence": 1 }));
    let mut client = stage.client_of(&host);
    client.create(&memory).unwrap();
    client.create_plain("file");
    assert_eq!(client.append("memory", "x"), Ok(0));
    drop(client);
    host.stop();
    host.start_again();
    let mut client = stage.client_of(&host);
    assert_eq!(client.list(), ["file"]);
    refused(client.append("memory", "x"), Status::ResourceNotFound);
    client.create(&memory).unwrap();
    assert_eq!(client.append("memory", "x"), Ok(0));
}

fn deleted_after_a_restart(stage: &Stage) {
    let mut host = stage.own_host("");
    let mut client = stage.client_of(&host);
    client.create_plain("s");
    client.fill("s", 3);
    client.delete("s").unwrap();
    drop(client);
    host.kill();
    host.start_again();
    let mut client = stage.client_of(&host);
    assert!(client.list().is_empty());
    client.create_plain("s");
    assert_eq!(client.append("s", "x"), Ok(0));
}
