//! What happens when a stream is full (specification, 6.1 and 6.6).

use serde_json::{Value, json};

use super::{Behaviour, Status, all};
use crate::behaviour::Section;
use crate::clients::refused;
use crate::stage::Stage;

pub(super) const SECTION: Section = Section {
    id: "retention",
    title: "Full streams",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "reject_new_data",
        "6.1",
        "A full stream that rejects refuses an append with status 3 and a text that says full, \
         keeps what it has, and still takes what fits.",
        reject_new_data,
    ),
    all(
        "overwrite_oldest_data",
        "6.1",
        "A full stream that overwrites deletes its oldest segments until the message fits.",
        overwrite_oldest_data,
    ),
    all(
        "whole_segments",
        "3",
        "Segments are deleted whole.",
        whole_segments,
    ),
    all(
        "never_beyond_size",
        "3",
        "A stream never holds more than its `maxSize`.",
        never_beyond_size,
    ),
    all(
        "numbers_are_not_reused",
        "6.6",
        "Deleting the oldest messages moves the oldest number and no other.",
        numbers_are_not_reused,
    ),
    all(
        "messages_with_time_to_live",
        "6.6",
        "A message is there for at least its time to live.",
        messages_with_time_to_live,
    ),
    all(
        "memory_streams_too",
        "6.1",
        "Both strategies hold for streams in memory.",
        memory_streams_too,
    ),
    all(
        "full_memory",
        "2.1",
        "When the memory for all memory streams is used up, an append is OutOfMemoryError (15), \
         and streams on disk go on.",
        full_memory,
    ),
];

fn small(name: &str, strategy: u8, more: Value) -> Value {
    let mut definition = json!({
        "name": name, "strategyOnFull": strategy, "maxSize": 4096, "streamSegmentSize": 1024,
    });
    super::merge(&mut definition, more);
    definition
}

fn rejects(stage: &Stage, which: &str, more: Value) {
    let (mut client, name) = (stage.client(), stage.name(which));
    client.create(&small(&name, 0, more)).unwrap();
    for number in 0..4 {
        assert_eq!(client.append(&name, vec![7; 900]), Ok(number));
    }
    let text = refused(client.append(&name, vec![7; 900]), Status::InvalidRequest);
    assert!(text.contains("full"), "{text}");
    assert_eq!(client.append(&name, "fits"), Ok(4), "no number was lost");
    let all = json!({ "minMessageCount": 5 });
    assert_eq!(client.numbers(&name, all), [0, 1, 2, 3, 4]);
}

fn reject_new_data(stage: &Stage) {
    rejects(stage, "s", json!({}));
}

fn overwrites(stage: &Stage, which: &str, more: Value) {
    let (mut client, name) = (stage.client(), stage.name(which));
    client.create(&small(&name, 1, more)).unwrap();
    for number in 0..20_u8 {
        let payload = vec![number; 900];
        assert_eq!(client.append(&name, payload), Ok(number.into()));
    }
    let options = json!({ "maxMessageCount": 100 });
    let messages = client.read(&name, options).unwrap();
    let numbers: Vec<_> = messages.iter().map(|message| message.number).collect();
    assert_eq!(numbers, [16, 17, 18, 19]);
    assert_eq!(messages[0].payload, [16; 900]);
    // A message that needs the room of several.
    assert_eq!(client.append(&name, vec![7; 3000]), Ok(20));
    assert_eq!(client.storage(&name).0, 19);
}

fn overwrite_oldest_data(stage: &Stage) {
    overwrites(stage, "s", json!({}));
}

fn whole_segments(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&small(&name, 1, json!({}))).unwrap();
    // Four segments of ten small messages each fill the stream.
    for number in 0..40 {
        assert_eq!(client.append(&name, vec![7; 84]), Ok(number));
    }
    assert_eq!(client.storage(&name).0, 0);
    client.append(&name, vec![7; 200]).unwrap();
    assert_eq!(
        client.storage(&name).0,
        10,
        "one segment and no message of the next"
    );
}

fn never_beyond_size(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&small(&name, 1, json!({}))).unwrap();
    for size in [1, 4000, 17, 900, 2000, 2500, 1, 1024, 333] {
        client.append(&name, vec![7; size]).unwrap();
        let (_, _, bytes) = client.storage(&name);
        assert!(bytes <= 4096, "{bytes}");
    }
}

fn numbers_are_not_reused(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create(&small(&name, 1, json!({}))).unwrap();
    let mut oldest = 0;
    for number in 0..50 {
        client.append(&name, vec![7; 500]).unwrap();
        let storage = client.storage(&name);
        assert!(storage.0 >= oldest);
        assert_eq!(storage.1, number);
        oldest = storage.0;
    }
    assert!(oldest > 0);
}

fn messages_with_time_to_live(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let minute = json!({ "timeToLiveMillis": 60_000 });
    client.create(&small(&name, 1, minute)).unwrap();
    client.fill(&name, 3);
    assert_eq!(client.definition(&name)["timeToLiveMillis"], 60_000);
    let all = json!({ "minMessageCount": 3 });
    assert_eq!(client.numbers(&name, all), [0, 1, 2]);
}

fn memory_streams_too(stage: &Stage) {
    rejects(stage, "rejects", json!({ "persistence": 1 }));
    overwrites(stage, "overwrites", json!({ "persistence": 1 }));
}

fn full_memory(stage: &Stage) {
    let host = stage.own_host("storage.memory-streams = \"64 KiB\"");
    let mut client = stage.client_of(&host);
    let memory = json!({ "name": "memory", "strategyOnFull": 0, "persistence": 1 });
    client.create(&memory).unwrap();
    client.create_plain("disk");
    assert_eq!(client.append("memory", vec![7; 40_000]), Ok(0));
    refused(
        client.append("memory", vec![7; 40_000]),
        Status::OutOfMemoryError,
    );
    assert_eq!(client.append("disk", vec![7; 40_000]), Ok(0));
    assert_eq!(client.append("memory", "fits"), Ok(1));
}
