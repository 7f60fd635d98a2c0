//! Who may connect (specification, 1.4).

use super::{Behaviour, all, raw};
use crate::behaviour::Section;
use crate::clients::{Checks, Connecting};
use crate::stage::Stage;
use crate::wire::map;

pub(super) const SECTION: Section = Section {
    id: "authentication",
    title: "Authentication",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "any_token_where_none_is_asked_for",
        "1.4",
        "A host that asks for no credential takes a client with one.",
        any_token,
    ),
    raw(
        "empty_token",
        "1.4",
        "An empty credential, as the Java SDK sends it, is as good as none.",
        empty_token,
    ),
];

fn any_token(stage: &Stage) {
    let mut client = stage
        .try_connect(&Connecting {
            port: stage.host().port(),
            checks: Checks::On,
            token: Some("a credential".to_owned()),
        })
        .unwrap();
    client.list();
}

fn empty_token(stage: &Stage) {
    let mut wire = stage.open_wire();
    let connect = map([
        ("requestId", "hello".into()),
        ("protocolVersion", "1.1.0".into()),
        ("authToken", "".into()),
    ]);
    wire.greet(&connect).done();
    wire.assert_serves();
}
