//! Requests and their answers (specification, 1.5).

use std::collections::BTreeSet;

use super::{Behaviour, all, raw};
use crate::behaviour::Section;
use crate::clients::{Call, Outcomes};
use crate::stage::Stage;
use crate::wire::{Item, frame, map, op};

pub(super) const SECTION: Section = Section {
    id: "correlation",
    title: "Requests and answers",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "many_at_once",
        "1.5",
        "Requests that are under way together each get their own answer.",
        many_at_once,
    ),
    all(
        "kinds_at_once",
        "1.5",
        "Requests of different kinds may be under way together.",
        kinds_at_once,
    ),
    raw(
        "any_id",
        "1.5",
        "An id of 1 to 255 bytes of any text is echoed, a single space too.",
        any_id,
    ),
    raw(
        "equal_ids",
        "1.5",
        "Requests with equal ids are answered in the order of their arrival, behind a waiting read \
         too.",
        equal_ids,
    ),
    raw(
        "different_ids",
        "1.5",
        "Requests with ids of their own overtake a waiting read.",
        different_ids,
    ),
    raw(
        "order_of_effects",
        "6.1",
        "Appends that arrive on one connection are numbered in the order of their arrival.",
        order_of_effects,
    ),
];

fn many_at_once(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    let appends: Vec<_> = (0..50)
        .map(|number: u64| Call::Append(name.clone(), number.to_string().into_bytes()))
        .collect();
    let numbers: Vec<_> = client
        .at_once(&appends)
        .into_iter()
        .map(Outcomes::number)
        .collect();
    let distinct: BTreeSet<_> = numbers.iter().copied().collect();
    assert_eq!(distinct, (0..50).collect());
    // Each answer belongs to its own request: the number leads to the payload.
    let all = serde_json::json!({ "minMessageCount": 50, "maxMessageCount": 50 });
    for message in client.read(&name, all).unwrap() {
        let sent: usize = String::from_utf8(message.payload).unwrap().parse().unwrap();
        assert_eq!(numbers[sent], message.number);
    }
}

fn kinds_at_once(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    client.fill(&name, 1);
    let outcomes = client.at_once(&[
        Call::Describe(name.clone()),
        Call::Read(name.clone(), None),
        Call::Delete(stage.name("none")),
        Call::List,
        Call::Append(name.clone(), b"x".to_vec()),
    ]);
    let mut outcomes = outcomes.into_iter();
    let described = outcomes.next().unwrap().unwrap();
    assert_eq!(described["definition"]["name"], name);
    assert_eq!(outcomes.next().unwrap().messages()[0].number, 0);
    assert!(outcomes.next().unwrap().is_err());
    assert!(outcomes.next().unwrap().unwrap().is_array());
    assert_eq!(outcomes.next().unwrap().number(), 1);
}

fn any_id(stage: &Stage) {
    let mut wire = stage.wire();
    for id in [" ", "0", "a/b\n", "é", &"x".repeat(255)] {
        let answer = wire.ask_plainly(op::LIST, &map([("requestId", id.into())]));
        assert_eq!(answer.done().request_id.as_deref(), Some(id));
        let answer = wire.ask_plainly(99, &map([("requestId", id.into())]));
        assert_eq!(answer.request_id.as_deref(), Some(id));
    }
}

/// A read that waits for message `start`.
fn waiting_read(name: &str, start: i32) -> Item {
    let options = map([
        ("desiredStartSequenceNumber", start.into()),
        ("readTimeoutMillis", 30_000.into()),
    ]);
    map([
        ("streamName", name.into()),
        ("readMessagesOptions", options),
    ])
}

fn equal_ids(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    wire.create(&name);
    let same =
        |operation, request: Item| frame(operation, &request.with("requestId", " ").encode());
    let append = || map([("name", (&name).into()), ("payload", Item::Bytes(vec![1]))]);
    let requests = [
        (op::APPEND, append()),
        (op::LIST, map([])),
        (op::READ, waiting_read(&name, 1)),
        (op::DESCRIBE, map([("name", (&name).into())])),
        (99, map([])),
        (op::READ, waiting_read(&name, 0)),
        (op::APPEND, append()),
    ];
    let bytes: Vec<u8> = requests
        .iter()
        .flat_map(|(operation, request)| same(*operation, request.clone()))
        .collect();
    wire.send(&bytes);
    // What is behind the waiting read comes only after the message that it waits for.
    for (operation, _) in &requests[..2] {
        assert_eq!(wire.answer().operation, op::answer_to(*operation));
    }
    stage.wire().append(&name, b"awaited");
    for (operation, _) in &requests[2..] {
        let answer = wire.answer();
        assert_eq!(answer.operation, op::answer_to(*operation), "{answer:?}");
        assert_eq!(answer.request_id.as_deref(), Some(" "));
    }
}

fn different_ids(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    wire.create(&name);
    let read = waiting_read(&name, 0).with("requestId", "waits");
    wire.send(&frame(op::READ, &read.encode()));
    wire.assert_serves();
    wire.describe(&name);
    stage.wire().append(&name, b"awaited");
    assert_eq!(wire.answer().done().request_id.as_deref(), Some("waits"));
}

fn order_of_effects(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    wire.create(&name);
    let mut bytes = Vec::new();
    for number in 0..100_u64 {
        let append = map([
            ("requestId", number.to_string().into()),
            ("name", (&name).into()),
            ("payload", Item::Bytes(number.to_be_bytes().to_vec())),
        ]);
        bytes.extend(frame(op::APPEND, &append.encode()));
    }
    wire.send(&bytes);
    for number in 0..100 {
        let answer = wire.answer().done();
        assert_eq!(answer.request_id, Some(number.to_string()));
        assert_eq!(answer.fields["sequenceNumber"], number);
    }
}
