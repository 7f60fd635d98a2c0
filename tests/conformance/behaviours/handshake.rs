//! Opening a connection (specification, 1.4).

use serde_json::json;

use super::{Behaviour, Status, all, raw};
use crate::behaviour::Section;
use crate::stage::Stage;
use crate::wire::{Item, Wire, frame, list, map, op};

pub(super) const SECTION: Section = Section {
    id: "handshake",
    title: "Handshake",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "connects",
        "1.4",
        "The client connects and serves its first call.",
        connects,
    ),
    raw(
        "welcome",
        "1.4",
        "The host answers with its own version byte, status 0, the version in force, all versions \
         it speaks, its own version and a name for the client.",
        welcome,
    ),
    raw(
        "preferred_version",
        "1.4",
        "The version that the client prefers is in force if the host speaks it, also 1.0.0.",
        preferred_version,
    ),
    raw(
        "alternative_version",
        "1.4",
        "Of an unknown version's alternatives the highest that the host speaks is in force.",
        alternative_version,
    ),
    raw(
        "no_common_version",
        "1.4",
        "Without a common version the client is refused with status 10, and the host closes.",
        no_common_version,
    ),
    raw(
        "no_version",
        "1.4",
        "A text that is no version is refused with status 11, and the host closes.",
        no_version,
    ),
    raw(
        "version_byte",
        "1.4",
        "A first byte other than 1 is refused with status 8, and the host closes.",
        version_byte,
    ),
    raw(
        "first_frame",
        "1.4",
        "A first frame that is not Connect is refused with status 9 and its id, and the host closes.",
        first_frame,
    ),
    raw(
        "second_connect",
        "10",
        "A second Connect is refused with status 3, and the connection goes on.",
        second_connect,
    ),
    raw(
        "unknown_connect_keys",
        "1.4",
        "A Connect may carry keys that the host does not know.",
        unknown_connect_keys,
    ),
    raw(
        "incomplete_connect",
        "1.4",
        "A Connect without id or version, or with one of another type, is refused with status 3, \
         and the host closes.",
        incomplete_connect,
    ),
    raw(
        "long_connect",
        "10",
        "A Connect of more than 64 KiB is refused with status 4, and the host closes.",
        long_connect,
    ),
    raw(
        "indefinite_connect",
        "1.3",
        "A Connect may be written in any form that CBOR has.",
        indefinite_connect,
    ),
];

fn connect(version: &str) -> Item {
    map([
        ("requestId", "hello".into()),
        ("protocolVersion", version.into()),
    ])
}

fn refused(mut wire: Wire, connect: &Item, status: Status) {
    let answer = wire.greet(connect).refused(status);
    assert_eq!(answer.operation, op::CONNECT_RESPONSE);
    wire.assert_closed();
}

fn connects(stage: &Stage) {
    let mut client = stage.client();
    client.list();
}

fn welcome(stage: &Stage) {
    let mut wire = stage.open_wire();
    let answer = wire.greet(&connect("1.1.0")).done();
    assert_eq!(answer.operation, op::CONNECT_RESPONSE);
    assert_eq!(answer.request_id.as_deref(), Some("hello"));
    assert_eq!(answer.fields["protocolVersion"], "1.1.0");
    assert_eq!(
        answer.fields["supportedProtocolVersions"],
        json!(["1.0.0", "1.1.0"])
    );
    for key in ["serverVersion", "clientIdentifier"] {
        assert!(!answer.fields[key].as_str().unwrap().is_empty(), "{key}");
    }
}

