//! The list: one file for each part of the specification.

mod append;
mod authentication;
mod cbor;
mod correlation;
mod create;
mod damage;
mod delete;
mod describe;
mod export_definitions;
mod export_progress;
mod framing;
mod handshake;
mod limits;
mod malformed;
mod names;
mod older_protocol;
mod operations;
mod read;
mod responses;
mod restart;
mod retention;
mod update;
mod waiting;

use serde_json::{Value, json};

use crate::behaviour::Section;

pub(crate) use crate::behaviour::{Behaviour, all, raw};
pub(crate) use millstream_protocol::ResponseStatusCode as Status;

/// All behaviours, in the order of the specification.
pub(crate) const SECTIONS: &[Section] = &[
    framing::SECTION,
    cbor::SECTION,
    malformed::SECTION,
    handshake::SECTION,
    authentication::SECTION,
    older_protocol::SECTION,
    correlation::SECTION,
    operations::SECTION,
    responses::SECTION,
    names::SECTION,
    create::SECTION,
    export_definitions::SECTION,
    export_progress::SECTION,
    append::SECTION,
    read::SECTION,
    waiting::SECTION,
    update::SECTION,
    delete::SECTION,
    describe::SECTION,
    retention::SECTION,
    restart::SECTION,
    damage::SECTION,
    limits::SECTION,
];

/// A definition with no more than what is required.
fn plain(name: &str) -> Value {
    json!({ "name": name, "strategyOnFull": 1 })
}

/// A definition with more than what is required.
fn defined(name: &str, more: Value) -> Value {
    let mut definition = plain(name);
    merge(&mut definition, more);
    definition
}

/// Puts fields into an object.
fn merge(object: &mut Value, more: Value) {
    let Value::Object(more) = more else {
        panic!("{more} is not an object");
    };
    object.as_object_mut().unwrap().extend(more);
}
