//! Reads that wait (specification, 1.5 and 6.2).

use serde_json::{Value, json};

use super::{Behaviour, Status, all, raw};
use crate::behaviour::Section;
use crate::clients::{Call, Outcomes, refused};
use crate::stage::Stage;
use crate::wire::{Item, frame, map, op};

pub(super) const SECTION: Section = Section {
    id: "waiting",
    title: "Reads that wait",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "woken_on_the_same_connection",
        "6.2",
        "A read that waits holds nothing up, and is answered by an append on the same connection.",
        woken_on_the_same_connection,
    ),
    all(
        "woken_by_another",
        "6.2",
        "A read that waits is answered by the append of another client.",
        woken_by_another,
    ),
    all(
        "waits_for_the_minimum",
        "6.2",
        "A read waits until its minimum is there, and then returns up to its maximum.",
        waits_for_the_minimum,
    ),
    all(
        "does_not_wait",
        "6.2",
        "A read whose minimum is there does not wait for its maximum.",
        does_not_wait,
    ),
    all(
        "expires",
        "6.2",
        "A read that waited in vain ends with status 13, and the connection serves on.",
        expires,
    ),
    all(
        "expires_beyond_newest",
        "2.2",
        "If it began beyond the newest message, the text says so.",
        expires_beyond_newest,
    ),
    all(
        "waits_for_a_later_number",
        "6.2",
        "A read may wait for a number that is not the next one.",
        waits_for_a_later_number,
    ),
    all(
        "deleted_while_waiting",
        "6.5",
        "A read that waits on a stream that is deleted ends with ResourceNotFound.",
        deleted_while_waiting,
    ),
    all(
        "many_waiting",
        "1.5",
        "Many reads may wait on one connection, and one append answers them all.",
        many_waiting,
    ),
    raw(
        "abandoned",
        "1.5",
        "A connection may end while its reads wait.",
        abandoned,
    ),
];

/// A read that waits for half a minute.
fn read(name: &str, mut options: Value) -> Call {
    options["readTimeoutMillis"] = 30_000.into();
    Call::Read(name.to_owned(), Some(options))
}

fn append(name: &str) -> Call {
    Call::Append(name.to_owned(), b"awaited".to_vec())
}

fn woken_on_the_same_connection(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    let calls = [
        read(&name, json!({ "minMessageCount": 2 })),
        Call::List,
        Call::Describe(name.clone()),
        append(&name),
        append(&name),
    ];
    let outcomes = client.at_once(&calls);
    let messages = outcomes[0].clone().messages();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[1].payload, b"awaited");
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

fn woken_by_another(stage: &Stage) {
    let (mut client, mut other, name) = (stage.client(), stage.client(), stage.name("s"));
    client.create_plain(&name);
    std::thread::scope(|scope| {
        let reading =
            scope.spawn(|| client.at_once(&[read(&name, json!({ "minMessageCount": 1 }))]));
        assert_eq!(other.append(&name, "awaited"), Ok(0));
        let outcome = reading.join().unwrap().remove(0);
        assert_eq!(outcome.messages()[0].payload, b"awaited");
    });
}

fn waits_for_the_minimum(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    client.fill(&name, 2);
    let calls = [
        read(&name, json!({ "minMessageCount": 4, "maxMessageCount": 9 })),
        append(&name),
        append(&name),
    ];
    let messages = client.at_once(&calls).remove(0).messages();
    let numbers: Vec<_> = messages.iter().map(|message| message.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
}

fn does_not_wait(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    client.fill(&name, 2);
    // The SDKs give up after 30 s themselves, so that a read that waited would fail.
    let call = read(&name, json!({ "minMessageCount": 1, "maxMessageCount": 9 }));
    assert_eq!(client.at_once(&[call]).remove(0).messages().len(), 2);
}

fn expires(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    client.fill(&name, 2);
    let options = json!({ "minMessageCount": 3, "readTimeoutMillis": 100 });
    refused(client.read(&name, options), Status::NotEnoughMessages);
    assert_eq!(client.append(&name, "x"), Ok(2));
}

fn expires_beyond_newest(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    client.fill(&name, 2);
    let options = json!({ "desiredStartSequenceNumber": 2, "readTimeoutMillis": 100 });
    let text = refused(client.read(&name, options), Status::NotEnoughMessages);
    assert!(
        text.contains("greater than the last sequence number"),
        "{text}"
    );
}

fn waits_for_a_later_number(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    let start = json!({ "desiredStartSequenceNumber": 2 });
    let calls = [
        read(&name, start),
        append(&name),
        append(&name),
        append(&name),
    ];
    assert_eq!(client.at_once(&calls).remove(0).messages()[0].number, 2);
}

fn deleted_while_waiting(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    let outcomes = client.at_once(&[read(&name, json!({})), Call::Delete(name.clone())]);
    refused(outcomes[0].clone(), Status::ResourceNotFound);
    outcomes[1].clone().unwrap();
}

fn many_waiting(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    let mut calls = vec![read(&name, json!({})); 40];
    calls.push(append(&name));
    let mut outcomes = client.at_once(&calls);
    assert_eq!(outcomes.pop().unwrap().number(), 0);
    for outcome in outcomes {
        assert_eq!(outcome.messages()[0].payload, b"awaited");
    }
}

fn abandoned(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    wire.create(&name);
    let options = map([("readTimeoutMillis", 30_000.into())]);
    let read = map([
        ("requestId", Item::from("waits")),
        ("streamName", (&name).into()),
        ("readMessagesOptions", options),
    ]);
    wire.send(&frame(op::READ, &read.encode()));
    wire.assert_serves();
    drop(wire);
    let mut wire = stage.wire();
    assert_eq!(wire.append(&name, b"nobody waits"), 0);
    wire.ask(op::DELETE, map([("name", name.into())])).done();
}
