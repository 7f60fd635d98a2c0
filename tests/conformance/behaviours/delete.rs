//! Deleting and listing (specification, 6.5).

use serde_json::json;

use super::{Behaviour, Status, all, defined};
use crate::behaviour::Section;
use crate::clients::refused;
use crate::stage::Stage;

pub(super) const SECTION: Section = Section {
    id: "delete",
    title: "Deleting and listing",
    behaviours: LIST,
};

const LIST: &[Behaviour] = &[
    all(
        "deleted",
        "6.5",
        "A deleted stream is gone for every call.",
        deleted,
    ),
    all(
        "delete_again",
        "2.2",
        "Deleting a stream that is not there is ResourceNotFound, which official samples ignore.",
        delete_again,
    ),
    all(
        "begins_anew",
        "6.5",
        "A stream that is created again begins at 0, with nothing of the one before.",
        begins_anew,
    ),
    all(
        "sorted_list",
        "6.5",
        "A list has the names of all streams, sorted by their bytes.",
        sorted_list,
    ),
    all(
        "delete_exporting",
        "6.5",
        "A stream whose exports are at work, or fail, can be deleted.",
        delete_exporting,
    ),
    all(
        "delete_memory",
        "6.5",
        "A stream in memory can be deleted, and its memory is free again.",
        delete_memory,
    ),
];

fn deleted(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    client.create_plain(&name);
    client.append(&name, "x").unwrap();
    client.delete(&name).unwrap();
    assert!(!client.list().contains(&name));
    refused(client.describe(&name), Status::ResourceNotFound);
    refused(client.append(&name, "x"), Status::ResourceNotFound);
    refused(client.read_plainly(&name), Status::ResourceNotFound);
    refused(
        client.update(&super::plain(&name)),
        Status::ResourceNotFound,
    );
}

fn delete_again(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    refused(client.delete(&name), Status::ResourceNotFound);
    client.create_plain(&name);
    client.delete(&name).unwrap();
    refused(client.delete(&name), Status::ResourceNotFound);
}

fn begins_anew(stage: &Stage) {
    let (mut client, name) = (stage.client(), stage.name("s"));
    for _ in 0..3 {
        client
            .create(&defined(&name, json!({ "maxSize": 1 << 20 })))
            .unwrap();
        assert_eq!(client.storage(&name), (0, -1, 0));
        assert_eq!(client.append(&name, "x"), Ok(0));
        assert_eq!(client.append(&name, "x"), Ok(1));
        client.delete(&name).unwrap();
    }
    client.create_plain(&name);
    assert_eq!(client.definition(&name)["maxSize"], 268_435_456);
    refused(client.read_plainly(&name), Status::NotEnoughMessages);
}

fn sorted_list(stage: &Stage) {
    let host = stage.own_host("");
    let mut client = stage.client_of(&host);
    assert!(client.list().is_empty());
    for name in ["b", "a", "B", "10", "9", "a.", "_"] {
        client.create_plain(name);
    }
    assert_eq!(client.list(), ["10", "9", "B", "_", "a", "a.", "b"]);
    client.delete("B").unwrap();
    assert_eq!(client.list(), ["10", "9", "_", "a", "a.", "b"]);
}

fn delete_exporting(stage: &Stage) {
    let mut client = stage.client();
    for plugin in ["file", "nowhere"] {
        let name = stage.name(plugin);
        let uri = format!("plugin:{plugin}");
        let http = json!([{ "identifier": "e", "uri": uri, "batchSize": 1 }]);
        client
            .create(&defined(
                &name,
                json!({ "exportDefinition": { "http": http } }),
            ))
            .unwrap();
        client.fill(&name, 20);
        client.delete(&name).unwrap();
        refused(client.describe(&name), Status::ResourceNotFound);
    }
}

fn delete_memory(stage: &Stage) {
    let host = stage.own_host("storage.memory-streams = \"1 MiB\"");
    let mut client = stage.client_of(&host);
    let definition = json!({ "name": "s", "strategyOnFull": 0, "persistence": 1 });
    for _ in 0..3 {
        client.create(&definition).unwrap();
        client.append("s", vec![7; 700_000]).unwrap();
        refused(
            client.append("s", vec![7; 700_000]),
            Status::OutOfMemoryError,
        );
        client.delete("s").unwrap();
    }
}
