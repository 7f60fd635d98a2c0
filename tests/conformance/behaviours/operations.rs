//! Operations (specification, 1.6).

use super::{Behaviour, Status, raw};
use crate::behaviour::Section;
use crate::stage::Stage;
use crate::wire::{map, op};

pub(super) const SECTION: Section = Section {
    id: "operations",
    title: "Operations",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    raw(
        "unknown_operation",
        "1.6",
        "An unknown operation is answered with operation 17, its id and status 18, and the \
         connection goes on.",
        unknown_operation,
    ),
    raw(
        "operations_of_servers",
        "1.6",
        "An operation that only servers send is unknown when a client sends it.",
        operations_of_servers,
    ),
    raw(
        "unknown_operation_with_more",
        "1.6",
        "An unknown operation may carry anything behind its id.",
        unknown_operation_with_more,
    ),
    raw(
        "unknown_operation_without_id",
        "1.6",
        "An unknown operation without an id ends the connection.",
        unknown_operation_without_id,
    ),
];

fn unknown_operation(stage: &Stage) {
    let mut wire = stage.wire();
    for operation in [0, 18, 99, 127, 128, 255] {
        let answer = wire.refuses(operation, map([]), Status::UnknownOperation);
        assert_eq!(answer.operation, op::UNKNOWN_OPERATION_ERROR);
    }
}

fn operations_of_servers(stage: &Stage) {
    let mut wire = stage.wire();
    for operation in [6, 7, 8, 9, 10, 12, 14, 16, 17] {
        let answer = wire.refuses(operation, map([]), Status::UnknownOperation);
        assert_eq!(answer.operation, op::UNKNOWN_OPERATION_ERROR);
    }
}

fn unknown_operation_with_more(stage: &Stage) {
    let mut wire = stage.wire();
    let more = map([("name", 7.into()), ("more", map([]))]);
    wire.refuses(42, more, Status::UnknownOperation);
}

fn unknown_operation_without_id(stage: &Stage) {
    stage.wire().is_closed_upon(42, &map([]).encode());
    stage.wire().is_closed_upon(42, &[]);
}
