//! Reading (specification, 6.2).

use serde_json::{Value, json};

use super::{Behaviour, Status, all, defined, raw};
use crate::behaviour::Section;
use crate::clients::{Session, refused};
use crate::stage::Stage;
use crate::wire::{map, op};

pub(super) const SECTION: Section = Section {
    id: "read",
    title: "Reading",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "without_options",
        "6.2",
        "A read without options returns the oldest message, and no more.",
        without_options,
    ),
    all(
        "maximum",
        "6.2",
        "A read returns up to `maxMessageCount` messages in order, and what is there if that is \
         less.",
        maximum,
    ),
    all(
        "minimum_alone",
        "6.2",
        "A read with a minimum and no maximum returns the minimum.",
        minimum_alone,
    ),
    all(
        "start_number",
        "6.2",
        "A read begins at `desiredStartSequenceNumber`.",
        start_number,
    ),
    all(
        "start_below_oldest",
        "6.2",
        "A start below the oldest message reads from the oldest.",
        start_below_oldest,
    ),
    all(
        "start_beyond_newest",
        "2.2",
        "A start beyond the newest message is status 13 with the text that clients look for.",
        start_beyond_newest,
    ),
    all(
        "empty_stream",
        "2.2",
        "A read of an empty stream is the same.",
        empty_stream,
    ),
    all(
        "minimum_not_there",
        "6.2",
        "With fewer messages than the minimum there is no partial list, but status 13.",
        minimum_not_there,
    ),
    all(
        "minimum_above_maximum",
        "6.2",
        "A minimum above the maximum is refused with status 3.",
        minimum_above_maximum,
    ),
    all(
        "inside_read_bounds",
        "2",
        "The least and the greatest value of each option are taken.",
        inside_bounds,
    ),
    all(
        "outside_read_bounds",
        "2",
        "An option just outside its bounds is refused, by name.",
        outside_bounds,
    ),
    all(
        "reading_is_repeatable",
        "6.2",
        "Reading takes nothing away, and moves no export.",
        reading_is_repeatable,
    ),
    all(
        "read_unknown_stream",
        "2.2",
        "A read of a stream that is not there is ResourceNotFound, also if it would wait.",
        read_unknown_stream,
    ),
    raw(
        "empty_options",
        "6.2",
        "Options without any key are as good as none.",
        empty_options,
    ),
    all(
        "stream_of_messages",
        "2",
        "Each message names its stream and its number.",
        stream_of_messages,
    ),
];

/// A stream with messages `0` to `4`.
fn five(stage: &Stage) -> (Session, String) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    for number in 0..5 {
        client.append(&name, number.to_string()).unwrap();
    }
    (client, name)
}

fn without_options(stage: &Stage) {
    let (mut client, name) = five(stage);
    let messages = client.read_plainly(&name).unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].payload, b"0");
}

fn maximum(stage: &Stage) {
    let (mut client, name) = five(stage);
    for (most, expected) in [(1, 1), (3, 3), (5, 5), (100, 5)] {
        let numbers = client.numbers(&name, json!({ "maxMessageCount": most }));
        assert_eq!(numbers, (0..expected).collect::<Vec<_>>());
    }
}

fn minimum_alone(stage: &Stage) {
    let (mut client, name) = five(stage);
    assert_eq!(
        client.numbers(&name, json!({ "minMessageCount": 2 })),
        [0, 1]
    );
}

fn start_number(stage: &Stage) {
    let (mut client, name) = five(stage);
    for start in 0..5 {
        let options = json!({ "desiredStartSequenceNumber": start, "maxMessageCount": 5 });
        let expected: Vec<_> = (start..5).collect();
        assert_eq!(client.numbers(&name, options), expected);
    }
}

fn start_below_oldest(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let small = json!({ "maxSize": 2048, "streamSegmentSize": 1024 });
    client.create(&defined(&name, small)).unwrap();
    for _ in 0..6 {
        client.append(&name, vec![7; 900]).unwrap();
    }
    let (oldest, newest, _) = client.storage(&name);
    assert!(oldest > 0 && newest == 5, "{oldest} to {newest}");
    let options = json!({ "desiredStartSequenceNumber": 0, "maxMessageCount": 10 });
    let numbers = client.numbers(&name, options);
    assert_eq!(numbers.first().copied(), u64::try_from(oldest).ok());
    assert_eq!(numbers.last(), Some(&5));
    assert_eq!(client.read_plainly(&name).unwrap()[0].number, numbers[0]);
}

const BEYOND: &str =
    "desired starting sequence number is greater than the last sequence number of the stream";

