//! Names of streams and exports (specification, 2).

use serde_json::json;

use super::{Behaviour, Status, all, defined, plain, raw};
use crate::behaviour::Section;
use crate::clients::refused;
use crate::stage::Stage;
use crate::wire::{Item, map, op};

pub(super) const SECTION: Section = Section {
    id: "names",
    title: "Names",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "peculiar_names",
        "2",
        "`.`, `..`, a space, and names with dots, spaces or commas at their ends are names, each of \
         a stream of its own, and outlive a restart.",
        peculiar_names,
    ),
    all(
        "case_and_spaces_count",
        "2",
        "Names that differ by case or by a space at the end are different.",
        case_and_spaces_count,
    ),
    all(
        "longest_name",
        "2",
        "A name has up to 255 characters.",
        longest_name,
    ),
    all(
        "no_name",
        "2",
        "A name that is empty, longer, or has another character is refused, letters beyond ASCII too.",
        no_name,
    ),
    raw(
        "no_name_anywhere",
        "2",
        "The rule for names holds in every request and for every field that is a name.",
        no_name_anywhere,
    ),
    all(
        "identifiers",
        "2",
        "The identifier of an export follows the rule for names.",
        identifiers,
    ),
];

const PECULIAR: [&str; 12] = [
    ".", "..", "...", " ", "a", "A", "a.", "a ", " a", "a, b", "-", "_",
];

/// What is no name.
fn wrong() -> Vec<String> {
    let mut wrong: Vec<_> = [
        "", "é", "a/b", "a\\b", "a\n", "a\0", "a:b", "+", "日本", "\u{a0}",
    ]
    .map(String::from)
    .to_vec();
    wrong.push("x".repeat(256));
    wrong
}

fn peculiar_names(stage: &Stage) {
    let mut host = stage.own_host("");
    let mut client = stage.client_of(&host);
    for name in PECULIAR {
        client.create_plain(name);
        assert_eq!(client.append(name, name), Ok(0));
    }
    let mut sorted = PECULIAR.to_vec();
    sorted.sort_unstable();
    assert_eq!(client.list(), sorted);
    drop(client);
    host.stop();
    host.start_again();
    let mut client = stage.client_of(&host);
    for name in PECULIAR {
        let message = client.read_plainly(name).unwrap().remove(0);
        assert_eq!(message.payload, name.as_bytes());
        assert_eq!(message.stream, name);
    }
    client.delete("..").unwrap();
    refused(client.describe(".."), Status::ResourceNotFound);
    client.describe(".").unwrap();
}

fn case_and_spaces_count(stage: &Stage) {
    let mut client = stage.client();
    for which in ["name", "Name", "name ", "name."] {
        let name = stage.name(which);
        client.create_plain(&name);
        assert_eq!(client.append(&name, "x"), Ok(0));
    }
}

fn longest_name(stage: &Stage) {
    let mut client = stage.client();
    let mut name = stage.name("");
    name.push_str(&"x".repeat(255 - name.len()));
    client.create_plain(&name);
    assert_eq!(client.append(&name, "x"), Ok(0));
    assert_eq!(client.read_plainly(&name).unwrap()[0].stream, name);
    assert_eq!(client.definition(&name)["name"], name);
    assert!(client.list().contains(&name));
    client.delete(&name).unwrap();
}

fn no_name(stage: &Stage) {
    let mut client = stage.unchecked_client();
    for name in wrong() {
        refused(client.create(&plain(&name)), Status::InvalidRequest);
        refused(client.append(&name, "x"), Status::InvalidRequest);
        refused(client.describe(&name), Status::InvalidRequest);
        refused(client.delete(&name), Status::InvalidRequest);
    }
}

fn no_name_anywhere(stage: &Stage) {
    let mut wire = stage.wire();
    for name in wrong() {
        let named = map([("name", (&name).into())]);
        let append = named.clone().with("payload", Item::Bytes(vec![1]));
        let definition = named.clone().with("strategyOnFull", 1);
        let status = json!({ "s3TaskExecutor": [
            { "identifier": "i", "statusConfig": { "statusStreamName": name } },
        ] });
        let reporting = defined(&stage.name("s"), json!({ "exportDefinition": status }));
        for (operation, request) in [
            (op::CREATE, map([("definition", definition.clone())])),
            (op::UPDATE, map([("definition", definition)])),
            (op::CREATE, map([("definition", reporting.into())])),
            (op::APPEND, append),
            (op::READ, map([("streamName", (&name).into())])),
            (op::DESCRIBE, named.clone()),
            (op::DELETE, named),
        ] {
            wire.ask(operation, request).refused(Status::InvalidRequest);
        }
    }
}

fn identifiers(stage: &Stage) {
    let mut client = stage.unchecked_client();
    let exporting = |which: &str, identifier: &str| {
        let kinesis = json!([
            { "identifier": identifier, "kinesisStreamName": "k", "disabled": true },
        ]);
        defined(
            &stage.name(which),
            json!({ "exportDefinition": { "kinesis": kinesis } }),
        )
    };
    let longest = "x".repeat(255);
    for (place, identifier) in PECULIAR
        .iter()
        .copied()
        .chain([longest.as_str()])
        .enumerate()
    {
        let definition = exporting(&place.to_string(), identifier);
        client.create(&definition).unwrap();
        let name = definition["name"].as_str().unwrap();
        assert!(client.export_status(name, identifier).is_some());
    }
    for identifier in wrong() {
        let outcome = client.create(&exporting("wrong", &identifier));
        refused(outcome, Status::InvalidRequest);
    }
}
