//! Appending (specification, 6.1).

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::{Behaviour, Status, all, defined};
use crate::behaviour::Section;
use crate::clients::refused;
use crate::stage::Stage;

pub(super) const SECTION: Section = Section {
    id: "append",
    title: "Appending",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "numbers",
        "6.1",
        "The numbers of a stream begin at 0 and rise by 1.",
        numbers,
    ),
    all(
        "numbers_of_each_stream",
        "6.1",
        "Each stream has numbers of its own, and all clients of a stream share them.",
        numbers_of_each_stream,
    ),
    all(
        "any_bytes",
        "6.1",
        "A payload of any bytes comes back as it was.",
        any_bytes,
    ),
    all(
        "empty_payload",
        "6.1",
        "An empty payload is refused, and takes no number.",
        empty_payload,
    ),
    all(
        "unknown_stream",
        "2.2",
        "An append to a stream that is not there is ResourceNotFound.",
        unknown_stream,
    ),
    all(
        "ingest_time",
        "2",
        "A message carries the time at which the host took it, in milliseconds since 1970.",
        ingest_time,
    ),
    all(
        "flush_on_write",
        "3",
        "A stream with `flushOnWrite` takes messages as any other.",
        flush_on_write,
    ),
    all(
        "beyond_segment",
        "10",
        "A message may be larger than a segment.",
        beyond_segment,
    ),
    all(
        "beyond_stream",
        "6.1",
        "A message that cannot fit into the whole stream is refused with status 3, with either \
         strategy, and nothing is deleted for it.",
        beyond_stream,
    ),
];

fn numbers(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    for number in 0..5 {
        assert_eq!(client.append(&name, "x"), Ok(number));
    }
    assert_eq!(client.storage(&name).1, 4);
}

fn numbers_of_each_stream(stage: &Stage) {
    let (mut client, one, two) = (stage.client(), stage.name("one"), stage.name("two"));
    let mut second_client = stage.client();
    client.create_plain(&one);
    client.create_plain(&two);
    assert_eq!(client.append(&one, "x"), Ok(0));
    assert_eq!(second_client.append(&one, "x"), Ok(1));
    assert_eq!(second_client.append(&two, "x"), Ok(0));
    assert_eq!(client.append(&one, "x"), Ok(2));
}

fn any_bytes(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    let every_byte: Vec<u8> = (0..=255).collect();
    let payloads = [
        vec![0],
        vec![0xff],
        every_byte,
        "größer".into(),
        vec![0xa5; 100_000],
    ];
    for payload in &payloads {
        client.append(&name, payload).unwrap();
    }
    let read = client
        .read(&name, json!({ "minMessageCount": payloads.len() }))
        .unwrap();
    let read: Vec<_> = read.into_iter().map(|message| message.payload).collect();
    assert_eq!(read, payloads);
}

fn empty_payload(stage: &Stage) {
    let (mut client, name) = (stage.unchecked_client(), stage.name("s"));
    client.create_plain(&name);
    refused(client.append(&name, ""), Status::InvalidRequest);
    assert_eq!(client.append(&name, "x"), Ok(0));
}

fn unknown_stream(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let text = refused(client.append(&name, "x"), Status::ResourceNotFound);
    assert!(text.contains(&name), "{text}");
}

fn ingest_time(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    let now = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::try_from(since.as_millis()).unwrap()
    };
    let before = now();
    for _ in 0..3 {
        client.append(&name, "x").unwrap();
    }
    // What arrives together has one time, that of the first of it.
    let taken = before - 1000..=now();
    for message in client.read(&name, json!({ "minMessageCount": 3 })).unwrap() {
        assert!(taken.contains(&message.ingest_time), "{message:?}");
    }
}

fn flush_on_write(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let definition = defined(&name, json!({ "flushOnWrite": true }));
    client.create(&definition).unwrap();
    assert_eq!(client.append(&name, "safe"), Ok(0));
    client.fill(&name, 20);
    assert_eq!(client.read_plainly(&name).unwrap()[0].payload, b"safe");
    assert_eq!(client.storage(&name).1, 20);
}

fn beyond_segment(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let sizes = json!({ "maxSize": 1 << 20, "streamSegmentSize": 1024 });
    client.create(&defined(&name, sizes)).unwrap();
    assert_eq!(client.append(&name, vec![7; 100_000]), Ok(0));
    assert_eq!(
        client.read_plainly(&name).unwrap()[0].payload.len(),
        100_000
    );
}

fn beyond_stream(stage: &Stage) {
    let mut client = stage.client();
    for strategy in [0, 1] {
        let name = stage.name(&strategy.to_string());
        let definition = json!({ "name": name, "strategyOnFull": strategy, "maxSize": 4096 });
        client.create(&definition).unwrap();
        client.append(&name, "kept").unwrap();
        let text = refused(client.append(&name, vec![7; 5000]), Status::InvalidRequest);
        assert!(text.contains("4096"), "{text}");
        assert_eq!(client.append(&name, "next"), Ok(1));
        assert_eq!(client.read_plainly(&name).unwrap()[0].payload, b"kept");
    }
}