fn in_force(stage: &Stage, preferred: &str, others: &[&str]) -> String {
    let mut wire = stage.open_wire();
    let others: Vec<_> = others.iter().map(|&other| other.into()).collect();
    let connect = connect(preferred).with("otherSupportedProtocolVersions", list(others));
    let answer = wire.greet(&connect).done();
    wire.assert_serves();
    answer.fields["protocolVersion"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn preferred_version(stage: &Stage) {
    assert_eq!(in_force(stage, "1.1.0", &["1.0.0"]), "1.1.0");
    assert_eq!(in_force(stage, "1.0.0", &["1.1.0"]), "1.0.0");
    assert_eq!(in_force(stage, "1.0.0", &[]), "1.0.0");
}

fn alternative_version(stage: &Stage) {
    assert_eq!(in_force(stage, "2.0.0", &["1.0.0"]), "1.0.0");
    assert_eq!(in_force(stage, "9.9.9", &["1.0.0", "1.1.0"]), "1.1.0");
    assert_eq!(in_force(stage, "2.0.0", &["latest", "1.0.0"]), "1.0.0");
}

fn no_common_version(stage: &Stage) {
    let status = Status::UnsupportedProtocolVersion;
    refused(stage.open_wire(), &connect("2.0.0"), status);
    let others = connect("2.0.0").with("otherSupportedProtocolVersions", list(["3.0.0".into()]));
    refused(stage.open_wire(), &others, status);
}

fn no_version(stage: &Stage) {
    for text in ["", "latest", "1", "1.1", "v1.1.0", "1.1.0.0", "1.1.x"] {
        let connect = connect(text).with("otherSupportedProtocolVersions", list(["1.0.0".into()]));
        refused(stage.open_wire(), &connect, Status::InvalidProtocolVersion);
    }
}

fn version_byte(stage: &Stage) {
    for byte in [0, 2, b'G', 0xff] {
        let mut wire = stage.open_wire();
        wire.send(&[byte]);
        wire.first_answer()
            .refused(Status::UnsupportedConnectVersion);
        wire.assert_closed();
    }
}

fn first_frame(stage: &Stage) {
    for operation in [0, op::APPEND, op::LIST, op::CONNECT_RESPONSE, 99] {
        let mut wire = stage.open_wire();
        wire.send(&[1]);
        let request = map([("requestId", "early".into())]);
        wire.send(&frame(operation, &request.encode()));
        let answer = wire.first_answer().refused(Status::UnexpectedOperation);
        assert_eq!(answer.operation, op::CONNECT_RESPONSE);
        assert_eq!(answer.request_id.as_deref(), Some("early"));
        wire.assert_closed();
    }
}

fn second_connect(stage: &Stage) {
    let mut wire = stage.wire();
    let answer = wire.ask_plainly(op::CONNECT, &connect("1.1.0"));
    answer.refused(Status::InvalidRequest);
    wire.assert_serves();
}

fn unknown_connect_keys(stage: &Stage) {
    let mut wire = stage.open_wire();
    let more = list([map([("deep", Item::Null)]), 7.into()]);
    wire.greet(&connect("1.1.0").with("somethingNew", more))
        .done();
    wire.assert_serves();
}

fn incomplete_connect(stage: &Stage) {
    for incomplete in [
        connect("1.1.0").without("protocolVersion"),
        connect("1.1.0").without("requestId"),
        connect("1.1.0").replacing("requestId", ""),
        connect("1.1.0").replacing("protocolVersion", 1),
        connect("1.1.0").with("authToken", 1),
        connect("1.1.0").with("otherSupportedProtocolVersions", "1.0.0"),
        list([]),
    ] {
        refused(stage.open_wire(), &incomplete, Status::InvalidRequest);
    }
}

fn long_connect(stage: &Stage) {
    let long = connect("1.1.0").with("authToken", "x".repeat(70_000));
    let mut wire = stage.open_wire();
    wire.greet(&long).refused(Status::RequestPayloadTooLarge);
}

fn indefinite_connect(stage: &Stage) {
    for form in [Item::opened, Item::in_pieces] {
        let connect = connect("1.1.0")
            .with("otherSupportedProtocolVersions", list(["1.0.0".into()]))
            .with("sdkVersion", "1.1.0");
        stage.open_wire().greet(&form(connect)).done();
    }
}
