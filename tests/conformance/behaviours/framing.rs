//! Bytes and frames (specification, 1.2).

use super::{Behaviour, Status, raw};
use crate::behaviour::Section;
use crate::stage::Stage;
use crate::wire::{Wire, frame, map, op};

pub(super) const SECTION: Section = Section {
    id: "framing",
    title: "Bytes and frames",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    raw(
        "single_bytes",
        "1.2",
        "Everything may arrive one byte at a time, the handshake too.",
        single_bytes,
    ),
    raw(
        "split_anywhere",
        "1.2",
        "A request may arrive in two parts, split at any byte.",
        split_anywhere,
    ),
    raw(
        "glued_frames",
        "1.2",
        "Many requests may arrive in one segment; each is answered, in order.",
        glued_frames,
    ),
    raw(
        "glued_handshake",
        "1.2",
        "Requests may arrive with the handshake, before it is answered.",
        glued_handshake,
    ),
    raw(
        "length_below_one",
        "1.2",
        "A length below 1 ends the connection.",
        length_below_one,
    ),
    raw(
        "beyond_limit",
        "1.2",
        "A frame beyond the host's limit is refused with status 4, and the connection goes on.",
        beyond_limit,
    ),
    raw(
        "greatest_length",
        "1.2",
        "A length of 2^31 - 1 is refused with status 4 as soon as the id is there.",
        greatest_length,
    ),
    raw(
        "beyond_limit_without_id",
        "1.2",
        "A frame beyond the limit whose id does not come first ends the connection.",
        beyond_limit_without_id,
    ),
    raw(
        "at_the_limit",
        "1.2",
        "A frame of exactly the limit is taken, one byte more is not.",
        at_the_limit,
    ),
    raw(
        "cut_short",
        "1.2",
        "A request that is cut short by the end of its connection does nothing.",
        cut_short,
    ),
    raw(
        "half_closed",
        "1.2",
        "What was asked before the client closed its side is still answered.",
        half_closed,
    ),
    raw(
        "bystanders",
        "1.2",
        "What one connection does wrong disturbs no other.",
        bystanders,
    ),
];

fn append(name: &str, payload: &[u8], id: &str) -> Vec<u8> {
    let request = map([
        ("requestId", id.into()),
        ("name", name.into()),
        ("payload", payload.into()),
    ]);
    frame(op::APPEND, &request.encode())
}

fn greeting() -> Vec<u8> {
    let connect = map([
        ("requestId", "greeting".into()),
        ("protocolVersion", "1.1.0".into()),
    ]);
    let mut bytes = vec![1];
    bytes.extend(frame(op::CONNECT, &connect.encode()));
    bytes
}

fn single_bytes(stage: &Stage) {
    let mut wire = stage.open_wire();
    for byte in greeting() {
        wire.send(&[byte]);
    }
    wire.first_answer().done();
    let name = stage.name("s");
    wire.create(&name);
    for byte in append(&name, b"slow", "a") {
        wire.send(&[byte]);
    }
    assert_eq!(wire.answer().done().fields["sequenceNumber"], 0);
}

fn split_anywhere(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    wire.create(&name);
    let request = append(&name, b"in two", "a");
    for split in 1..request.len() {
        wire.send(&request[..split]);
        wire.send(&request[split..]);
        let number = wire.answer().done().fields["sequenceNumber"]
            .as_u64()
            .unwrap();
        assert_eq!(number, split as u64 - 1);
    }
}

fn glued_frames(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    wire.create(&name);
    let mut bytes = Vec::new();
    for number in 0..500 {
        bytes.extend(append(&name, b"x", &number.to_string()));
    }
    wire.send(&bytes);
    for number in 0..500 {
        let answer = wire.answer().done();
        assert_eq!(answer.request_id, Some(number.to_string()));
        assert_eq!(answer.fields["sequenceNumber"], number);
    }
}

fn glued_handshake(stage: &Stage) {
    let name = stage.name("s");
    stage.wire().create(&name);
    let mut wire = stage.open_wire();
    let mut bytes = greeting();
    bytes.extend(append(&name, b"early", "a"));
    wire.send(&bytes);
    wire.first_answer().done();
    assert_eq!(wire.answer().done().fields["sequenceNumber"], 0);
}

fn length_below_one(stage: &Stage) {
    for length in [0_i32, -1, i32::MIN] {
        let mut wire = stage.wire();
        wire.send(&length.to_be_bytes());
        wire.send(&[op::LIST]);
        wire.assert_closed();
    }
}

fn beyond_limit(stage: &Stage) {
    let host = stage.own_host("server.max-frame = \"64 KiB\"");
    let mut wire = Wire::connect(host.port());
    wire.create("s");
    wire.send(&append("s", &[7; 65 << 10], "big"));
    let answer = wire.answer().refused(Status::RequestPayloadTooLarge);
    assert_eq!(answer.operation, op::answer_to(op::APPEND));
    assert_eq!(answer.request_id.as_deref(), Some("big"));
    assert_eq!(wire.append("s", b"small"), 0);
}

fn greatest_length(stage: &Stage) {
    let mut wire = stage.wire();
    let request = append("s", b"", "big");
    wire.send(&i32::MAX.to_be_bytes());
    wire.send(&request[4..]);
    // As much as a host may look at before it gives the id up.
    wire.send(&[0; 2048]);
    let answer = wire.answer().refused(Status::RequestPayloadTooLarge);
    assert_eq!(answer.request_id.as_deref(), Some("big"));
}

fn beyond_limit_without_id(stage: &Stage) {
    let host = stage.own_host("server.max-frame = \"64 KiB\"");
    let mut wire = Wire::connect(host.port());
    let request = map([
        ("name", "s".into()),
        ("payload", [7_u8; 65 << 10].as_slice().into()),
        ("requestId", "late".into()),
    ]);
    wire.is_closed_upon(op::APPEND, &request.encode());
}

fn at_the_limit(stage: &Stage) {
    let limit = 64 << 10;
    let host = stage.own_host("server.max-frame = \"64 KiB\"");
    let mut wire = Wire::connect(host.port());
    wire.create("s");
    let around = append("s", &[7; 60 << 10], "a").len() - (60 << 10) - 4;
    wire.send(&append("s", &vec![7; limit - around], "a"));
    assert_eq!(wire.answer().done().fields["sequenceNumber"], 0);
    wire.send(&append("s", &vec![7; limit - around + 1], "b"));
    wire.answer().refused(Status::RequestPayloadTooLarge);
}

fn cut_short(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    wire.create(&name);
    let request = append(&name, b"never", "a");
    let mut cut = stage.wire();
    cut.send(&request[..request.len() - 1]);
    drop(cut);
    assert_eq!(wire.append(&name, b"first"), 0);
}

fn half_closed(stage: &Stage) {
    let (mut wire, name) = (stage.wire(), stage.name("s"));
    wire.create(&name);
    wire.send(&append(&name, b"last", "a"));
    wire.close_sending();
    assert_eq!(wire.answer().done().fields["sequenceNumber"], 0);
    wire.assert_closed();
}

fn bystanders(stage: &Stage) {
    let (mut bystander, name) = (stage.wire(), stage.name("s"));
    bystander.create(&name);
    stage.wire().send(&[0, 0, 0, 1]);
    stage.wire().is_closed_upon(op::APPEND, &[0xff]);
    let mut rude = stage.open_wire();
    rude.send(b"GET / HTTP/1.1\r\n\r\n");
    rude.first_answer()
        .refused(Status::UnsupportedConnectVersion);
    assert_eq!(bystander.append(&name, b"undisturbed"), 0);
}