fn start_beyond_newest(stage: &Stage) {
    let (mut client, name) = five(stage);
    for start in [5, 6, 1_i64 << 40] {
        let options = json!({ "desiredStartSequenceNumber": start });
        let text = refused(client.read(&name, options), Status::NotEnoughMessages);
        assert_eq!(text, BEYOND);
    }
}

fn empty_stream(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    let text = refused(client.read_plainly(&name), Status::NotEnoughMessages);
    assert_eq!(text, BEYOND);
}

fn minimum_not_there(stage: &Stage) {
    let (mut client, name) = five(stage);
    for options in [
        json!({ "minMessageCount": 6 }),
        json!({ "desiredStartSequenceNumber": 3, "minMessageCount": 3 }),
        json!({ "minMessageCount": 2_147_483_647 }),
    ] {
        let text = refused(client.read(&name, options), Status::NotEnoughMessages);
        assert_ne!(text, BEYOND);
    }
}

fn minimum_above_maximum(stage: &Stage) {
    let (mut client, name) = (stage.unchecked_client(), stage.name("s"));
    client.create_plain(&name);
    let options = json!({ "minMessageCount": 3, "maxMessageCount": 2 });
    let text = refused(client.read(&name, options), Status::InvalidRequest);
    assert!(text.contains("maxMessageCount"), "{text}");
}

fn inside_bounds(stage: &Stage) {
    let (mut client, name) = five(stage);
    for options in [
        json!({ "desiredStartSequenceNumber": 0 }),
        json!({ "minMessageCount": 1, "maxMessageCount": 1 }),
        json!({ "maxMessageCount": 2_147_483_647 }),
        json!({ "readTimeoutMillis": 0 }),
        json!({ "readTimeoutMillis": 30_000 }),
    ] {
        assert_eq!(client.numbers(&name, options)[0], 0);
    }
    // Beyond what some SDKs let through, because they give up earlier themselves.
    let mut client = stage.unchecked_client();
    let longest = json!({ "readTimeoutMillis": 9_223_372_036_854_i64 });
    assert_eq!(client.numbers(&name, longest), [0]);
    let last = json!({ "desiredStartSequenceNumber": i64::MAX });
    refused(client.read(&name, last), Status::NotEnoughMessages);
}

fn outside_bounds(stage: &Stage) {
    let (mut client, name) = (stage.unchecked_client(), stage.name("s"));
    client.create_plain(&name);
    client.append(&name, "x").unwrap();
    for (key, value) in [
        ("desiredStartSequenceNumber", -1_i64),
        ("minMessageCount", 0),
        ("minMessageCount", -1),
        ("minMessageCount", 2_147_483_648),
        ("maxMessageCount", 0),
        ("maxMessageCount", 2_147_483_648),
        ("readTimeoutMillis", -1),
        ("readTimeoutMillis", 9_223_372_036_855),
    ] {
        let text = refused(
            client.read(&name, json!({ key: value })),
            Status::InvalidRequest,
        );
        assert!(text.contains(key), "{key}: {text}");
    }
}

fn reading_is_repeatable(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let kinesis = json!([{ "identifier": "k", "kinesisStreamName": "k", "disabled": true }]);
    let exports = json!({ "exportDefinition": { "kinesis": kinesis } });
    client.create(&defined(&name, exports)).unwrap();
    client.fill(&name, 3);
    let before = client.describe(&name).unwrap();
    for _ in 0..3 {
        let all = json!({ "minMessageCount": 3 });
        assert_eq!(client.numbers(&name, all), [0, 1, 2]);
    }
    assert_eq!(client.describe(&name).unwrap(), before);
}

fn read_unknown_stream(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("nowhere"));
    refused(client.read_plainly(&name), Status::ResourceNotFound);
    let waiting = json!({ "readTimeoutMillis": 30_000 });
    refused(client.read(&name, waiting), Status::ResourceNotFound);
}

fn empty_options(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    wire.create(&name);
    wire.append(&name, b"x");
    wire.append(&name, b"y");
    let read = map([
        ("streamName", name.into()),
        ("readMessagesOptions", map([])),
    ]);
    let messages = wire.ask(op::READ, read).done().fields["messages"].take();
    assert_eq!(messages.as_array().map(Vec::len), Some(1));
}

fn stream_of_messages(stage: &Stage) {
    let (mut client, name) = five(stage);
    let all: Value = json!({ "minMessageCount": 5 });
    for (number, message) in client.read(&name, all).unwrap().into_iter().enumerate() {
        assert_eq!(message.stream, name);
        assert_eq!(message.number, number as u64);
        assert_eq!(message.payload, number.to_string().as_bytes());
    }
}
