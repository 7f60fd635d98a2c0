//! Large messages and answers (specification, 1.2 and 6.2).

use serde_json::json;

use super::{Behaviour, Status, all, raw};
use crate::behaviour::Section;
use crate::clients::{Call, refused};
use crate::stage::Stage;
use crate::wire::{Wire, frame, map, op};

pub(super) const SECTION: Section = Section {
    id: "limits",
    title: "Large messages",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "large_messages",
        "1.2",
        "A message close to the limit of a frame, 16 MiB by default, goes in and comes back.",
        large_messages,
    ),
    all(
        "too_large_message",
        "1.2",
        "A message beyond the limit is RequestPayloadTooLarge (4), and the connection serves on.",
        too_large_message,
    ),
    raw(
        "all_that_fits_can_be_read",
        "10",
        "Every message that can be appended can be read, with names and ids of any length.",
        all_that_fits_can_be_read,
    ),
    all(
        "as_many_as_fit",
        "6.2",
        "A read returns as many messages as fit into a frame.",
        as_many_as_fit,
    ),
    all(
        "minimum_beyond_frame",
        "6.2",
        "A minimum that does not fit into a frame is ResponsePayloadTooLarge (7).",
        minimum_beyond_frame,
    ),
    all(
        "many_large_reads",
        "6.2",
        "Many large answers may be asked for at once.",
        many_large_reads,
    ),
];

fn large_messages(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    let payload: Vec<u8> = (0..=255).cycle().take((16 << 20) - 1024).collect();
    assert_eq!(client.append(&name, &payload), Ok(0));
    assert!(client.read_plainly(&name).unwrap()[0].payload == payload);
    client.delete(&name).unwrap();
}

fn too_large_message(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    let payload = vec![7; (16 << 20) + 1];
    refused(
        client.append(&name, payload),
        Status::RequestPayloadTooLarge,
    );
    assert_eq!(client.append(&name, "small"), Ok(0));
}

fn all_that_fits_can_be_read(stage: &Stage) {
    let host = stage.own_host("server.max-frame = \"64 KiB\"");
    let mut wire = Wire::connect(host.port());
    for (name, id) in [
        ("s".to_owned(), "i".to_owned()),
        ("n".repeat(255), "i".repeat(255)),
    ] {
        wire.create(&name);
        let append = |size: usize| {
            map([
                ("requestId", "a".into()),
                ("name", (&name).into()),
                ("payload", vec![7; size].as_slice().into()),
            ])
            .encode()
        };
        let around = append(60 << 10).len() + 1 - (60 << 10);
        wire.send(&frame(op::APPEND, &append((64 << 10) - around)));
        wire.answer().done();
        let read = map([("requestId", id.into()), ("streamName", name.into())]);
        let messages = wire.ask_plainly(op::READ, &read).done().fields["messages"].take();
        assert_eq!(messages.as_array().unwrap().len(), 1);
    }
}

fn as_many_as_fit(stage: &Stage) {
    let host = stage.own_host("server.max-frame = \"64 KiB\"");
    let mut client = stage.client_of(&host);
    client.create_plain("s");
    for _ in 0..20 {
        client.append("s", vec![7; 10_000]).unwrap();
    }
    let numbers = client.numbers("s", json!({ "maxMessageCount": 20 }));
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    let rest = json!({ "desiredStartSequenceNumber": 16, "maxMessageCount": 20 });
    assert_eq!(client.numbers("s", rest), [16, 17, 18, 19]);
}

fn minimum_beyond_frame(stage: &Stage) {
    let host = stage.own_host("server.max-frame = \"64 KiB\"");
    let mut client = stage.client_of(&host);
    client.create_plain("s");
    for _ in 0..20 {
        client.append("s", vec![7; 10_000]).unwrap();
    }
    let six = json!({ "minMessageCount": 6, "maxMessageCount": 20 });
    assert_eq!(client.numbers("s", six).len(), 6);
    let seven = json!({ "minMessageCount": 7, "maxMessageCount": 20 });
    refused(client.read("s", seven), Status::ResponsePayloadTooLarge);
    // With a minimum that is not even there, that is what counts.
    let many = json!({ "minMessageCount": 21 });
    refused(client.read("s", many), Status::NotEnoughMessages);
}

fn many_large_reads(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    client.append(&name, vec![7; 1 << 20]).unwrap();
    let reads = vec![Call::Read(name, None); 10];
    for outcome in client.at_once(&reads) {
        let messages = outcome.unwrap();
        assert_eq!(messages.as_array().unwrap().len(), 1);
    }
}
