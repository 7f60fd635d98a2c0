//! Describing (specification, 2 and 6.5). The parts of a description are in the sections that they
//! belong to.

use serde_json::json;

use super::{Behaviour, Status, all, defined};
use crate::behaviour::Section;
use crate::clients::refused;
use crate::stage::Stage;

pub(super) const SECTION: Section = Section {
    id: "describe",
    title: "Describing",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "describe_unknown_stream",
        "2.2",
        "Describing a stream that is not there is ResourceNotFound.",
        describe_unknown_stream,
    ),
    all(
        "numbers_of_an_empty_stream",
        "10",
        "An empty stream has 0 for its oldest message, -1 for its newest, and 0 bytes.",
        numbers_of_an_empty_stream,
    ),
    all(
        "numbers_of_a_stream",
        "2",
        "A description has the oldest and the newest number, and a size that holds all payloads.",
        numbers_of_a_stream,
    ),
    all(
        "always_export_definition",
        "10",
        "An `exportDefinition` with all five lists is there also if none was given, and one status \
         for each export.",
        always_export_definition,
    ),
    all(
        "latest_state",
        "6.5",
        "A description has everything that was acknowledged before it was asked for.",
        latest_state,
    ),
];

fn describe_unknown_stream(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    let text = refused(client.describe(&name), Status::ResourceNotFound);
    assert!(text.contains(&name), "{text}");
}

fn numbers_of_an_empty_stream(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    assert_eq!(client.storage(&name), (0, -1, 0));
}

fn numbers_of_a_stream(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    for _ in 0..3 {
        client.append(&name, vec![7; 100]).unwrap();
    }
    let (oldest, newest, bytes) = client.storage(&name);
    assert_eq!((oldest, newest), (0, 2));
    assert!((300..600).contains(&bytes), "{bytes}");
}

fn always_export_definition(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    let info = client.describe(&name).unwrap();
    let exports = info["definition"]["exportDefinition"].as_object().unwrap();
    assert_eq!(exports.len(), 5);
    assert!(exports.values().all(|list| *list == json!([])));
    assert_eq!(info["exportStatuses"], json!([]));
    let kinesis = json!([{ "identifier": "k", "kinesisStreamName": "k", "disabled": true }]);
    let exporting = json!({ "exportDefinition": { "kinesis": kinesis } });
    client.update(&defined(&name, exporting)).unwrap();
    let info = client.describe(&name).unwrap();
    assert_eq!(info["exportStatuses"].as_array().unwrap().len(), 1);
}

fn latest_state(stage: &Stage) {
    let (mut client, mut other, name) = (stage.client(), stage.client(), stage.name("s"));
    client.create_plain(&name);
    for number in 0..20 {
        client.append(&name, "x").unwrap();
        assert_eq!(other.storage(&name).1, number);
    }
}
